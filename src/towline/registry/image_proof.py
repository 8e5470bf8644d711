"""One proof of one image, step by step: from the ping to the config that can be read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from towline.domain.causes import FindingCode
from towline.domain.proof import Answer, PulledImage, Verdict
from towline.registry import manifests
from towline.registry.auth import pull_scope
from towline.registry.blobs import small_blob
from towline.registry.challenge import chosen
from towline.registry.failures import TooLarge
from towline.registry.limits import pull_limit
from towline.registry.opening import opened
from towline.registry.refusal import Refused, login_refusal, refusal_of
from towline.registry.tags import listed_tags, near

if TYPE_CHECKING:
    from towline.domain.image import ImageReference
    from towline.domain.proof import Platform
    from towline.registry.conversation import Conversation
    from towline.registry.transport import Reply, Trail, Transport

_HEADERS = {"Accept": manifests.ACCEPT}
_ABSENT = ("NAME_UNKNOWN", "NAME_INVALID", "REPOSITORY_NOT_FOUND")
_NO_REPOSITORY = re.compile(r"(?:repository|project|namespace|package)\b.{0,200}\bnot found", re.IGNORECASE)


async def check_login(conversation: Conversation) -> None:
    """Ask for ``/v2/`` with the authorization at hand; raise Refused unless it is accepted."""
    reply = await conversation.ask("GET", "/v2/")
    if reply.status != 200:
        raise login_refusal(reply, conversation.asked)
    conversation.accepted = True


def _names_no_repository(reply: Reply) -> bool:
    """Whether a 404 is about the repository: by its code, or in Harbor's words for its NOT_FOUND."""
    return reply.says(*_ABSENT) or bool(_NO_REPOSITORY.search(reply.text()))


class ImageProof:
    """One proof of one image, step by step."""

    def __init__(
        self,
        transport: Transport,
        conversation: Conversation,
        trail: Trail,
        *,
        image: ImageReference,
        platform: Platform,
    ) -> None:
        self._transport = transport
        self._conversation = conversation
        self._trail = trail
        self._image = image
        self._platform = platform
        self._has_credential = conversation.access.credential is not None
        self._authorized = False

    async def run(self) -> Answer:
        """Return what the image is; raise Refused or NoAnswer."""
        await self._authorize(await opened(self._conversation))
        head = await self._head()
        pulled = await self._resolve(head)
        anonymous = not (self._authorized and self._has_credential)
        return Answer(
            self._verdict(),
            image=pulled,
            evidence=tuple(self._trail.exchanges),
            anonymous=anonymous,
            provider=self._conversation.provider.value,
            limit=pull_limit(head.headers),
        )

    def _verdict(self) -> Verdict:
        if not self._authorized:
            return Verdict.UNPROVED
        return Verdict.VERIFIED if self._has_credential else Verdict.UNKNOWN

    async def _authorize(self, reply: Reply) -> None:
        if chosen(reply.challenges) is None:
            return
        bearer = await self._conversation.authorize(reply, scope=pull_scope(self._image.repository))
        self._authorized = True
        if bearer is None and not self._conversation.is_open:
            await check_login(self._conversation)  # a later 401 is then about the repository

    async def _head(self) -> Reply:
        """Return the successful answer for the manifest, by HEAD where the registry knows it."""
        reply = await self._manifest("HEAD", self._image.reference)
        if reply.status == 401 and not self._authorized and chosen(reply.challenges):
            await self._authorize(reply)  # some registries challenge only for private repositories
            reply = await self._manifest("HEAD", self._image.reference)
        if reply.status == 401 and self._authorized and not self._conversation.may_repeat:
            raise refusal_of(reply, self._conversation.asked)
        if reply.status == 200:
            self._note_accepted()
            return reply
        reply = await self._manifest("GET", self._image.reference)
        if reply.status == 200:
            self._note_accepted()
            return reply
        raise await self._refusal(reply)

    def _note_accepted(self) -> None:
        if self._authorized and self._has_credential:
            self._conversation.accepted = True

    async def _refusal(self, reply: Reply) -> Refused:
        if reply.status == 404:
            self._note_accepted()
            return await self._absent(reply)
        return refusal_of(reply, self._conversation.asked)

    async def _absent(self, reply: Reply) -> Refused:
        """Tell an absent tag from an absent repository: some registries answer the same for both."""
        said = reply.text()
        tags = None if _names_no_repository(reply) else await self._tags()
        if tags is None:
            detail = f"{self._image.name}: {said}"
            return Refused(FindingCode.REPOSITORY_NOT_FOUND_OR_HIDDEN, detail, accepted=self._authorized)
        code = FindingCode.DIGEST_NOT_FOUND if self._image.digest else FindingCode.TAG_NOT_FOUND
        words = "; ".join(part for part in (said, near(self._image, tags)) if part)
        return Refused(code, f"{self._image}: {words}", accepted=self._authorized)

    async def _tags(self) -> tuple[str, ...] | None:
        """Return some tags of the repository; None when there is no such repository."""
        reply = await self._conversation.ask("GET", f"/v2/{self._image.repository}/tags/list?n=100")
        if reply.status == 404 and (_names_no_repository(reply) or not reply.errors):
            return None
        return listed_tags(reply.body) if reply.status == 200 else ()

    async def _resolve(self, head: Reply) -> PulledImage:
        digest = self._image.digest or manifests.sound_digest(head.headers.get("docker-content-digest", ""))
        content, digest, kind = await self._fetched(digest or self._image.reference, digest)
        document = manifests.read(content, content_type=kind)
        if isinstance(document, manifests.Image):
            return await self._single(document, digest)
        offer = document.choose(self._platform)
        content, _, kind = await self._fetched(offer.digest, offer.digest)
        image = manifests.read(content, content_type=kind)
        if not isinstance(image, manifests.Image):
            raise Refused(FindingCode.MANIFEST_NOT_SUPPORTED, "the index names another index", accepted=True)
        config = await self._config(image)
        if document.lone:
            manifests.check_platform(manifests.config_platform(config), self._platform)
        return PulledImage(
            offer.digest,
            image.media_type,
            size=image.size,
            platform=offer.platform,
            index_digest=digest,
            platforms=document.platforms,
        )

    async def _single(self, image: manifests.Image, digest: str) -> PulledImage:
        found = manifests.config_platform(await self._config(image))
        manifests.check_platform(found, self._platform)
        platform = found or self._platform
        return PulledImage(
            digest, image.media_type, size=image.size, platform=platform, platforms=(platform,)
        )

    async def _config(self, image: manifests.Image) -> bytes:
        """Return the image's config: read, as a manifest alone does not prove that its blobs are there."""
        return await small_blob(
            self._transport,
            self._conversation,
            self._trail,
            repository=self._image.repository,
            digest=image.config,
        )

    async def _fetched(self, reference: str, digest: str) -> tuple[bytes, str, str]:
        """Return (content, digest, media type) of a manifest whose content has the digest promised."""
        try:
            reply = await self._manifest("GET", reference)
        except TooLarge as failure:
            raise Refused(FindingCode.MANIFEST_NOT_SUPPORTED, str(failure), accepted=True) from failure
        if reply.status != 200:
            raise await self._refusal(reply)
        promised = digest or manifests.digest_of(reply.body)
        if manifests.digest_of(reply.body, like=promised) != promised:
            raise Refused(
                FindingCode.IMAGE_CORRUPT, f"the manifest is not what {promised} names", accepted=True
            )
        return reply.body, promised, reply.content_type

    async def _manifest(self, method: str, reference: str) -> Reply:
        path = f"/v2/{self._image.repository}/manifests/{reference}"
        return await self._conversation.look(method, path, _HEADERS)
