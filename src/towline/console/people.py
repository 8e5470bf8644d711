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
from towline.domain.listing import Page
from towline.domain.rio_config import rio_config
from towline.domain.scopes import SCOPES as SCOPE_TABLE
from towline.domain.scopes import parse_scopes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from towline.console.forms import Form
    from towline.console.visit import Room, Visit
    from towline.domain.account import Member, Token
    from towline.domain.audit import AuditEntry

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
}
_ROWS = 100


class PeoplePages:
    """People, tokens, and the trail of what they did."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def audit(self, request: Request) -> Response:
        """Show the audit trail, newest first."""
        visit = await self._room.visit(request, Permission.MANAGE_PROJECT)
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
        visit = await self._room.visit(request, Permission.MANAGE_ORGANIZATION)
        form = await form_of(request, self._room.sessions)
        email, role = form.text("email").lower(), form.text("role")
        accounts, principal = self._room.services.accounts, visit.access.principal
        organization, members = await accounts.organization(principal, visit.access.organization.guid)
        roles = {member.user.email: member.role_names for member in members}
        if form.has("remove"):
            roles.pop(email, None)
        else:
            roles[email] = (OrganizationRole(role).value if role in set(OrganizationRole) else "",)
        try:
            await accounts.replace_members(principal, organization.guid, roles)
        except (InvalidInput, NotFound) as error:
            problem = sentence(error) if isinstance(error, InvalidInput) else _no_account(email)
            return await self.page(visit, errors={"email": problem}, status=400)
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
        accounts, principal = self._room.services.accounts, visit.access.principal
        others = [
            token.guid
            for token in await accounts.tokens(principal)
            if token.kind != "api" and token.guid != principal.token_guid
        ]
        for guid in others:
            await accounts.revoke_token(principal, guid)
        return f"{len(others)} session{' was' if len(others) == 1 else 's were'} revoked."

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
        status: int = 200,
    ) -> Response:
        """Show people, tokens and sessions; ``made`` is a fresh token with its text."""
        accounts, principal = self._room.services.accounts, visit.access.principal
        tokens = await accounts.tokens(principal)
        values = {
            "members": await self._people(visit),
            "project_members": await self._project_members(visit),
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
        }
        return await visit.page("members.html", values, section=MEMBERS, status=status)

    async def _people(self, visit: Visit) -> Sequence[Member]:
        try:
            _, members = await self._room.services.accounts.organization(
                visit.access.principal, visit.access.organization.guid
            )
        except NotFound:
            return ()
        return members

    async def _project_members(self, visit: Visit) -> Sequence[Member]:
        access = visit.access
        _, _, members = await self._room.services.projects.get(access.principal, access.project.guid)
        return members

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


def _no_account(email: str) -> str:
    return f"{email} has no account here; make one on the server: towline admin create-user {email}"


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
