"""Browser sessions: an opaque token in a cookie, and the proof that a form came from our own page.

Forms of signed-in people carry a CSRF token derived from the session; forms before that rely on the
browser's own statement of origin (Fetch Metadata, https://www.w3.org/TR/fetch-metadata/, else Origin).
Where a browser came by HTTPS, to us or to a proxy that we believe, cookies are marked so that they never go
by anything else, and named so that no other host can set them (RFC 6265bis, section 4.1.3.2).
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from towline.domain.errors import InvalidInput, NotAllowed, NotSignedIn

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from towline.domain.account import Principal
    from towline.services.accounts import Accounts

SECONDS = 7 * 24 * 3600
THEMES = ("system", "light", "dark")
_THEME, _NOTE = "towline-theme", "towline-note"
_LONGEST_NOTE = 500
_A_YEAR = 365 * 24 * 3600


class Sessions:
    """Cookies and form tokens of the console; ``secure`` says that all browsers come by HTTPS."""

    def __init__(self, accounts: Accounts, *, secure: bool) -> None:
        self._accounts = accounts
        self._secure = secure

    def _is_secure(self, request: Request) -> bool:
        return self._secure or request.url.scheme == "https"

    def _cookie(self, request: Request) -> str:
        return "__Host-towline" if self._is_secure(request) else "towline"

    async def principal(self, request: Request) -> Principal:
        """Return who is signed in; raise NotSignedIn."""
        token = request.cookies.get(self._cookie(request))
        if not token:
            raise NotSignedIn("sign in first")
        principal = await self._accounts.authenticate(token)
        if principal.scopes:
            raise NotSignedIn("a token with scopes is for programs; sign in with a password")
        if not principal.user.is_person:
            raise NotSignedIn("a service account is a program; sign in as a person")
        return principal

    def begin(self, request: Request, response: Response, *, token: str) -> Response:
        """Return ``response`` with the session's cookie set."""
        return self._set(request, response, self._cookie(request), value=token, seconds=SECONDS)

    def end(self, request: Request, response: Response) -> Response:
        """Return ``response`` with the session's cookie taken away."""
        return self._drop(request, response, name=self._cookie(request))

    def keep_way(self, request: Request, response: Response, *, kept: str) -> Response:
        """Return ``response`` with what must come back from the sign-in provider, by a link from there."""
        name, secure = f"{self._cookie(request)}-way", self._is_secure(request)
        response.set_cookie(name, kept, max_age=600, httponly=True, samesite="lax", secure=secure)
        return response

    def way(self, request: Request) -> str:
        """Return what was kept when the browser left for the provider, empty where nothing was."""
        return request.cookies.get(f"{self._cookie(request)}-way", "")

    def forget_way(self, request: Request, response: Response) -> Response:
        """Return ``response`` with that taken away."""
        return self._drop(request, response, name=f"{self._cookie(request)}-way")

    def theme(self, request: Request) -> str:
        """Return the colours that this browser wants, one of THEMES."""
        wanted = request.cookies.get(_THEME, "")
        return wanted if wanted in THEMES else THEMES[0]

    def keep_theme(self, request: Request, response: Response, *, theme: str) -> Response:
        """Return ``response`` with the theme kept for a year; raise InvalidInput."""
        if theme not in THEMES:
            raise InvalidInput("theme", problem="is not known", rule=f"use one of {', '.join(THEMES)}")
        return self._set(request, response, _THEME, value=theme, seconds=_A_YEAR)

    def note(self, request: Request, response: Response, *, text: str) -> Response:
        """Return ``response`` with something that the next page says once."""
        if not text:
            return response
        return self._set(request, response, _NOTE, value=quote(text[:_LONGEST_NOTE]), seconds=60)

    def noted(self, request: Request) -> str:
        """Return what this page is to say once, empty where there is nothing."""
        return unquote(request.cookies.get(_NOTE, ""))[:_LONGEST_NOTE]

    def forget_note(self, request: Request, response: Response) -> Response:
        """Return ``response`` with the note taken away, as it was shown."""
        return self._drop(request, response, name=_NOTE) if _NOTE in request.cookies else response

    def form_token(self, request: Request) -> str:
        """Return what a form of this session must carry."""
        token = request.cookies.get(self._cookie(request), "")
        return hashlib.sha256(f"towline form {token}".encode()).hexdigest()

    def check_form(self, request: Request, given: str) -> None:
        """Raise NotAllowed unless the form was on a page of this session."""
        self.check_origin(request)
        if not hmac.compare_digest(given.encode(), self.form_token(request).encode()):
            raise NotAllowed("this form is not from your session; load the page again")

    def check_origin(self, request: Request) -> None:
        """Raise NotAllowed when the browser says that another site sent this form."""
        site = request.headers.get("sec-fetch-site")
        origin = request.headers.get("origin")
        if site is not None:
            own = site in ("same-origin", "none")
        else:
            own = origin is None or urlsplit(origin).netloc == request.headers.get("host")
        if not own:
            raise NotAllowed("this form was sent by another site")

    def _set(self, request: Request, response: Response, name: str, *, value: str, seconds: int) -> Response:
        secure = self._is_secure(request)
        response.set_cookie(name, value, max_age=seconds, httponly=True, samesite="strict", secure=secure)
        return response

    def _drop(self, request: Request, response: Response, *, name: str) -> Response:
        response.delete_cookie(name, httponly=True, samesite="strict", secure=self._is_secure(request))
        return response
