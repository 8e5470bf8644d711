"""The console: pages for people.

Server-rendered; every form works without JavaScript; one style sheet of Tabler's and one of ours, no
inline script or style, a strict Content-Security-Policy. Everything shown is escaped by the templates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from towline.console.deployments import DeploymentsPages
from towline.console.device import DevicePage
from towline.console.engines import EnginesPages
from towline.console.find import FindPage
from towline.console.live import LiveParts
from towline.console.mirrors import MirrorsPages
from towline.console.new_secret import NewSecretPages
from towline.console.overview import OverviewPages
from towline.console.packages import PackagesPages
from towline.console.people import PeoplePages
from towline.console.projects import ProjectsPages
from towline.console.secrets import SecretsPages
from towline.console.session import Sessions
from towline.console.setup import SetupPage
from towline.console.signin import SignInPage
from towline.console.templating import assets
from towline.console.uses import UsesPage
from towline.console.visit import Room, shown
from towline.services.leaving import Leaving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.routing import BaseRoute

    from towline.console.visit import Handler, UseCases
    from towline.ports import Bell, Clock

_Row = tuple[str, str, "Handler"]


def routes(
    services: UseCases, *, bell: Bell, clock: Clock, secure: bool, leaving: Leaving | None = None
) -> list[BaseRoute]:
    """Return the console's routes; ``secure`` says that browsers come over HTTPS."""
    leaving = leaving or Leaving()
    sessions = Sessions(services.accounts, secure=secure)
    room = Room(services, sessions, live=LiveParts(bell, leaving), leaving=leaving, clock=clock)
    rows = [*_outside(room), *_secrets(room), *_packages(room), *_deployments(room)]
    rows += [*_people(room), *_engines(room)]
    return [
        *(Route(path, shown(sessions, handler), methods=[method]) for method, path, handler in rows),
        Route("/static/{digest}/{name:path}", assets().serve, methods=["GET"]),
    ]


def _outside(room: Room) -> Iterator[_Row]:
    setup = SetupPage(room.services.accounts, room.sessions)
    sign_in = SignInPage(room.services.accounts, room.sessions)
    overview, device = OverviewPages(room), DevicePage(room)
    yield "GET", "/", overview.home
    yield "GET", "/setup", setup.show
    yield "POST", "/setup", setup.submit
    yield "GET", "/sign-in", sign_in.show
    yield "POST", "/sign-in", sign_in.submit
    yield "POST", "/sign-out", sign_in.leave
    yield "POST", "/theme", sign_in.theme
    yield "GET", "/device", device.show
    yield "POST", "/device", device.submit
    yield "GET", "/projects/{project}", overview.show
    yield "GET", "/projects/{project}/live", overview.watch


def _secrets(room: Room) -> Iterator[_Row]:
    uses = UsesPage(room)
    secrets, new, mirrors = SecretsPages(room), NewSecretPages(room), MirrorsPages(room)
    base, made = "/projects/{project}/secrets", "/projects/{project}/new/secret"
    yield "GET", base, secrets.index
    yield "GET", f"{base}-live", secrets.watch_list
    yield "POST", f"{base}-verify", secrets.verify_many
    yield "GET", made, new.types
    yield "GET", f"{made}/name", new.check_name
    yield "GET", f"{made}/registry", new.check_registry
    yield "GET", f"{made}/docker", new.docker
    yield "POST", f"{made}/docker", new.submit_docker
    yield "POST", f"{made}/docker/test", new.try_docker
    yield "POST", f"{made}/docker/paste", new.paste
    yield "GET", f"{made}/opaque", new.opaque
    yield "POST", f"{made}/opaque", new.submit_opaque
    yield "GET", f"{base}/{{name}}", secrets.show
    yield "GET", f"{base}/{{name}}/live", secrets.watch
    yield "POST", f"{base}/{{name}}/verify", secrets.verify
    yield "GET", f"{base}/{{name}}/uses", uses.show
    yield "GET", f"{base}/{{name}}/uses.jsonl", uses.export
    yield "GET", f"{base}/{{name}}/edit", new.edit
    yield "POST", f"{base}/{{name}}/edit", new.submit_edit
    yield "POST", f"{base}/{{name}}/edit/test", new.try_docker
    yield "GET", f"{base}/{{name}}/mirror", mirrors.new
    yield "POST", f"{base}/{{name}}/mirror", mirrors.submit
    yield "GET", f"{base}/{{name}}/mirror/{{mirror}}/remove", mirrors.ask_remove
    yield "POST", f"{base}/{{name}}/mirror/{{mirror}}/remove", mirrors.remove
    yield "GET", f"{base}/{{name}}/delete", secrets.ask_delete
    yield "POST", f"{base}/{{name}}/delete", secrets.delete


def _packages(room: Room) -> Iterator[_Row]:
    packages = PackagesPages(room)
    base, made = "/projects/{project}/packages", "/projects/{project}/new/package"
    one = f"{base}/{{name}}/{{version}}"
    yield "GET", base, packages.index
    yield "GET", made, packages.new
    yield "POST", made, packages.submit
    yield "POST", f"{made}/check", packages.check
    yield "GET", one, packages.show
    yield "GET", f"{one}/manifest", packages.manifest
    yield "GET", f"{one}/preflight", packages.preflight
    yield "POST", f"{one}/preflight", packages.preflight
    yield "GET", f"{one}/delete", packages.ask_delete
    yield "POST", f"{one}/delete", packages.delete


def _deployments(room: Room) -> Iterator[_Row]:
    deployments = DeploymentsPages(room)
    base, made = "/projects/{project}/deployments", "/projects/{project}/new/deployment"
    one = f"{base}/{{name}}"
    yield "GET", base, deployments.index
    yield "GET", f"{base}-live", deployments.watch_list
    yield "GET", made, deployments.new
    yield "GET", f"{made}/preflight", deployments.preflight
    yield "POST", made, deployments.submit
    yield "GET", one, deployments.show
    yield "GET", f"{one}/live", deployments.watch
    yield "GET", f"{one}/update", deployments.ask_update
    yield "POST", f"{one}/update", deployments.update
    yield "GET", f"{one}/delete", deployments.ask_delete
    yield "POST", f"{one}/delete", deployments.delete
    yield "GET", f"{one}/logs", deployments.logs
    yield "GET", f"{one}/log", deployments.log
    yield "GET", f"{one}/manifest", deployments.manifest


def _people(room: Room) -> Iterator[_Row]:
    people = PeoplePages(room)
    projects = ProjectsPages(room, people)
    base = "/projects/{project}"
    yield "GET", f"{base}/find", FindPage(room).find
    yield "GET", f"{base}/new/project", projects.new
    yield "POST", f"{base}/new/project", projects.submit
    yield "POST", f"{base}/members/project", projects.set_role
    yield "GET", f"{base}/audit", people.audit
    yield "GET", f"{base}/members", people.members
    yield "POST", f"{base}/members", people.set_member
    yield "POST", f"{base}/tokens", people.create_token
    yield "POST", f"{base}/tokens/revoke", people.revoke_token
    yield "GET", f"{base}/settings", people.settings
    yield "GET", f"{base}/settings/rio", people.rio_settings


def _engines(room: Room) -> Iterator[_Row]:
    engines = EnginesPages(room)
    base, made = "/projects/{project}/engines", "/projects/{project}/new/engine"
    one = f"{base}/{{name}}"
    yield "GET", base, engines.index
    yield "GET", f"{base}-rows", engines.rows
    yield "GET", made, engines.new
    yield "POST", made, engines.submit
    yield "GET", one, engines.show
    yield "POST", f"{one}/check", engines.check
    yield "POST", f"{one}/default", engines.set_default
    yield "GET", f"{one}/collect", engines.ask_collect
    yield "POST", f"{one}/collect", engines.collect
    yield "GET", f"{one}/remove", engines.ask_remove
    yield "POST", f"{one}/remove", engines.remove
