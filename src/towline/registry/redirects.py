"""Redirects, followed by hand: what leads to another origin does not see the login."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from yarl import URL

from towline.domain.causes import FindingCode
from towline.registry.refusal import Refused

if TYPE_CHECKING:
    from towline.registry.transport import Request

MOST_REDIRECTS = 5

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


def redirected(request: Request, status: int, location: str | None) -> Request | None:
    """Return the request that a redirect asks for, without Authorization on another origin; None if none.

    Raises Refused when it leads from HTTPS to HTTP or nowhere.
    """
    if status not in _REDIRECTS:
        return None
    try:
        target = request.url.join(URL(location or "")).with_user(None)
    except ValueError as error:
        raise Refused(FindingCode.REDIRECT_REFUSED, "a redirect leads nowhere", accepted=True) from error
    if target.scheme not in ("http", "https") or (request.url.scheme == "https" and target.scheme == "http"):
        raise Refused(
            FindingCode.REDIRECT_REFUSED,
            f"a redirect leads to {target.scheme}://{target.raw_host}",
            accepted=True,
        )
    led_by = request.led_by or request.url
    if target.origin() == request.url.origin():
        return replace(request, url=target, led_by=led_by)
    headers = {name: value for name, value in request.headers.items() if name != "Authorization"}
    return replace(request, url=target, headers=headers, sent="none", led_by=led_by)
