"""The console: pages for people.

Server-rendered; every form works without JavaScript; one style sheet of Tabler's and one of ours, no
inline script or style, a strict Content-Security-Policy. Everything shown is escaped by the templates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from towline.console.live import LiveParts
from towline.console.pages import table
from towline.console.session import Sessions
from towline.console.templating import assets
from towline.console.visit import Room, shown
from towline.services.leaving import Leaving

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from towline.console.visit import UseCases
    from towline.ports import Bell, Clock


def routes(
    services: UseCases,
    *,
    bell: Bell,
    clock: Clock,
    secure: bool,
    leaving: Leaving | None = None,
    public_url: str = "",
) -> list[BaseRoute]:
    """Return the console's routes; ``secure`` says that all browsers come by HTTPS, ``public_url`` where."""
    leaving = leaving or Leaving()
    sessions = Sessions(services.accounts, secure=secure)
    room = Room(
        services, sessions, live=LiveParts(bell, leaving), leaving=leaving, clock=clock, public_url=public_url
    )
    return [
        *(
            Route(row.path, shown(sessions, row.handler, row.permission), methods=[row.method])
            for row in table(room)
        ),
        Route("/static/{digest}/{name:path}", assets().serve, methods=["GET"]),
    ]
