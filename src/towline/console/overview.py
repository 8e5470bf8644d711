"""OVERVIEW: what needs a hand now, then numbers; and the way to a project for who comes without one."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from towline.console.templating import page, see_other
from towline.console.texts import ERROR_TEXTS
from towline.console.visit import common, projects_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from towline.console.visit import Room, Visit
    from towline.domain.secret import DockerSecret

SECTION = "Overview"
SOON = timedelta(days=14)


class OverviewPages:
    """The pages one lands on."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def home(self, request: Request) -> Response:
        """Lead on to the first of one's projects."""
        principal = await self._room.sessions.principal(request)
        projects = await projects_of(self._room, principal)
        if projects:
            return see_other(f"/projects/{projects[0].guid}")
        values = {"form_token": self._room.sessions.form_token(request)}
        return page("no_project.html", common(self._room.sessions, request) | values)

    async def show(self, request: Request) -> Response:
        """Show how a project stands."""
        visit = await self._room.visit(request)
        return await visit.page("overview.html", await self._about(visit), section=SECTION)

    async def watch(self, request: Request) -> Response:
        """Stream how it stands."""
        return await self._room.watch(request, self._state)

    async def _state(self, visit: Visit) -> str:
        return visit.fragment("overview_state.html", await self._about(visit))

    async def _about(self, visit: Visit) -> dict[str, object]:
        overview = await self._room.services.views.overview(visit.access, is_near=self._is_near)
        return {"overview": overview, "error_texts": ERROR_TEXTS, "live": visit.at("live")}

    def _is_near(self, secret: DockerSecret) -> bool:
        if secret.mint is not None:
            return secret.mint.trouble is not None  # a minted one ends soon and often, and is renewed
        expires_at = secret.shape.expires_at
        return expires_at is not None and expires_at - self._room.clock() < SOON
