"""Signing in and out, and the colours, which need nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from towline.console.forms import form_of, open_form
from towline.console.templating import page, see_other
from towline.console.visit import common
from towline.domain.account import TokenLevel
from towline.domain.errors import NotAllowed, NotSignedIn, ProviderFailed, Throttled

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from towline.console.visit import Room
    from towline.domain.account import Principal


log = structlog.get_logger("towline.console")


class SignInPage:
    """Begins and ends browser sessions."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._accounts = room.services.accounts
        self._sessions = room.sessions

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
        except NotSignedIn as error:
            return self._form(request, email=email, back=back, problem=_told(error), status=401)
        except Throttled as error:
            return self._form(request, email=email, back=back, problem=str(error), status=429)
        except NotAllowed as error:
            return self._form(request, email=email, back=back, problem=str(error), status=403)
        return self._sessions.begin(request, see_other(own_path(back)), token=token)

    async def leave(self, request: Request) -> Response:
        """End the session; its token dies on the server."""
        await form_of(request, self._sessions)
        principal = await self._sessions.principal(request)
        await self._accounts.logout(principal)
        way = await self._way_out(request, principal) if principal.via == "sso" else ""
        if not way:
            return self._sessions.end(request, see_other("/sign-in"))
        values = {"way": way, "provider": self._room.services.single_sign_on.name}
        gone = page("signed_out.html", common(self._sessions, request) | values)
        return self._sessions.end(request, gone)

    async def theme(self, request: Request) -> Response:
        """Keep the colours that this browser wants."""
        form = await form_of(request, self._sessions)
        return self._sessions.keep_theme(
            request, see_other(own_path(form.text("back"))), theme=form.text("theme")
        )

    async def _way_out(self, request: Request, principal: Principal) -> str:
        """Return where one signs out of the provider as well; one that does not answer keeps nobody in."""
        back = f"{self._room.address(request)}/sign-in"
        try:
            return await self._room.services.single_sign_on.way_out(back=back, email=principal.user.email)
        except ProviderFailed as error:
            log.warning("sso.no-way-out", why=str(error))
            return ""

    def _form(
        self, request: Request, *, email: str, back: str, problem: str = "", status: int = 200
    ) -> Response:
        values = {"email": email, "next": own_path(back), "problem": problem}
        values |= {"provider": self._room.services.single_sign_on.name}
        return page("sign_in.html", common(self._sessions, request) | values, status=status)


def _told(error: NotSignedIn) -> str:
    text = str(error)
    return f"{text[0].upper()}{text[1:]}."


def own_path(address: str) -> str:
    """Return ``address`` if it is a path on this server, else the first page: no way to lead people away."""
    foreign = not address.startswith("/") or address.startswith("//") or "\\" in address
    return "/" if foreign or not address.isprintable() else address
