"""The table of pages: method and path, what one must be allowed, and who answers.

From the one table come the routes, the checks of the role before anything else is done, and the
reference page of who may do what.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from towline.console.claims import ClaimsPages
from towline.console.deployments import DeploymentsPages
from towline.console.device import DevicePage
from towline.console.disks import DisksPages
from towline.console.engines import EnginesPages
from towline.console.find import FindPage
from towline.console.invitation import InvitationPage
from towline.console.minted_secret import MintedSecretPages
from towline.console.mirrors import MirrorsPages
from towline.console.new_secret import NewSecretPages
from towline.console.overview import OverviewPages
from towline.console.packages import PackagesPages
from towline.console.people import PeoplePages
from towline.console.projects import ProjectsPages
from towline.console.secrets import SecretsPages
from towline.console.setup import SetupPage
from towline.console.signin import SignInPage
from towline.console.sso import SsoPages
from towline.console.teams import GroupPages, ServiceAccountPages
from towline.console.uses import UsesPage
from towline.domain.account import Permission

if TYPE_CHECKING:
    from collections.abc import Iterator

    from towline.console.visit import Handler, Room


class PageRow(NamedTuple):
    """One row: in a path with ``{project}`` the permission is looked up in that project."""

    method: str
    path: str
    permission: Permission
    handler: Handler


_Row = tuple[str, str, Permission, "Handler"]


def table(room: Room) -> tuple[PageRow, ...]:
    """Return all rows."""
    rows = (*_outside(room), *_secrets(room), *_packages(room), *_deployments(room))
    rows += (*_disks(room), *_people(room), *_engines(room))
    return tuple(PageRow(*row) for row in rows)


def _outside(room: Room) -> Iterator[_Row]:
    setup = SetupPage(room.services.accounts, room.sessions)
    sign_in, sso = SignInPage(room), SsoPages(room)
    overview, device = OverviewPages(room), DevicePage(room)
    yield "GET", "/", Permission.SIGNED_IN, overview.home
    yield "GET", "/setup", Permission.OPEN, setup.show
    yield "POST", "/setup", Permission.OPEN, setup.submit
    yield "GET", "/sign-in", Permission.OPEN, sign_in.show
    yield "POST", "/sign-in", Permission.OPEN, sign_in.submit
    yield "GET", "/sign-in/sso", Permission.OPEN, sso.begin
    yield "GET", "/sign-in/sso/back", Permission.OPEN, sso.back
    yield "POST", "/sign-in/sso/connect", Permission.OPEN, sso.connect
    yield "POST", "/sign-out", Permission.SIGNED_IN, sign_in.leave
    yield "POST", "/theme", Permission.SIGNED_IN, sign_in.theme
    yield "GET", "/device", Permission.SIGNED_IN, device.show
    yield "POST", "/device", Permission.SIGNED_IN, device.submit
    invitation = InvitationPage(room)
    yield "GET", "/invitation", Permission.OPEN, invitation.show
    yield "POST", "/invitation", Permission.OPEN, invitation.submit
    yield "GET", "/projects/{project}", Permission.VIEW, overview.show
    yield "GET", "/projects/{project}/live", Permission.VIEW, overview.watch


def _secrets(room: Room) -> Iterator[_Row]:
    secrets, new, mirrors = SecretsPages(room), NewSecretPages(room), MirrorsPages(room)
    uses, minted = UsesPage(room), MintedSecretPages(room)
    base, made = "/projects/{project}/secrets", "/projects/{project}/new/secret"
    yield "GET", base, Permission.VIEW, secrets.index
    yield "GET", f"{base}-live", Permission.VIEW, secrets.watch_list
    yield "POST", f"{base}-verify", Permission.MANAGE_SECRETS, secrets.verify_many
    yield "GET", made, Permission.MANAGE_SECRETS, new.types
    yield "GET", f"{made}/name", Permission.MANAGE_SECRETS, new.check_name
    yield "GET", f"{made}/registry", Permission.MANAGE_SECRETS, new.check_registry
    yield "GET", f"{made}/docker", Permission.MANAGE_SECRETS, new.docker
    yield "POST", f"{made}/docker", Permission.MANAGE_SECRETS, new.submit_docker
    yield "POST", f"{made}/docker/test", Permission.MANAGE_SECRETS, new.try_docker
    yield "POST", f"{made}/docker/paste", Permission.MANAGE_SECRETS, new.paste
    yield "GET", f"{made}/minted", Permission.MANAGE_SECRETS, minted.new
    yield "POST", f"{made}/minted", Permission.MANAGE_SECRETS, minted.submit
    yield "GET", f"{made}/opaque", Permission.MANAGE_SECRETS, new.opaque
    yield "POST", f"{made}/opaque", Permission.MANAGE_SECRETS, new.submit_opaque
    yield "GET", f"{base}/{{name}}", Permission.DEPLOY, secrets.show
    yield "GET", f"{base}/{{name}}/live", Permission.DEPLOY, secrets.watch
    yield "POST", f"{base}/{{name}}/verify", Permission.MANAGE_SECRETS, secrets.verify
    yield "GET", f"{base}/{{name}}/edit", Permission.MANAGE_SECRETS, new.edit
    yield "POST", f"{base}/{{name}}/edit", Permission.MANAGE_SECRETS, new.submit_edit
    yield "POST", f"{base}/{{name}}/edit/test", Permission.MANAGE_SECRETS, new.try_docker
    yield "GET", f"{base}/{{name}}/mirror", Permission.MANAGE_SECRETS, mirrors.new
    yield "POST", f"{base}/{{name}}/mirror", Permission.MANAGE_SECRETS, mirrors.submit
    gone = f"{base}/{{name}}/mirror/{{mirror}}/remove"
    yield "GET", gone, Permission.MANAGE_SECRETS, mirrors.ask_remove
    yield "POST", gone, Permission.MANAGE_SECRETS, mirrors.remove
    yield "GET", f"{base}/{{name}}/uses", Permission.DEPLOY, uses.show
    yield "GET", f"{base}/{{name}}/uses.jsonl", Permission.DEPLOY, uses.export
    yield "GET", f"{base}/{{name}}/delete", Permission.MANAGE_SECRETS, secrets.ask_delete
    yield "POST", f"{base}/{{name}}/delete", Permission.MANAGE_SECRETS, secrets.delete


def _packages(room: Room) -> Iterator[_Row]:
    packages = PackagesPages(room)
    base, made = "/projects/{project}/packages", "/projects/{project}/new/package"
    one = f"{base}/{{name}}/{{version}}"
    yield "GET", base, Permission.VIEW, packages.index
    yield "GET", made, Permission.DEPLOY, packages.new
    yield "POST", made, Permission.DEPLOY, packages.submit
    yield "POST", f"{made}/check", Permission.DEPLOY, packages.check
    yield "GET", one, Permission.VIEW, packages.show
    yield "GET", f"{one}/manifest", Permission.VIEW, packages.manifest
    yield "GET", f"{one}/preflight", Permission.DEPLOY, packages.preflight
    yield "POST", f"{one}/preflight", Permission.DEPLOY, packages.preflight
    yield "GET", f"{one}/delete", Permission.DEPLOY, packages.ask_delete
    yield "POST", f"{one}/delete", Permission.DEPLOY, packages.delete


def _deployments(room: Room) -> Iterator[_Row]:
    deployments = DeploymentsPages(room)
    base, made = "/projects/{project}/deployments", "/projects/{project}/new/deployment"
    one = f"{base}/{{name}}"
    yield "GET", base, Permission.VIEW, deployments.index
    yield "GET", f"{base}-live", Permission.VIEW, deployments.watch_list
    yield "GET", made, Permission.DEPLOY, deployments.new
    yield "GET", f"{made}/preflight", Permission.DEPLOY, deployments.preflight
    yield "POST", made, Permission.DEPLOY, deployments.submit
    yield "GET", one, Permission.VIEW, deployments.show
    yield "GET", f"{one}/live", Permission.VIEW, deployments.watch
    yield "GET", f"{one}/update", Permission.DEPLOY, deployments.ask_update
    yield "POST", f"{one}/update", Permission.DEPLOY, deployments.update
    yield "GET", f"{one}/delete", Permission.DEPLOY, deployments.ask_delete
    yield "POST", f"{one}/delete", Permission.DEPLOY, deployments.delete
    yield "GET", f"{one}/logs", Permission.DEPLOY, deployments.logs
    yield "GET", f"{one}/log", Permission.DEPLOY, deployments.log
    yield "GET", f"{one}/manifest", Permission.VIEW, deployments.manifest


def _disks(room: Room) -> Iterator[_Row]:
    disks = DisksPages(room)
    base, made = "/projects/{project}/disks", "/projects/{project}/new/disk"
    one = f"{base}/{{name}}"
    yield "GET", base, Permission.VIEW, disks.index
    yield "GET", made, Permission.DEPLOY, disks.new
    yield "POST", made, Permission.DEPLOY, disks.submit
    yield "GET", one, Permission.VIEW, disks.show
    yield "GET", f"{one}/delete", Permission.DEPLOY, disks.ask_delete
    yield "POST", f"{one}/delete", Permission.DEPLOY, disks.delete


def _people(room: Room) -> Iterator[_Row]:
    people = PeoplePages(room)
    projects = ProjectsPages(room, people)
    groups, accounts = GroupPages(room, people), ServiceAccountPages(room, people)
    base = "/projects/{project}"
    yield "GET", f"{base}/find", Permission.VIEW, FindPage(room).find
    yield "GET", f"{base}/new/project", Permission.VIEW, projects.new
    yield "POST", f"{base}/new/project", Permission.VIEW, projects.submit
    yield "POST", f"{base}/members/project", Permission.MANAGE_PROJECT, projects.set_role
    yield "GET", f"{base}/audit", Permission.MANAGE_PROJECT, people.audit
    yield "GET", f"{base}/members", Permission.VIEW, people.members
    yield "POST", f"{base}/members", Permission.MANAGE_ORGANIZATION, people.set_member
    yield "POST", f"{base}/tokens", Permission.VIEW, people.create_token
    yield "POST", f"{base}/tokens/revoke", Permission.VIEW, people.revoke_token
    yield "POST", f"{base}/members/shut", Permission.MANAGE_ORGANIZATION, people.shut_out
    yield "POST", f"{base}/invitations", Permission.MANAGE_ORGANIZATION, people.change_invitation
    yield "POST", f"{base}/groups", Permission.MANAGE_ORGANIZATION, groups.create
    yield "GET", f"{base}/groups/{{name}}", Permission.VIEW, groups.show
    yield "POST", f"{base}/groups/{{name}}", Permission.MANAGE_ORGANIZATION, groups.submit
    yield "POST", f"{base}/groups/{{name}}/delete", Permission.MANAGE_ORGANIZATION, groups.delete
    claims, rules = ClaimsPages(room), f"{base}/sign-in-rules"
    yield "GET", rules, Permission.MANAGE_ORGANIZATION, claims.show
    yield "POST", rules, Permission.MANAGE_ORGANIZATION, claims.add
    yield "POST", f"{rules}/remove", Permission.MANAGE_ORGANIZATION, claims.remove
    robots = f"{base}/service-accounts"
    yield "POST", robots, Permission.MANAGE_ORGANIZATION, accounts.create
    yield "GET", f"{robots}/{{name}}", Permission.VIEW, accounts.show
    yield "POST", f"{robots}/{{name}}/tokens", Permission.MANAGE_ORGANIZATION, accounts.create_token
    yield "POST", f"{robots}/{{name}}/revoke", Permission.MANAGE_ORGANIZATION, accounts.revoke_token
    yield "POST", f"{robots}/{{name}}/delete", Permission.MANAGE_ORGANIZATION, accounts.delete
    yield "GET", f"{base}/settings", Permission.VIEW, people.settings
    yield "GET", f"{base}/settings/rio", Permission.VIEW, people.rio_settings


def _engines(room: Room) -> Iterator[_Row]:
    """Yield the engines' pages: beyond the role one must run the installation."""
    engines = EnginesPages(room)
    base, made = "/projects/{project}/engines", "/projects/{project}/new/engine"
    one = f"{base}/{{name}}"
    yield "GET", base, Permission.MANAGE_ORGANIZATION, engines.index
    yield "GET", f"{base}-rows", Permission.MANAGE_ORGANIZATION, engines.rows
    yield "GET", made, Permission.MANAGE_ORGANIZATION, engines.new
    yield "POST", made, Permission.MANAGE_ORGANIZATION, engines.submit
    yield "GET", one, Permission.MANAGE_ORGANIZATION, engines.show
    yield "POST", f"{one}/check", Permission.MANAGE_ORGANIZATION, engines.check
    yield "POST", f"{one}/default", Permission.MANAGE_ORGANIZATION, engines.set_default
    yield "GET", f"{one}/collect", Permission.MANAGE_ORGANIZATION, engines.ask_collect
    yield "POST", f"{one}/collect", Permission.MANAGE_ORGANIZATION, engines.collect
    yield "GET", f"{one}/remove", Permission.MANAGE_ORGANIZATION, engines.ask_remove
    yield "POST", f"{one}/remove", Permission.MANAGE_ORGANIZATION, engines.remove
