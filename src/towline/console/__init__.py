"""Pages for people: the first start, signing in, and how everything stands.

Server-rendered; every form works without JavaScript; one style sheet, no inline script or style, a
strict Content-Security-Policy. Everything shown is escaped by the templates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from towline.console.overview import OverviewPage
from towline.console.session import Sessions
from towline.console.setup import SetupPage
from towline.console.signin import SignInPage
from towline.console.templating import STATIC

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from towline.ports import Clock
    from towline.services.accounts import Accounts
    from towline.services.deployments import Deployments
    from towline.services.secrets import Secrets


def routes(
    *, accounts: Accounts, secrets: Secrets, deployments: Deployments, clock: Clock, secure: bool
) -> list[BaseRoute]:
    """Return the console's routes; ``secure`` says that browsers come over HTTPS."""
    sessions = Sessions(accounts, secure=secure)
    setup = SetupPage(accounts, sessions)
    sign_in = SignInPage(accounts, sessions)
    overview = OverviewPage(
        accounts, secrets=secrets, deployments=deployments, sessions=sessions, clock=clock
    )
    return [
        Route("/", overview.show, methods=["GET"]),
        Route("/setup", setup.show, methods=["GET"]),
        Route("/setup", setup.submit, methods=["POST"]),
        Route("/sign-in", sign_in.show, methods=["GET"]),
        Route("/sign-in", sign_in.submit, methods=["POST"]),
        Route("/sign-out", sign_in.leave, methods=["POST"]),
        Mount("/static", StaticFiles(directory=STATIC), name="static"),
    ]
