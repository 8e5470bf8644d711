"""Blobs: redirects are followed by hand, as they lead to other hosts that must not see the login."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from towline.domain.causes import FindingCode
from towline.registry.failures import NoAnswer
from towline.registry.manifests import digest_of
from towline.registry.redirects import MOST_REDIRECTS, redirected
from towline.registry.refusal import Refused, refusal_of

if TYPE_CHECKING:
    import aiohttp

    from towline.domain.registry import RegistrySettings
    from towline.registry.conversation import Conversation
    from towline.registry.transport import Request, Trail, Transport

MOST_CONFIG = 4 << 20


async def small_blob(
    transport: Transport, conversation: Conversation, trail: Trail, *, repository: str, digest: str
) -> bytes:
    """Return a small blob (an image's config) whose content has its digest; raise Refused."""
    request = replace(conversation.request("GET", f"/v2/{repository}/blobs/{digest}"), most_body=MOST_CONFIG)
    settings = conversation.access.settings
    for _ in range(MOST_REDIRECTS + 1):
        try:
            reply = await transport.ask(request, settings, trail)
        except NoAnswer as failure:
            raise _out_of_reach(failure, request, conversation) from failure
        onward = redirected(request, reply.status, reply.headers.get("location"))
        if onward is None:
            break
        request = onward
    if reply.status == 429:
        raise refusal_of(reply, conversation.asked)
    if reply.status != 200:
        detail = f"{request.url.host} answered {reply.status} for the image's config"
        raise Refused(FindingCode.BLOB_UNAVAILABLE, detail, accepted=True)
    if digest_of(reply.body, like=digest) != digest:
        raise Refused(FindingCode.IMAGE_CORRUPT, f"the config is not what {digest} names", accepted=True)
    return reply.body


def _out_of_reach(failure: NoAnswer, request: Request, conversation: Conversation) -> NoAnswer | Refused:
    """Return the failure: the storage's where the registry had sent us to another host."""
    refused_by_us = failure.code is FindingCode.REGISTRY_ADDRESS_REFUSED
    if refused_by_us or request.url.origin() == conversation.base.origin():
        return failure
    detail = f"the registry's storage {request.url.host}: {failure}"
    return Refused(FindingCode.BLOB_UNAVAILABLE, detail, accepted=True)


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
