"""Browser sessions: an opaque token in a cookie, and the proof that a form came from our own page.

Forms of signed-in people carry a CSRF token derived from the session; forms before that rely on the
browser's own statement of origin (Fetch Metadata, https://www.w3.org/TR/fetch-metadata/, else Origin).
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from towline.domain.errors import NotAllowed, NotSignedIn

if TYPE_CHECKING:
    from starlette.datastructures import FormData
    from starlette.requests import Request
    from starlette.responses import Response

    from towline.domain.account import Principal
    from towline.services.accounts import Accounts

SECONDS = 7 * 24 * 3600


class Sessions:
    """Cookies and form tokens of the console."""

    def __init__(self, accounts: Accounts, *, secure: bool) -> None:
        self._accounts = accounts
        self._secure = secure
        self._cookie = "__Host-towline" if secure else "towline"

    async def principal(self, request: Request) -> Principal:
        """Return who is signed in; raise NotSignedIn."""
        token = request.cookies.get(self._cookie)
        if not token:
            raise NotSignedIn("sign in first")
        return await self._accounts.authenticate(token)

    def begin(self, response: Response, token: str) -> Response:
        """Return ``response`` with the session's cookie set."""
        response.set_cookie(
            self._cookie, token, max_age=SECONDS, httponly=True, samesite="strict", secure=self._secure
        )
        return response

    def end(self, response: Response) -> Response:
        """Return ``response`` with the session's cookie taken away."""
        response.delete_cookie(self._cookie, httponly=True, samesite="strict", secure=self._secure)
        return response

    def form_token(self, request: Request) -> str:
        """Return what a form of this session must carry."""
        token = request.cookies.get(self._cookie, "")
        return hashlib.sha256(f"towline form {token}".encode()).hexdigest()

    def check_form(self, request: Request, form: FormData) -> None:
        """Raise NotAllowed unless the form was on a page of this session."""
        self.check_origin(request)
        given = str(form.get("form_token", ""))
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
