"""Blobs: redirects are followed by hand, as they lead to other hosts that must not see the login."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from yarl import URL

from towline.domain.causes import FindingCode
from towline.registry.conversation import Refused
from towline.registry.manifests import digest_of

if TYPE_CHECKING:
    import aiohttp

    from towline.domain.registry import RegistrySettings
    from towline.registry.conversation import Conversation
    from towline.registry.transport import Request, Trail, Transport

MOST_REDIRECTS = 5
MOST_CONFIG = 4 << 20

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


def redirected(request: Request, status: int, location: str | None) -> Request | None:
    """Return the request that a redirect asks for, without Authorization on another origin; None if none.

    Raises Refused when it leads from HTTPS to HTTP or nowhere.
    """
    if status not in _REDIRECTS:
        return None
    try:
        target = request.url.join(URL(location or ""))
    except ValueError as error:
        raise Refused(
            FindingCode.REDIRECT_REFUSED, "a blob's redirect leads nowhere", accepted=True
        ) from error
    if target.scheme not in ("http", "https") or (request.url.scheme == "https" and target.scheme == "http"):
        raise Refused(
            FindingCode.REDIRECT_REFUSED,
            f"a blob is redirected to {target.scheme}://{target.host}",
            accepted=True,
        )
    if target.origin() == request.url.origin():
        return replace(request, url=target)
    headers = {name: value for name, value in request.headers.items() if name != "Authorization"}
    return replace(request, url=target, headers=headers, sent="none")


async def small_blob(
    transport: Transport, conversation: Conversation, trail: Trail, *, repository: str, digest: str
) -> bytes:
    """Return a small blob (an image's config) whose content has its digest; raise Refused."""
    request = replace(conversation.request("GET", f"/v2/{repository}/blobs/{digest}"), most_body=MOST_CONFIG)
    settings = conversation.access.settings
    for _ in range(MOST_REDIRECTS + 1):
        reply = await transport.ask(request, settings, trail)
        onward = redirected(request, reply.status, reply.headers.get("location"))
        if onward is None:
            break
        request = onward
    if reply.status != 200:
        detail = f"{request.url.host} answered {reply.status} for the image's config"
        raise Refused(FindingCode.BLOB_UNAVAILABLE, detail, accepted=True)
    if digest_of(reply.body, like=digest) != digest:
        raise Refused(FindingCode.IMAGE_CORRUPT, f"the config is not what {digest} names", accepted=True)
    return reply.body


async def open_blob(
    stack: AsyncExitStack, transport: Transport, request: Request, settings: RegistrySettings
) -> aiohttp.ClientResponse:
    """Open a blob for streaming on ``stack``, following redirects; the status is the caller's business."""
    for _ in range(MOST_REDIRECTS + 1):
        attempt = AsyncExitStack()
        response = await attempt.enter_async_context(transport.download(request, settings))
        onward = redirected(request, response.status, response.headers.get("Location"))
        if onward is None:
            stack.push_async_exit(attempt)
            return response
        await attempt.aclose()
        request = onward
    raise Refused(FindingCode.REDIRECT_REFUSED, f"more than {MOST_REDIRECTS} redirects", accepted=True)
