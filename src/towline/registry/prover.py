"""Proof of pull: whether this credential can pull this image, and what it is.

Ping, challenge, token or Basic, HEAD of the manifest with all four media types, GET on error, the index
resolved to the wanted platform, the config read. A refused password is never sent twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.domain.causes import FindingCode
from towline.domain.findings import Finding
from towline.domain.proof import Answer, PulledImage, Verdict
from towline.domain.registry import RegistryAddress
from towline.registry import manifests
from towline.registry.auth import pull_scope
from towline.registry.blobs import small_blob
from towline.registry.challenge import chosen
from towline.registry.conversation import Conversation, Refused, refusal_of
from towline.registry.failures import NoAnswer
from towline.registry.opening import opened
from towline.registry.transport import Trail

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from towline.domain.image import ImageReference
    from towline.domain.proof import Platform
    from towline.domain.workload import PullAccess
    from towline.registry.transport import Reply, Transport

_HEADERS = {"Accept": manifests.ACCEPT}
_SAYS_NOTHING = frozenset(
    {
        FindingCode.TOKEN_NOT_ACCEPTED,
        FindingCode.RATE_LIMITED,
        FindingCode.LOGIN_BLOCKED,
        FindingCode.REGISTRY_ERROR,
    }
)
_ABSENT = ("NAME_UNKNOWN", "NAME_INVALID", "REPOSITORY_NOT_FOUND")


class Prover:
    """The port ``RegistryProver``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def login(self, address: RegistryAddress, access: PullAccess) -> Answer:
        """Answer whether the registry accepts the credential, without naming an image."""
        conversation, trail = self._conversation(address, access)
        return await _answered(_login(conversation), conversation, trail)

    async def image(self, image: ImageReference, access: PullAccess, *, platform: Platform) -> Answer:
        """Answer whether the image can be pulled for ``platform``, and what it is."""
        conversation, trail = self._conversation(RegistryAddress.of(image), access)
        proof = _ImageProof(self._transport, conversation, trail, image=image, platform=platform)
        return await _answered(proof.run(), conversation, trail)

    def _conversation(self, address: RegistryAddress, access: PullAccess) -> tuple[Conversation, Trail]:
        trail = Trail()
        return Conversation(self._transport, address, access, trail), trail


async def _answered(question: Awaitable[Answer], conversation: Conversation, trail: Trail) -> Answer:
    """Return the question's answer, or the finding that came instead, with the evidence."""
    try:
        answer = await question
    except NoAnswer as failure:
        finding = Finding(failure.code, str(failure), tuple(trail.exchanges))
        return Answer(
            _verdict(failure.code, accepted=conversation.accepted), finding, evidence=finding.evidence
        )
    except Refused as refusal:
        finding = Finding(refusal.code, str(refusal), tuple(trail.exchanges))
        accepted = conversation.accepted or (refusal.accepted and conversation.access.credential is not None)
        return Answer(_verdict(refusal.code, accepted=accepted), finding, evidence=finding.evidence)
    return Answer(
        answer.verdict, image=answer.image, evidence=tuple(trail.exchanges), anonymous=answer.anonymous
    )


def _verdict(code: FindingCode, *, accepted: bool) -> Verdict:
    """Return what a finding says about the credential: refused, accepted, or nothing."""
    if Finding(code).cause.blames_credential:
        return Verdict.FAILING
    says_nothing = code in _SAYS_NOTHING
    return Verdict.VERIFIED if accepted and not says_nothing else Verdict.UNKNOWN


async def _login(conversation: Conversation) -> Answer:
    if conversation.access.credential is None:
        raise Refused(FindingCode.CREDENTIAL_INCOMPLETE, "there is no username and password to try")
    reply = await opened(conversation)
    if chosen(reply.challenges) is None:
        return Answer(Verdict.UNPROVED)
    await conversation.authorize(reply, scope="")
    await _check_login(conversation)
    return Answer(Verdict.VERIFIED)


async def _check_login(conversation: Conversation) -> None:
    """Ask for ``/v2/`` with the authorization at hand; raise Refused unless it is accepted."""
    reply = await conversation.ask("GET", "/v2/")
    if reply.status != 200:
        raise refusal_of(reply, has_credential=True, accepted=conversation.accepted)
    conversation.accepted = True


class _ImageProof:
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
        if not self._authorized:
            return Answer(Verdict.UNPROVED, image=pulled, anonymous=True)
        anonymous = not self._has_credential
        verdict = Verdict.UNKNOWN if anonymous else Verdict.VERIFIED
        return Answer(verdict, image=pulled, anonymous=anonymous)

    async def _authorize(self, reply: Reply) -> None:
        if chosen(reply.challenges) is None:
            return
        bearer = await self._conversation.authorize(reply, scope=pull_scope(self._image.repository))
        self._authorized = True
        if bearer is None:
            await _check_login(self._conversation)  # a later 401 is then about the repository

    async def _head(self) -> Reply:
        """Return the successful answer for the manifest, by HEAD where the registry knows it."""
        reply = await self._manifest("HEAD", self._image.reference)
        if reply.status == 401 and not self._authorized and chosen(reply.challenges):
            await self._authorize(reply)  # some registries challenge only for private repositories
            reply = await self._manifest("HEAD", self._image.reference)
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
        return refusal_of(reply, has_credential=self._has_credential, accepted=self._conversation.accepted)

    async def _absent(self, reply: Reply) -> Refused:
        """Tell an absent tag from an absent repository: some registries answer the same for both."""
        said = reply.text()
        if reply.says(*_ABSENT) or not await self._repository_exists():
            detail = f"{self._image.name}: {said}"
            return Refused(FindingCode.REPOSITORY_NOT_FOUND_OR_HIDDEN, detail, accepted=self._authorized)
        code = FindingCode.DIGEST_NOT_FOUND if self._image.digest else FindingCode.TAG_NOT_FOUND
        return Refused(code, f"{self._image}: {said}", accepted=self._authorized)

    async def _repository_exists(self) -> bool:
        reply = await self._conversation.ask("GET", f"/v2/{self._image.repository}/tags/list?n=1")
        return not (reply.status == 404 and reply.says(*_ABSENT))

    async def _resolve(self, head: Reply) -> PulledImage:
        digest = self._image.digest or head.headers.get("docker-content-digest", "")
        content, digest, kind = await self._fetched(digest or self._image.reference, digest)
        document = manifests.read(content, content_type=kind)
        if isinstance(document, manifests.Image):
            return await self._single(document, digest)
        offer = document.choose(self._platform)
        content, _, kind = await self._fetched(offer.digest, offer.digest)
        image = manifests.read(content, content_type=kind)
        if not isinstance(image, manifests.Image):
            raise Refused(FindingCode.MANIFEST_NOT_SUPPORTED, "the index names another index", accepted=True)
        return PulledImage(
            offer.digest,
            image.media_type,
            size=image.size,
            platform=offer.platform,
            index_digest=digest,
            platforms=document.platforms,
        )

    async def _single(self, image: manifests.Image, digest: str) -> PulledImage:
        config = await small_blob(
            self._transport,
            self._conversation,
            self._trail,
            repository=self._image.repository,
            digest=image.config,
        )
        found = manifests.config_platform(config)
        manifests.check_platform(found, self._platform)
        platform = found or self._platform
        return PulledImage(
            digest, image.media_type, size=image.size, platform=platform, platforms=(platform,)
        )

    async def _fetched(self, reference: str, digest: str) -> tuple[bytes, str, str]:
        """Return (content, digest, media type) of a manifest whose content has the digest promised."""
        reply = await self._manifest("GET", reference)
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
        return await self._conversation.ask(method, path, _HEADERS)
