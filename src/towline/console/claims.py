"""Which groups of the sign-in provider give which roles: the rules of ``towline sso``, as a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from towline.console.forms import form_of
from towline.console.people import ROLES
from towline.console.secret_form import sentence
from towline.console.visit import projects_of
from towline.domain.account import GroupRole, OrganizationRole, ProjectRole
from towline.domain.errors import InvalidInput, NotFound
from towline.domain.joining import checked_claim
from towline.domain.listing import LabelSelector, Page

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from towline.console.forms import Form
    from towline.console.visit import Room, Visit
    from towline.domain.groups import NamedRule

SECTION = "Members & tokens"
LABELS = {"claim": "Group at the provider", "gives": "What it gives here"}
WORDS = ROLES | {GroupRole.MEMBER.value: "member", GroupRole.ADMIN.value: "admin"}
KINDS = {"Organization": "organization", "Project": "project", "UserGroup": "user group"}
_MOST_GROUPS = 500

_Wanted = tuple[str, str, str, str, str]
"""Claim, kind, name and guid of what a role is for, and the role."""


class Choice(NamedTuple):
    """What a rule can give: a role in something, and the value that names both in the form."""

    value: str
    words: str


class ClaimsPages:
    """The rules of the project's organization."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def show(self, request: Request) -> Response:
        """List the rules."""
        visit = await self._room.visit(request)
        return await self._page(visit)

    async def add(self, request: Request) -> Response:
        """Add a rule to those that there are."""
        visit = await self._room.visit(request)
        form = await form_of(request, self._room.sessions)
        try:
            wanted = _wanted(form)
            await self._replace(visit, [*(_kept(each) for each in await self._rules(visit)), wanted])
        except (InvalidInput, NotFound) as error:
            return await self._page(visit, form=form, errors=_told(error), status=400)
        return visit.on("sign-in-rules", note=f"Who is in {wanted[0]} holds this from the next sign-in on.")

    async def remove(self, request: Request) -> Response:
        """Take a rule away; one that is gone already may be taken away again."""
        visit = await self._room.visit(request)
        form = await form_of(request, self._room.sessions)
        known = await self._rules(visit)
        gone = [each for each in known if form.text("rule") == _name(each)]
        await self._replace(visit, [_kept(each) for each in known if each not in gone])
        return visit.on("sign-in-rules", note="The rule gives nothing from the next sign-in on.")

    async def _rules(self, visit: Visit) -> Sequence[NamedRule]:
        access = visit.access
        return await self._room.services.organizations.rules(access.principal, access.organization.guid)

    async def _replace(self, visit: Visit, wanted: Sequence[_Wanted]) -> None:
        access, organizations = visit.access, self._room.services.organizations
        await organizations.replace_rules(access.principal, access.organization.guid, wanted)

    async def _page(
        self,
        visit: Visit,
        *,
        form: Form | None = None,
        errors: Mapping[str, str] | None = None,
        status: int = 200,
    ) -> Response:
        values = {
            "rules": [(_name(each), each) for each in await self._rules(visit)],
            "choices": await self._choices(visit),
            "provider": self._room.services.single_sign_on.name,
            "claim": form.text("claim") if form else "",
            "gives": form.text("gives") if form else "",
            "errors": errors or {},
            "labels": LABELS,
            "words": WORDS,
            "kinds": KINDS,
        }
        return await visit.page("sign_in_rules.html", values, section=SECTION, status=status)

    async def _choices(self, visit: Visit) -> Mapping[str, Sequence[Choice]]:
        """Return what a rule can give, under headings for people."""
        access, organization = visit.access, visit.access.organization
        projects = await projects_of(self._room, access.principal)
        groups = await self._room.services.groups.list(
            access.principal, organization.guid, Page(limit=_MOST_GROUPS), selector=LabelSelector()
        )
        found = {f"organization {organization.name}": _choices("Organization", organization.guid)}
        for project in projects:
            if project.organization_guid == organization.guid:
                found[f"project {project.name}"] = _choices("Project", project.guid)
        for view in groups.items:
            found[f"user group {view.group.name}"] = _choices("UserGroup", view.group.guid)
        return found


def _choices(kind: str, guid: str) -> Sequence[Choice]:
    roles = {"Organization": OrganizationRole, "Project": ProjectRole, "UserGroup": GroupRole}[kind]
    return tuple(Choice(f"{kind} {guid} {role.value}", WORDS[role.value]) for role in roles)


def _wanted(form: Form) -> _Wanted:
    claim = checked_claim(form.text("claim").strip(), field="claim")
    kind, guid, role = [*form.text("gives").split(" "), "", "", ""][:3]
    if kind not in KINDS or not guid:
        raise InvalidInput("gives", problem="is not chosen", rule="choose a role from the list")
    return claim, kind, "", guid, role


def _kept(rule: NamedRule) -> _Wanted:
    grant = rule.rule.grant
    return rule.rule.claim, rule.kind, "", grant.owner_guid, grant.role


def _name(rule: NamedRule) -> str:
    """Return how a form names a rule: all of it, as claims may hold any letters, the claim last."""
    claim, kind, _, guid, role = _kept(rule)
    return f"{kind} {guid} {role} {claim}"


def _told(error: InvalidInput | NotFound) -> dict[str, str]:
    if isinstance(error, NotFound):
        return {"gives": str(error)}
    field = error.field.rpartition(".")[2]
    return {field if field in LABELS else "gives": sentence(error)}
