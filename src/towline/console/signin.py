"""Signing in and out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.console.templating import page, see_other
from towline.domain.account import TokenLevel
from towline.domain.credential import Password
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
        """Show the form; on a first start say where the set-up link is."""
        return page("sign_in.html", {"email": request.query_params.get("email", ""), "problem": ""})

    async def submit(self, request: Request) -> Response:
        """Sign in, or show the form again with what was wrong."""
        async with request.form(max_fields=10, max_part_size=16384) as form:
            email, password = str(form.get("email", "")).strip(), Password(str(form.get("password", "")))
        peer = request.client.host if request.client else ""
        try:
            self._sessions.check_origin(request)
            token = await self._accounts.login(email, password, level=TokenLevel.MEDIUM, peer=peer)
        except NotSignedIn:
            return page(
                "sign_in.html", {"email": email, "problem": "Address or password is wrong."}, status=401
            )
        except (Throttled, NotAllowed) as error:
            return page("sign_in.html", {"email": email, "problem": str(error)}, status=403)
        return self._sessions.begin(see_other("/"), token)

    async def leave(self, request: Request) -> Response:
        """End the session; its token dies on the server."""
        async with request.form(max_fields=10) as form:
            self._sessions.check_form(request, form)
        await self._accounts.logout(await self._sessions.principal(request))
        return self._sessions.end(see_other("/sign-in"))
