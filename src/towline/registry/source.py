"""Where the embedded engine's puller gets images from: manifests verified, blobs streamed.

Tokens are kept for pulls only, by registry, realm, service, scope and credential: without the
credential in the key, somebody else's pull would be served with it.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import aiohttp

from towline.domain.causes import FindingCode
from towline.domain.errors import PullRefused
from towline.domain.findings import Finding
from towline.domain.registry import RegistryAddress
from towline.ports import Manifest
from towline.registry import manifests
from towline.registry.auth import pull_scope
from towline.registry.blobs import open_blob
from towline.registry.challenge import chosen
from towline.registry.conversation import Conversation
from towline.registry.failures import NoAnswer, translated
from towline.registry.opening import opened
from towline.registry.refusal import Refused, refusal_of
from towline.registry.transport import Trail
from towline.registry.wording import detail_of

if TYPE_CHECKING:
    from towline.domain.image import ImageReference
    from towline.domain.workload import PullAccess
    from towline.registry.transport import Reply, Transport

KEPT_SECONDS = 240.0
_MOST_KEPT = 256

_Key = tuple[str, "PullAccess", bool]


class Source:
    """The port ``ImageSource``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._kept: dict[_Key, tuple[Conversation, float]] = {}

    async def manifest(self, image: ImageReference, access: PullAccess) -> Manifest:
        """Return the manifest that the digest, else the tag, names; its digest is verified."""
        trail = Trail()
        try:
            reply = await self._manifest(image, access, trail)
        except (NoAnswer, Refused) as refusal:
            raise _refused(refusal, image, trail) from refusal
        digest = image.digest or manifests.digest_of(reply.body)
        if manifests.digest_of(reply.body, like=digest) != digest:
            detail = f"the manifest is not what {digest} names"
            raise PullRefused(
                Finding(FindingCode.IMAGE_CORRUPT, detail, tuple(trail.exchanges), image=str(image))
            )
        return Manifest(digest, reply.content_type, content=reply.body)

    async def blob(
        self, image: ImageReference, digest: str, access: PullAccess, *, offset: int = 0
    ) -> AsyncIterator[bytes]:
        """Yield a blob's bytes from ``offset`` on, not verified."""
        trail = Trail()
        try:
            async with AsyncExitStack() as stack:
                response = await self._opened(stack, image, digest, access=access, offset=offset, trail=trail)
                skip = offset if response.status == 200 else 0
                async for chunk in _chunks(response):
                    if skip >= len(chunk):
                        skip -= len(chunk)
                        continue
                    yield chunk[skip:] if skip else chunk
                    skip = 0
        except (NoAnswer, Refused) as refusal:
            raise _refused(refusal, image, trail) from refusal

    async def _manifest(self, image: ImageReference, access: PullAccess, trail: Trail) -> Reply:
        path = f"/v2/{image.repository}/manifests/{image.reference}"
        conversation = await self._conversation(image, access, trail)
        reply = await conversation.look("GET", path, {"Accept": manifests.ACCEPT})
        if reply.status == 401 and conversation.may_repeat:
            conversation = await self._conversation(image, access, trail, anew=True)
            reply = await conversation.look("GET", path, {"Accept": manifests.ACCEPT})
        if reply.status == 404:
            raise Refused(_absent(image), f"{image}: {reply.text()}")
        if reply.status != 200:
            raise refusal_of(reply, conversation.asked)
        return reply

    async def _opened(
        self,
        stack: AsyncExitStack,
        image: ImageReference,
        digest: str,
        *,
        access: PullAccess,
        offset: int,
        trail: Trail,
    ) -> aiohttp.ClientResponse:
        """Return the open answer of a blob, its token renewed once when it has run out."""
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        for anew in (False, True):
            conversation = await self._conversation(image, access, trail, anew=anew)
            request = conversation.request("GET", f"/v2/{image.repository}/blobs/{digest}", headers)
            attempt = AsyncExitStack()
            response = await open_blob(attempt, self._transport, request, access.settings)
            if response.status in (200, 206):
                stack.push_async_exit(attempt)
                return response
            await attempt.aclose()
            if response.status != 401 or not conversation.may_repeat:
                break
        detail = f"{response.url.host} answered {response.status} for {digest}"
        raise Refused(FindingCode.BLOB_UNAVAILABLE, detail, accepted=True)

    async def _conversation(
        self, image: ImageReference, access: PullAccess, trail: Trail, *, anew: bool = False
    ) -> Conversation:
        """Return an authorized conversation for this repository, kept for a while."""
        key = (image.name, access, access.plain_http)
        kept = self._kept.get(key)
        if kept and not anew and time.monotonic() < kept[1]:
            return kept[0].continued(trail)
        conversation = Conversation(self._transport, RegistryAddress.of(image), access, trail)
        reply = await opened(conversation)
        if chosen(reply.challenges) is None and access.credential is not None:
            reply = await conversation.ask("HEAD", f"/v2/{image.repository}/manifests/{image.reference}")
        bearer = await conversation.authorize(reply, scope=pull_scope(image.repository))
        life = min(KEPT_SECONDS, bearer.expires_in * 2 / 3) if bearer else KEPT_SECONDS
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[key] = (conversation, time.monotonic() + life)
        return conversation


async def _chunks(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    host = response.url.authority
    try:
        async for chunk in response.content.iter_any():
            yield chunk
    except (OSError, aiohttp.ClientError) as error:
        raise translated(error, host) from error


def _absent(image: ImageReference) -> FindingCode:
    return FindingCode.DIGEST_NOT_FOUND if image.digest else FindingCode.TAG_NOT_FOUND


def _refused(refusal: NoAnswer | Refused, image: ImageReference, trail: Trail) -> PullRefused:
    detail = detail_of(refusal, trail)
    return PullRefused(Finding(refusal.code, detail, tuple(trail.exchanges), image=str(image)))
