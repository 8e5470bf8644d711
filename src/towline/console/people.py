"""AUDIT, MEMBERS & TOKENS, SETTINGS: who did what, who may do what, and how others get here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from starlette.responses import Response as FileResponse

from towline.console.forms import form_of
from towline.console.secret_form import sentence
from towline.console.templating import HEADERS
from towline.domain.account import OrganizationRole, Permission, ProjectRole
from towline.domain.errors import InvalidInput, NotAllowed, NotFound
from towline.domain.listing import LabelSelector, Page
from towline.domain.rio_config import rio_config
from towline.domain.scopes import SCOPES as SCOPE_TABLE
from towline.domain.scopes import parse_scopes
from towline.services.invitations import link_at

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from towline.console.forms import Form
    from towline.console.visit import Room, Visit
    from towline.domain.account import Token
    from towline.domain.audit import AuditEntry
    from towline.domain.joining import Invitation

AUDIT, MEMBERS, SETTINGS = "Audit", "Members & tokens", "Settings"
SCOPES = {
    "read": (Permission.VIEW, "Read: see deployments and packages"),
    "deploy": (Permission.DEPLOY, "Deploy: also make packages and deployments, use secrets"),
    "secrets": (Permission.MANAGE_SECRETS, "Secrets: also make and change secrets"),
    "project": (Permission.MANAGE_PROJECT, "Project: all of the projects you are in"),
    "all": (Permission.MANAGE_ORGANIZATION, "Everything that you may do"),
}
DAYS = (7, 30, 90, 365)
ROLES = {
    OrganizationRole.MEMBER.value: "member",
    OrganizationRole.ADMIN.value: "admin",
    ProjectRole.VIEWER.value: "viewer: sees deployments and packages",
    ProjectRole.DEVELOPER.value: "developer: also deploys, with the secrets",
    ProjectRole.ADMIN.value: "admin: also manages the secrets and the project",
}
LABELS = {
    "name": "Name",
    "scope": "Level",
    "scopes": "Scopes",
    "days": "Expires after",
    "email": "E-mail address",
    "project_email": "E-mail address",
    "project_role": "Role",
    "group_name": "Name of the group",
    "account_name": "Name of the service account",
}
_ROWS = 100


class PeoplePages:
    """People, tokens, and the trail of what they did."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def audit(self, request: Request) -> Response:
        """Show the audit trail, newest first."""
        visit = await self._room.visit(request)
        query = request.query_params
        text, before = query.get("q", "").strip(), query.get("before", "")
        rows, total = await self._newest(visit, text, before)
        values = {
            "rows": rows,
            "text": text,
            "more": rows[-1][0] if rows and total > len(rows) else 0,
            "before": before,
        }
        return await visit.page("audit.html", values, section=AUDIT)

    async def members(self, request: Request) -> Response:
        """Show the organization's people, and one's own sessions and tokens."""
        visit = await self._room.visit(request)
        return await self.page(visit)

    async def set_member(self, request: Request) -> Response:
        """Add a person with an account to the organization, change a role, or take one out."""
        visit = await self._room.visit(request)
        form = await form_of(request, self._room.sessions)
        email, role = form.text("email").lower(), form.text("role")
        access, organizations = visit.access, self._room.services.organizations
        wanted = OrganizationRole(role) if role in set(OrganizationRole) else OrganizationRole.MEMBER
        try:
            changed = await organizations.set_member(
                access.principal,
                access.organization.guid,
                email,
                role=None if form.has("remove") else wanted,
            )
        except (InvalidInput, NotFound) as error:
            problem = sentence(error) if isinstance(error, InvalidInput) else f"{email} is no member."
            return await self.page(visit, errors={"email": problem}, status=400)
        if changed.invited:
            return await self._invited(visit, *changed.invited[0])
        what = "is no member any more" if form.has("remove") else "is a member now"
        return visit.on("members", note=f"{email} {what}.")

    async def create_token(self, request: Request) -> Response:
        """Make an API token, and show it this once."""
        visit = await self._room.visit(request)
        form = await form_of(request, self._room.sessions)
        scope, days = form.text("scope"), form.text("days")
        errors: dict[str, str] = {}
        if scope not in SCOPES:
            errors["scope"] = f"choose one of {', '.join(SCOPES)}"
        if not (days.isascii() and days.isdigit()):
            errors["days"] = "choose for how many days"
        if errors:
            return await self.page(visit, errors=errors, status=400)
        try:
            made = await self._made(visit, form, ceiling=SCOPES[scope][0], days=int(days))
        except InvalidInput as error:
            field = error.field.partition("[")[0]
            return await self.page(visit, errors={field: sentence(error)}, status=400)
        except NotAllowed as error:
            return await self.page(visit, errors={"scopes": str(error)}, status=403)
        return await self.page(visit, made=made)

    async def revoke_token(self, request: Request) -> Response:
        """End a session or a token of one's own, or all sessions but this one."""
        visit = await self._room.visit(request)
        form = await form_of(request, self._room.sessions)
        if form.has("others"):
            return visit.on("members", note=await self._end_other_sessions(visit))
        token = await self._room.services.accounts.revoke_token(visit.access.principal, form.text("guid"))
        return visit.on("members", note=f"{token.name or 'The session'} was revoked.")

    async def _end_other_sessions(self, visit: Visit) -> str:
        ended = await self._room.services.accounts.end_others(visit.access.principal)
        return f"{ended} session{' was' if ended == 1 else 's were'} revoked."

    async def settings(self, request: Request) -> Response:
        """Show how the clients get here, and the project's facts."""
        visit = await self._room.visit(request)
        values = {"address": _address(request), "rio": _rio_settings(visit)}
        return await visit.page("settings.html", values, section=SETTINGS)

    async def rio_settings(self, request: Request) -> Response:
        """Answer the configuration file of the real ``rio``, which holds no token: one signs in with it."""
        visit = await self._room.visit(request)
        headers = {**HEADERS, "Content-Disposition": 'attachment; filename="config.json"'}
        return FileResponse(_rio_settings(visit), headers=headers, media_type="application/json")

    async def _made(self, visit: Visit, form: Form, *, ceiling: Permission, days: int) -> tuple[Token, str]:
        """Make a token of a level, or with scopes in this project where any are written."""
        accounts, principal, name = self._room.services.accounts, visit.access.principal, form.text("name")
        if not (written := form.text("scopes").split()):
            return await accounts.create_token(principal, name=name, ceiling=ceiling, days=days)
        project = visit.access.project.guid
        return await accounts.create_scoped_token(
            principal, name=name, scopes=parse_scopes(written), project_guid=project, days=days
        )

    async def page(
        self,
        visit: Visit,
        *,
        errors: Mapping[str, str] | None = None,
        made: tuple[Token, str] | None = None,
        invited: tuple[Invitation, str, str] | None = None,
        status: int = 200,
    ) -> Response:
        """Show people, tokens and sessions.

        ``made`` is a fresh token with its text; ``invited`` a fresh invitation, its link, and why that
        was not mailed.
        """
        accounts, principal = self._room.services.accounts, visit.access.principal
        tokens = await accounts.tokens(principal)
        values = {
            **await self._holders(visit),
            "roles": [each.value for each in OrganizationRole],
            "project_roles": [each.value for each in ProjectRole],
            "role_words": ROLES,
            "sessions": [each for each in tokens if each.kind != "api"],
            "tokens": [each for each in tokens if each.kind == "api"],
            "own": principal.token_guid,
            "scopes": {name: words for name, (_, words) in SCOPES.items()},
            "scope_table": SCOPE_TABLE,
            "scope_of": {ceiling: name for name, (ceiling, _) in SCOPES.items()},
            "days": DAYS,
            "errors": errors or {},
            "labels": LABELS,
            "made": made,
            "invited": invited,
        }
        return await visit.page("members.html", values, section=MEMBERS, status=status)

    async def shut_out(self, request: Request) -> Response:
        """Shut a person out, whose sessions and tokens end at once, or let in again."""
        visit = await self._room.visit(request)
        form = await form_of(request, self._room.sessions)
        email, disabled = form.text("email"), form.has("disable")
        access = visit.access
        await self._room.services.organizations.set_disabled(
            access.principal, access.organization.guid, email, disabled=disabled
        )
        what = "is shut out; all sessions and tokens are ended" if disabled else "may sign in again"
        return visit.on("members", note=f"{email} {what}.")

    async def change_invitation(self, request: Request) -> Response:
        """Withdraw an invitation, or show a fresh link for it."""
        visit = await self._room.visit(request)
        form = await form_of(request, self._room.sessions)
        invitations, guid = self._room.services.invitations, form.text("guid")
        owner = visit.access.organization.guid
        if form.has("renew"):
            return await self._invited(visit, *await invitations.renew(visit.access.principal, owner, guid))
        withdrawn = await invitations.withdraw(visit.access.principal, owner, guid)
        return visit.on("members", note=f"The invitation of {withdrawn.email} was withdrawn.")

    async def _holders(self, visit: Visit) -> dict[str, object]:
        """Return who holds roles in the project and organization, and who is invited."""
        access, services = visit.access, self._room.services
        _, _, members, groups = await services.projects.get(access.principal, access.project.guid)
        found: dict[str, object] = {"project_members": members, "project_groups": groups}
        try:
            organization = await services.organizations.get(access.principal, access.organization.guid)
        except NotFound:
            return found | {"members": (), "groups": (), "invitations": (), "accounts": ()}
        owner, principal = organization.organization.guid, access.principal
        everything = LabelSelector()
        known = await services.groups.list(principal, owner, Page(limit=500), selector=everything)
        robots = await services.service_accounts.list(principal, owner, Page(limit=500), selector=everything)
        found |= {"members": organization.members, "groups": known.items, "accounts": robots.items}
        found["invitations"] = ()
        if access.may(Permission.MANAGE_ORGANIZATION):
            found["invitations"] = await services.invitations.list(principal, owner)
        return found

    async def _invited(self, visit: Visit, invitation: Invitation, text: str) -> Response:
        """Show the link of a fresh invitation, this once, and send it where mail is set up."""
        link = link_at(self._room.address(visit.request), text)
        mail = await self._room.services.invitations.send(invitation, visit.access.organization, link)
        return await self.page(visit, invited=(invitation, link, mail))

    async def _newest(
        self, visit: Visit, text: str, before: str
    ) -> tuple[Sequence[tuple[int, AuditEntry]], int]:
        """Return the newest numbered rows with ``text`` in them, older than number ``before``."""
        last = int(before) if before.isascii() and before.isdigit() else 0
        page, number, total = Page(limit=500), 0, 0
        kept: list[tuple[int, AuditEntry]] = []
        while True:
            listing = await self._room.services.audit.page(visit.access, page)
            for row in listing.items:
                number += 1
                if (not last or number < last) and _says(row, text):
                    total += 1
                    kept = [*kept, (number, row)][-_ROWS:]
            if listing.next is None or len(listing.items) < page.limit:
                return kept[::-1], total
            page = Page(after=listing.next, limit=page.limit)


def _says(row: AuditEntry, text: str) -> bool:
    said = (row.actor, row.action, row.subject, row.outcome, *(word for pair in row.detail for word in pair))
    return any(text.casefold() in each.casefold() for each in said)


def _address(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}"


def _rio_settings(visit: Visit) -> str:
    """Return what ``rio`` reads from its ``config.json``, but for the token."""
    organization, project = visit.access.organization, visit.access.project
    settings = rio_config(
        _address(visit.request),
        email=visit.access.principal.user.email,
        organization=(organization.guid, organization.name, organization.short_guid),
        project=(project.guid, project.name),
    )
    return json.dumps(settings, indent=2) + "\n"
