"""A visit: one request of a signed-in person to a page of one project, and what every page shows."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from towline.console.templating import HEADERS, fragment, page, see_other
from towline.domain.account import Permission, Principal, User
from towline.domain.errors import (
    Conflict,
    InvalidInput,
    NotAllowed,
    NotFound,
    NotSignedIn,
    StoreFull,
    Throttled,
    TowlineError,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from towline.console.live import LiveParts
    from towline.console.session import Sessions
    from towline.domain.account import Access, Project
    from towline.ports import Clock
    from towline.services.accounts import Accounts
    from towline.services.audit import Audit
    from towline.services.deployments import Deployments
    from towline.services.device_logins import DeviceLogins
    from towline.services.disks import Disks
    from towline.services.engines import InstallationEngines
    from towline.services.groups import Groups
    from towline.services.invitations import Invitations
    from towline.services.leaving import Leaving
    from towline.services.mirrors import Mirrors
    from towline.services.organizations import Organizations
    from towline.services.packages import Packages
    from towline.services.projects import Projects
    from towline.services.proofs import Proofs
    from towline.services.secret_uses import SecretUses
    from towline.services.secrets import Secrets
    from towline.services.service_accounts import ServiceAccounts
    from towline.services.single_sign_on import SingleSignOn
    from towline.services.views import Views

    Handler = Callable[[Request], Awaitable[Response]]
    MadePart = Callable[["Visit"], Awaitable[str]]

_BEGINNING = datetime(1, 1, 1, tzinfo=UTC)
_NOBODY = Principal(User("", "", "", "", created_at=_BEGINNING), "", expires_at=_BEGINNING)


class UseCases(Protocol):
    """The services that the console offers."""

    @property
    def accounts(self) -> Accounts: ...
    @property
    def device_logins(self) -> DeviceLogins: ...
    @property
    def organizations(self) -> Organizations: ...
    @property
    def invitations(self) -> Invitations: ...
    @property
    def single_sign_on(self) -> SingleSignOn: ...
    @property
    def groups(self) -> Groups: ...
    @property
    def service_accounts(self) -> ServiceAccounts: ...
    @property
    def projects(self) -> Projects: ...
    @property
    def secrets(self) -> Secrets: ...
    @property
    def packages(self) -> Packages: ...
    @property
    def deployments(self) -> Deployments: ...
    @property
    def disks(self) -> Disks: ...
    @property
    def proofs(self) -> Proofs: ...
    @property
    def mirrors(self) -> Mirrors: ...
    @property
    def engines(self) -> InstallationEngines: ...
    @property
    def audit(self) -> Audit: ...
    @property
    def secret_uses(self) -> SecretUses: ...
    @property
    def views(self) -> Views: ...


@dataclass(frozen=True, slots=True)
class Room:
    """What all pages stand on."""

    services: UseCases
    sessions: Sessions
    live: LiveParts
    leaving: Leaving
    clock: Clock
    public_url: str = ""

    def address(self, request: Request) -> str:
        """Return where browsers reach this server, without a slash at its end."""
        return self.public_url.rstrip("/") or f"{request.url.scheme}://{request.url.netloc}"

    async def visit(self, request: Request) -> Visit:
        """Return the visit; raise NotSignedIn, NotFound for the project, NotAllowed for the role.

        The role must be what the table of pages says of this one.
        """
        permission: Permission = request.state.permission
        principal = await self.sessions.principal(request)
        guid = request.path_params["project"]
        access = await self.services.accounts.access(principal, guid, permission=permission)
        return Visit(self, request, access=access, form_token=self.sessions.form_token(request))

    async def watch(self, request: Request, part: MadePart) -> Response:
        """Return the stream of a part of a page, which all who may do the same there share."""
        visit = await self.visit(request)
        granted, shared = visit.access.permission, visit.for_everybody()

        async def still_may() -> bool:
            try:
                return (await self.visit(request)).access.permission is granted
            except TowlineError:
                return False

        return await self.live.stream(
            (request.url.path, request.url.query, granted),
            lambda: part(shared),
            form_token=visit.form_token,
            still_may=still_may,
        )


@dataclass(frozen=True, slots=True)
class Visit:
    """A page of one project, asked for by somebody who may see it."""

    room: Room
    request: Request
    access: Access
    form_token: str

    @property
    def home(self) -> str:
        """The address of the project's overview, without a slash at its end."""
        return f"/projects/{self.access.project.guid}"

    def at(self, *parts: str) -> str:
        """Return the address of a page of the project, its parts quoted."""
        return "/".join((self.home, *(quote(part, safe="") for part in parts)))

    def for_everybody(self) -> Visit:
        """Return a visit to the same by nobody, with the same permission: without cookies, name and token."""
        request = Request({**self.request.scope, "headers": []})
        access = replace(self.access, principal=_NOBODY)
        return Visit(self.room, request, access=access, form_token=self.room.live.blank)

    async def page(
        self, template: str, values: Mapping[str, object], *, section: str, status: int = 200
    ) -> Response:
        """Return a whole page; ``section`` is the one that the navigation marks."""
        return self._noted(page(template, await self._frame(section) | dict(values), status=status))

    def fragment(self, template: str, values: Mapping[str, object]) -> str:
        """Return a part of a page, for what is replaced in place."""
        return fragment(template, self._own() | dict(values))

    def on(self, *parts: str, note: str = "") -> Response:
        """Return the answer that leads on to a page of the project, which says ``note`` once."""
        return self.room.sessions.note(self.request, see_other(self.at(*parts)), text=note)

    def _own(self) -> dict[str, object]:
        return {
            "home": self.home,
            "project": self.access.project,
            "at": self.at,
            "may": self.access.may,
            "Permission": Permission,
            "form_token": self.form_token,
        }

    async def _frame(self, section: str) -> dict[str, object]:
        projects = await projects_of(self.room, self.access.principal)
        return {
            **self._own(),
            **common(self.room.sessions, self.request),
            "user": self.access.principal.user,
            "projects": projects,
            "organization": self.access.organization,
            "section": section,
            "runs_installation": await self.room.services.engines.may(self.access.principal),
        }

    def _noted(self, response: Response) -> Response:
        return self.room.sessions.forget_note(self.request, response)


async def projects_of(room: Room, principal: Principal) -> list[Project]:
    """Return the projects that a person sees, by name."""
    profile = await room.services.accounts.me(principal)
    return sorted((project for project, *_ in profile.projects), key=lambda project: project.name)


def common(sessions: Sessions, request: Request) -> dict[str, object]:
    """Return what the frame of any page needs."""
    return {
        "theme": sessions.theme(request),
        "note": sessions.noted(request),
        "here": request.url.path,
    }


def shown(sessions: Sessions, handler: Handler, permission: Permission) -> Handler:
    """Return ``handler`` with its errors turned into pages, and visitors led to the sign-in.

    ``permission`` is what visits of this page need, as the table says.
    """

    @functools.wraps(handler)
    async def answer(request: Request) -> Response:
        request.state.permission = permission
        try:
            return await handler(request)
        except NotSignedIn:
            way = f"/sign-in?next={quote(_back(request), safe='')}"
            return Response(headers={**HEADERS, "HX-Redirect": way}) if _is_part(request) else see_other(way)
        except TowlineError as error:
            status, title = _told(error)
            template = "problem_part.html" if _is_part(request) else "problem.html"
            values = common(sessions, request) | {"title": title, "problem": str(error)}
            return page(template, values, status=status)

    return answer


def _is_part(request: Request) -> bool:
    """Whether a script asked, for a part of the page that is shown already."""
    return "hx-request" in request.headers


def _back(request: Request) -> str:
    """Return where a visitor wanted to go: this page, or for a form or a part the one it was on."""
    if request.method == "GET" and not _is_part(request):
        return request.url.path
    return urlsplit(request.headers.get("referer", "/")).path or "/"


def _told(error: TowlineError) -> tuple[int, str]:
    kinds: tuple[tuple[type[TowlineError], int, str], ...] = (
        (NotFound, 404, "There is no such thing here"),
        (NotAllowed, 403, "Your role does not allow this"),
        (Conflict, 409, "This cannot be done now"),
        (InvalidInput, 400, "Something in this is not right"),
        (Throttled, 429, "Too many tries"),
        (StoreFull, 507, "There is no room left"),
    )
    for kind, status, title in kinds:
        if isinstance(error, kind):
            return status, title
    return 500, "This did not work"
