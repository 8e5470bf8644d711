"""What one looks for by name from any page: Ctrl-K asks here with every letter."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse

from towline.console.templating import HEADERS
from towline.domain.account import Permission
from towline.services.views import SecretFilter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request
    from starlette.responses import Response

    from towline.console.visit import Room, Visit

MOST = 12
Page = tuple[str, str, tuple[str, ...], Permission]
"""An icon's name, what the page is called, its address, and who may go there."""

_PAGES: Sequence[Page] = (
    ("layout-dashboard", "Overview", (), Permission.VIEW),
    ("key", "Secrets", ("secrets",), Permission.VIEW),
    ("plus", "Add new secret", ("new", "secret"), Permission.MANAGE_SECRETS),
    ("package", "Packages", ("packages",), Permission.VIEW),
    ("plus", "Create package", ("new", "package"), Permission.DEPLOY),
    ("rocket", "Deployments", ("deployments",), Permission.VIEW),
    ("plus", "Deploy a package", ("new", "deployment"), Permission.DEPLOY),
    ("database", "Disks", ("disks",), Permission.VIEW),
    ("plus", "Create disk", ("new", "disk"), Permission.DEPLOY),
    ("list-search", "Audit", ("audit",), Permission.MANAGE_PROJECT),
    ("users", "Members & tokens", ("members",), Permission.VIEW),
    ("settings", "Settings", ("settings",), Permission.VIEW),
)
_OF_THE_INSTALLATION: Sequence[Page] = (
    ("server", "Engines", ("engines",), Permission.MANAGE_ORGANIZATION),
    ("plus", "Add engine", ("new", "engine"), Permission.MANAGE_ORGANIZATION),
)

Found = tuple[str, str, str, str]
"""An icon's name, what it is called, of what kind it is, and its address."""


class FindPage:
    """Answers what is called like a text."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def find(self, request: Request) -> Response:
        """Answer the first few, as a part of a page."""
        visit = await self._room.visit(request)
        text = request.query_params.get("q", "").strip()
        found = list(islice(_pages(visit, text), MOST))
        if await self._room.services.engines.may(visit.access.principal):
            found += _pages(visit, text, among=_OF_THE_INSTALLATION)
        if text:
            found = [*await self._things(visit, text), *found][:MOST]
        return HTMLResponse(visit.fragment("find.html", {"found": found}), headers=HEADERS)

    async def _things(self, visit: Visit, text: str) -> list[Found]:
        views, access = self._room.services.views, visit.access
        found: list[Found] = []
        for deployment in await views.deployments(access, text=text, most=MOST):
            name = deployment.name
            found.append(("rocket", name, "deployment", visit.at("deployments", name)))
        if access.may(Permission.DEPLOY):
            for line in (await views.shelf(access, SecretFilter(text))).lines:
                name = line.secret.metadata.name
                found.append(("key", name, "secret", visit.at("secrets", name)))
        for package in await views.packages(access, text=text, most=MOST):
            place = visit.at("packages", package.name, package.version)
            found.append(("package", f"{package.name} {package.version}", "package", place))
        return sorted(found, key=lambda each: (not each[1].startswith(text), text not in each[1], each[1]))


def _pages(visit: Visit, text: str, *, among: Sequence[Page] = _PAGES) -> Iterator[Found]:
    for symbol, name, parts, permission in among:
        if text.casefold() in name.casefold() and visit.access.may(permission):
            yield symbol, name, "page", visit.at(*parts)
