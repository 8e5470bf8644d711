"""Letting a program in: a person compares its code, sees who asks, and says yes or no (RFC 8628, 3.3).

A code in the address only fills the form in; nothing is let in without a press of APPROVE.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from towline.console.forms import form_of
from towline.console.secret_form import sentence
from towline.console.templating import page, see_other
from towline.console.visit import common
from towline.domain.device_login import DeviceLoginState, plain_user_code, shown_user_code
from towline.domain.errors import InvalidInput, NotSignedIn, Throttled

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from towline.console.visit import Room

PATH = "/device"
_LONGEST_CODE = 40


class DevicePage:
    """The page that a program sends its person to."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def show(self, request: Request) -> Response:
        """Ask for the code; with one, show who waits under it and ask for yes or no."""
        code = request.query_params.get("user_code", "").strip()[:_LONGEST_CODE]
        try:
            principal = await self._room.sessions.principal(request)
        except NotSignedIn:
            back = f"{PATH}?{urlencode({'user_code': code})}" if code else PATH
            return see_other(f"/sign-in?next={quote(back, safe='')}")
        if not code:
            return self._page(request)
        try:
            login = await self._room.services.device_logins.find(principal, code)
        except InvalidInput as error:
            return self._page(request, code=code, problem=sentence(error), status=400)
        except Throttled as error:
            return self._page(request, code=code, problem=str(error), status=429)
        shown = shown_user_code(plain_user_code(code))
        return self._page(request, code=shown, login=login, user=principal.user)

    async def submit(self, request: Request) -> Response:
        """Let the program in or turn it away."""
        principal = await self._room.sessions.principal(request)
        form = await form_of(request, self._room.sessions)
        code = form.text("user_code")[:_LONGEST_CODE]
        state = DeviceLoginState.APPROVED if form.has("approve") else DeviceLoginState.DENIED
        try:
            login = await self._room.services.device_logins.answer(principal, code, state)
        except InvalidInput as error:
            return self._page(request, code=code, problem=sentence(error), status=400)
        except Throttled as error:
            return self._page(request, code=code, problem=str(error), status=429)
        return self._page(request, login=login, user=principal.user)

    def _page(self, request: Request, *, status: int = 200, **values: object) -> Response:
        known = {"code": "", "problem": "", "login": None, "user": None}
        form_token = self._room.sessions.form_token(request)
        frame = common(self._room.sessions, request) | {"form_token": form_token}
        return page("device.html", frame | known | values, status=status)
