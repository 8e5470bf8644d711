"""Signing in and out, and the colours, which need nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.console.forms import form_of, open_form
from towline.console.templating import page, see_other
from towline.console.visit import common
from towline.domain.account import TokenLevel
from towline.domain.errors import NotAllowed, NotSignedIn, Throttled

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from towline.console.session import Sessions
    from towline.services.accounts import Accounts


class SignInPage:
    """Begins and ends browser sessions."""

    def __init__(self, accounts: Accounts, sessions: Sessions) -> None:
        self._accounts = accounts
        self._sessions = sessions

    async def show(self, request: Request) -> Response:
        """Show the form."""
        query = request.query_params
        return self._form(request, email=query.get("email", ""), back=query.get("next", ""))

    async def submit(self, request: Request) -> Response:
        """Sign in and lead on to where one wanted to go, or show the form again with what was wrong."""
        form = await open_form(request)
        email, back = form.text("email"), form.text("next")
        peer = request.client.host if request.client else ""
        try:
            self._sessions.check_origin(request)
            token = await self._accounts.login(
                email, form.password("password"), level=TokenLevel.MEDIUM, peer=peer
            )
        except NotSignedIn:
            return self._form(
                request, email=email, back=back, problem="Address or password is wrong.", status=401
            )
        except Throttled as error:
            return self._form(request, email=email, back=back, problem=str(error), status=429)
        except NotAllowed as error:
            return self._form(request, email=email, back=back, problem=str(error), status=403)
        return self._sessions.begin(see_other(own_path(back)), token)

    async def leave(self, request: Request) -> Response:
        """End the session; its token dies on the server."""
        await form_of(request, self._sessions)
        await self._accounts.logout(await self._sessions.principal(request))
        return self._sessions.end(see_other("/sign-in"))

    async def theme(self, request: Request) -> Response:
        """Keep the colours that this browser wants."""
        form = await form_of(request, self._sessions)
        return self._sessions.keep_theme(see_other(own_path(form.text("back"))), form.text("theme"))

    def _form(
        self, request: Request, *, email: str, back: str, problem: str = "", status: int = 200
    ) -> Response:
        values = {"email": email, "next": own_path(back), "problem": problem}
        return page("sign_in.html", common(self._sessions, request) | values, status=status)


def own_path(address: str) -> str:
    """Return ``address`` if it is a path on this server, else the first page: no way to lead people away."""
    foreign = not address.startswith("/") or address.startswith("//") or "\\" in address
    return "/" if foreign or not address.isprintable() else address
