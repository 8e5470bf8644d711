"""User groups and service accounts: making them, their members, roles and tokens, and their end."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from towline.console.forms import form_of
from towline.console.secret_form import sentence
from towline.domain.account import GroupRole, Permission, ProjectRole, SubjectRef
from towline.domain.errors import Conflict, InvalidInput, NotFound
from towline.domain.groups import GroupDraft, ServiceAccountDraft
from towline.services.service_accounts import token_number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from towline.console.forms import Form
    from towline.console.people import PeoplePages
    from towline.console.visit import Room, Visit
    from towline.domain.account import Token
    from towline.domain.groups import GroupView, ServiceAccountView

SECTION = "Members & tokens"
LABELS = {"name": "Name", "members": "Members", "role": "Role", "days": "Days"}
DAYS = (7, 30, 90, 365)


class _Made(NamedTuple):
    """A token of a service account, and the number by which it is named."""

    token: Token
    number: int


class GroupPages:
    """User groups of the project's organization; ``people`` lists them."""

    def __init__(self, room: Room, people: PeoplePages) -> None:
        self._room = room
        self._people = people

    async def create(self, request: Request) -> Response:
        """Make a group that holds a role in this project."""
        visit = await self._room.visit(request)
        form = await form_of(request, self._room.sessions)
        draft = GroupDraft(form.text("group_name"), roles=_role_here(visit, form))
        try:
            made = await self._room.services.groups.create(
                visit.access.principal, visit.access.organization.guid, draft
            )
        except (InvalidInput, Conflict) as error:
            return await self._people.page(visit, errors={"group_name": _told(error)}, status=400)
        return visit.on("groups", made.group.name, note=f"Group {made.group.name} was made.")

    async def show(self, request: Request) -> Response:
        """Show a group with its members and roles."""
        visit = await self._room.visit(request)
        return await self._page(visit)

    async def submit(self, request: Request) -> Response:
        """Replace a group's members, and its role in this project."""
        visit = await self._room.visit(request)
        form = await form_of(request, self._room.sessions)
        view = await self._view(visit)
        draft = GroupDraft(
            view.group.name,
            description=form.text("description"),
            members=_members(form),
            roles=_other_roles(visit, view) + _role_here(visit, form),
        )
        try:
            await self._room.services.groups.update(
                visit.access.principal, visit.access.organization.guid, draft
            )
        except InvalidInput as error:
            return await self._page(visit, errors={"members": _told(error)}, status=400)
        return visit.on("groups", view.group.name, note=f"Group {view.group.name} was changed.")

    async def delete(self, request: Request) -> Response:
        """Delete a group."""
        visit = await self._room.visit(request)
        await form_of(request, self._room.sessions)
        name = visit.request.path_params["name"]
        await self._room.services.groups.delete(
            visit.access.principal, visit.access.organization.guid, name=name
        )
        return visit.on("members", note=f"Group {name} was deleted.")

    async def _view(self, visit: Visit) -> GroupView:
        return await self._room.services.groups.get(
            visit.access.principal, visit.access.organization.guid, name=visit.request.path_params["name"]
        )

    async def _page(
        self, visit: Visit, *, errors: Mapping[str, str] | None = None, status: int = 200
    ) -> Response:
        view = await self._view(visit)
        here = [each.role for each in view.roles if each.guid == visit.access.project.guid]
        values = {
            "view": view,
            "lines": "\n".join(_line(each.user.email, each.role_names) for each in view.members),
            "here": here[0] if here else "",
            "others": [each for each in view.roles if each.guid != visit.access.project.guid],
            "project_roles": [each.value for each in ProjectRole],
            "errors": errors or {},
            "labels": LABELS,
        }
        return await visit.page("group.html", values, section=SECTION, status=status)


class ServiceAccountPages:
    """Service accounts of the project's organization; ``people`` lists them."""

    def __init__(self, room: Room, people: PeoplePages) -> None:
        self._room = room
        self._people = people

    async def create(self, request: Request) -> Response:
        """Make a service account with a role in this project."""
        visit = await self._room.visit(request)
        form = await form_of(request, self._room.sessions)
        roles = [(kind, name, guid, (role,)) for kind, name, guid, role in _role_here(visit, form)]
        draft = ServiceAccountDraft(form.text("account_name"), roles=roles)
        try:
            made = await self._room.services.service_accounts.create(
                visit.access.principal, visit.access.organization.guid, draft
            )
        except (InvalidInput, Conflict) as error:
            return await self._people.page(visit, errors={"account_name": _told(error)}, status=400)
        name = made.account.first_name
        return visit.on("service-accounts", name, note=f"Service account {name} was made.")

    async def show(self, request: Request) -> Response:
        """Show a service account with its roles and tokens."""
        return await self._page(await self._room.visit(request))

    async def create_token(self, request: Request) -> Response:
        """Make a token, and show it this once."""
        visit = await self._room.visit(request)
        form = await form_of(request, self._room.sessions)
        days = form.text("days")
        number = int(days) if days.isascii() and days.isdigit() and len(days) < 5 else 0
        try:
            _, text = await self._room.services.service_accounts.create_token(
                visit.access.principal,
                visit.access.organization.guid,
                visit.request.path_params["name"],
                expires_at=number,
            )
        except (InvalidInput, Conflict) as error:
            return await self._page(visit, errors={"days": _told(error)}, status=400)
        return await self._page(visit, made=text)

    async def revoke_token(self, request: Request) -> Response:
        """End a token."""
        visit = await self._room.visit(request)
        form = await form_of(request, self._room.sessions)
        name, number = visit.request.path_params["name"], form.text("token")
        if not (number.isascii() and number.isdigit() and len(number) <= 20):
            raise NotFound("token", number[:60])
        await self._room.services.service_accounts.revoke_token(
            visit.access.principal, visit.access.organization.guid, name, int(number)
        )
        return visit.on("service-accounts", name, note="The token was revoked.")

    async def delete(self, request: Request) -> Response:
        """Delete a service account."""
        visit = await self._room.visit(request)
        await form_of(request, self._room.sessions)
        name = visit.request.path_params["name"]
        await self._room.services.service_accounts.delete(
            visit.access.principal, visit.access.organization.guid, name
        )
        return visit.on("members", note=f"Service account {name} was deleted.")

    async def _page(
        self,
        visit: Visit,
        *,
        errors: Mapping[str, str] | None = None,
        made: str = "",
        status: int = 200,
    ) -> Response:
        accounts, access = self._room.services.service_accounts, visit.access
        name, owner = visit.request.path_params["name"], access.organization.guid
        view: ServiceAccountView = await accounts.get(access.principal, owner, name)
        tokens: Sequence[Token] = ()
        if access.may(Permission.MANAGE_ORGANIZATION):
            tokens = await accounts.tokens(access.principal, owner, name)
        values = {
            "view": view,
            "tokens": [_Made(each, token_number(each)) for each in tokens],
            "days": DAYS,
            "made": made,
            "errors": errors or {},
            "labels": LABELS,
        }
        return await visit.page("service_account.html", values, section=SECTION, status=status)


def _role_here(visit: Visit, form: Form) -> list[tuple[str, str, str, str]]:
    role, project = form.text("role"), visit.access.project
    return [("Project", project.name, project.guid, role)] if role else []


def _other_roles(visit: Visit, view: GroupView) -> list[tuple[str, str, str, str]]:
    here = visit.access.project.guid
    return [(each.kind, each.name, each.guid, each.role) for each in view.roles if each.guid != here]


def _members(form: Form) -> dict[SubjectRef, tuple[str, ...]]:
    """Return who the lines of the form name; a line may end in the word ``admin``."""
    found: dict[SubjectRef, tuple[str, ...]] = {}
    for line in form.text("members").splitlines():
        words = line.split()
        if not words:
            continue
        role = GroupRole.ADMIN if words[1:] == ["admin"] else GroupRole.MEMBER
        found[_subject(words[0])] = (role.value,)
    return found


def _subject(word: str) -> SubjectRef:
    if "@" in word:
        return SubjectRef("User", word)
    return SubjectRef("ServiceAccount", word.removeprefix("service-account/"))


def _line(name: str, roles: Sequence[str]) -> str:
    return f"{name} admin" if GroupRole.ADMIN in roles else name


def _told(error: InvalidInput | Conflict) -> str:
    return sentence(error) if isinstance(error, InvalidInput) else str(error)
