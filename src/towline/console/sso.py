"""Signing in with a provider: leaving for it, coming back, and connecting an account that has a password.

What the browser keeps meanwhile is in a cookie that comes back with a link from elsewhere (SameSite=Lax).
The last page leads on by itself, as a session's cookie is not sent along with a redirect from elsewhere.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from towline.console.forms import open_form
from towline.console.secret_form import sentence
from towline.console.signin import own_path
from towline.console.templating import page, see_other
from towline.console.visit import common
from towline.domain.errors import InvalidInput, NotAllowed, NotSignedIn, ProviderFailed, Throttled
from towline.services.single_sign_on import Begun

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from towline.console.visit import Room
    from towline.services.single_sign_on import Arrived

BACK = "/sign-in/sso/back"
_LONGEST = 2000


class SsoPages:
    """The way to the provider and back."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def begin(self, request: Request) -> Response:
        """Lead to the provider."""
        sso, sessions = self._room.services.single_sign_on, self._room.sessions
        back = own_path(request.query_params.get("next", ""))
        try:
            way, begun = await sso.begin(self._room.address(request) + BACK)
        except ProviderFailed as error:
            return self._refused(request, str(error), status=502)
        kept = "|".join((begun.state, begun.nonce, begun.verifier, quote(back[:_LONGEST], safe="")))
        return sessions.keep_way(request, see_other(way), kept=kept)

    async def back(self, request: Request) -> Response:
        """Take who comes back in, or say why not."""
        query, sessions = request.query_params, self._room.sessions
        state, nonce, verifier, following = [*sessions.way(request).split("|"), "", "", "", ""][:4]
        if not state or not hmac.compare_digest(state.encode(), query.get("state", "").encode()):
            words = "This sign-in was not begun in this browser, or took too long; begin again."
            return self._refused(request, words, status=400)
        if (issuer := query.get("iss")) and issuer != self._room.services.single_sign_on.issuer:
            return self._refused(request, "The answer is from another provider.", status=400)
        if not (code := query.get("code", "")):
            return self._refused(request, _told(query.get("error", "")), status=403)
        peer = request.client.host if request.client else ""
        try:
            arrived = await self._room.services.single_sign_on.finish(
                code,
                Begun(state, nonce, verifier),
                back=self._room.address(request) + BACK,
                peer=peer,
            )
        except (NotSignedIn, InvalidInput) as error:
            return self._refused(request, str(error), status=403)
        except ProviderFailed as error:
            return self._refused(request, str(error), status=502)
        return self._arrived(request, arrived, own_path(unquote(following)))

    async def connect(self, request: Request) -> Response:
        """Connect an account to the provider's by its password, once."""
        form = await open_form(request)
        self._room.sessions.check_origin(request)
        link, following = form.text("link"), own_path(form.text("next"))
        peer = request.client.host if request.client else ""
        try:
            arrived = await self._room.services.single_sign_on.connect(
                link, form.password("password"), peer=peer
            )
        except InvalidInput as error:
            return self._refused(request, sentence(error), status=400)
        except (NotSignedIn, NotAllowed, Throttled) as error:
            status = 429 if isinstance(error, Throttled) else 401
            return self._page(
                request,
                link=link,
                email=form.text("email"),
                problem=str(error),
                next=following,
                status=status,
            )
        return self._room.sessions.begin(request, see_other(following), token=arrived.session)

    def _arrived(self, request: Request, arrived: Arrived, following: str) -> Response:
        if arrived.link:
            return self._page(request, link=arrived.link, email=arrived.email, problem="", next=following)
        shown = self._page(request, link="", email=arrived.email, problem="", next=following)
        shown = self._room.sessions.forget_way(request, shown)
        return self._room.sessions.begin(request, shown, token=arrived.session)

    def _page(self, request: Request, *, status: int = 200, **values: str) -> Response:
        known = {"provider": self._room.services.single_sign_on.name}
        frame = common(self._room.sessions, request)
        return page("sso.html", frame | known | values, status=status)

    def _refused(self, request: Request, problem: str, *, status: int) -> Response:
        values = {"email": "", "next": "/", "problem": problem}
        values |= {"provider": self._room.services.single_sign_on.name}
        return page("sign_in.html", common(self._room.sessions, request) | values, status=status)


def _told(error: str) -> str:
    if error == "access_denied":
        return "The provider did not let you in, or you said no there."
    words = error if error.isascii() and error.isprintable() else "an error"
    return f"The provider answered {words[:60] or 'nothing'}; try again."
