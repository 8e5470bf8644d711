"""Proof of pull: whether this credential can pull this image, and what it is.

Ping, challenge, token or Basic, HEAD of the manifest with all four media types, GET on error, the index
resolved to the wanted platform, the config read. A refused password is never sent twice.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from towline.domain.causes import FindingCode
from towline.domain.findings import Finding
from towline.domain.proof import FURTHER_REQUESTS, Answer, Glance, Verdict
from towline.domain.registry import RegistryAddress
from towline.registry.challenge import chosen
from towline.registry.conversation import Conversation
from towline.registry.failures import NoAnswer
from towline.registry.image_proof import ImageProof, check_login
from towline.registry.opening import opened
from towline.registry.refusal import Refused
from towline.registry.second_questions import (
    GLANCE_REQUESTS,
    MEETING_REQUESTS,
    Insight,
    may_pull,
    second_question,
)
from towline.registry.transport import Trail
from towline.registry.wording import finding_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from towline.domain.image import ImageReference
    from towline.domain.proof import Platform
    from towline.domain.workload import PullAccess
    from towline.registry.transport import Transport

_SAYS_NOTHING = frozenset(
    {
        FindingCode.TOKEN_NOT_ACCEPTED,
        FindingCode.CLOCK_SKEW,
        FindingCode.RATE_LIMITED,
        FindingCode.LOGIN_BLOCKED,
        FindingCode.REQUEST_BLOCKED,
        FindingCode.REGISTRY_ERROR,
        FindingCode.TOKEN_SERVER_ERROR,
    }
)
NO_INSIGHT = Insight()
_REMEMBERED_SECONDS = 60.0
_MOST_REMEMBERED = 512


class Prover:
    """The port ``RegistryProver``."""

    def __init__(self, transport: Transport, clock: Callable[[], datetime]) -> None:
        self._transport = transport
        self._clock = clock
        self._met: dict[str, tuple[Conversation, float]] = {}

    async def login(self, address: RegistryAddress, access: PullAccess) -> Answer:
        """Answer whether the registry accepts the credential, without naming an image."""
        conversation, trail = self._conversation(address, access)
        try:
            verdict = await _login(conversation)
        except (NoAnswer, Refused) as refusal:
            return self._refused(refusal, conversation, trail)
        return Answer(verdict, evidence=tuple(trail.exchanges), provider=conversation.provider.value)

    async def ping(self, address: RegistryAddress, access: PullAccess) -> Answer:
        """Answer whether a registry is there; no credential is sent."""
        conversation, trail = self._conversation(address, access)
        try:
            await opened(conversation)
        except (NoAnswer, Refused) as refusal:
            return self._refused(refusal, conversation, trail)
        return Answer(Verdict.UNPROVED, evidence=tuple(trail.exchanges))

    async def image(self, image: ImageReference, access: PullAccess, *, platform: Platform) -> Answer:
        """Answer whether the image can be pulled for ``platform``, and what it is."""
        conversation, trail = self._conversation(RegistryAddress.of(image), access)
        proof = ImageProof(self._transport, conversation, trail, image=image, platform=platform)
        try:
            return await proof.run()
        except NoAnswer as failure:
            return self._refused(failure, conversation, trail)
        except Refused as refusal:
            self._remember(image, conversation)
            return await self._looked_into(refusal, conversation, trail, image=image)

    async def glance(self, image: ImageReference, access: PullAccess, *, spare: int) -> Glance:
        """Answer with at most ``spare`` requests whether another credential may pull the image.

        A registry that was met within the last minute is not pinged again: its challenge is known.
        """
        met = self._met.get(image.registry)
        known = met[0] if met and time.monotonic() < met[1] else None
        if spare < GLANCE_REQUESTS + (0 if known else MEETING_REQUESTS):
            return Glance(None)
        conversation, trail = self._conversation(RegistryAddress.of(image), access)
        if known is not None:
            conversation = known.beginning(access, trail)
        try:
            challenged = known.challenged if known else await opened(conversation)
            allowed = await may_pull(conversation, challenged, image)
        except NoAnswer:
            return Glance(None, evidence=tuple(trail.exchanges))
        except Refused as refusal:
            finding = finding_of(refusal, conversation, trail, insight=NO_INSIGHT, now=self._clock())
            return Glance(allowed=False, finding=finding, evidence=finding.evidence)
        return Glance(allowed, evidence=tuple(trail.exchanges))

    async def _looked_into(
        self, refusal: Refused, conversation: Conversation, trail: Trail, *, image: ImageReference
    ) -> Answer:
        """Return the refusal as an answer once a second question was asked, where one helps."""
        asked = len(trail.exchanges)
        insight = await second_question(refusal, conversation, image)
        spare = FURTHER_REQUESTS - (len(trail.exchanges) - asked)
        return replace(self._refused(refusal, conversation, trail, insight=insight), spare=spare)

    def _refused(
        self,
        refusal: NoAnswer | Refused,
        conversation: Conversation,
        trail: Trail,
        *,
        insight: Insight = NO_INSIGHT,
    ) -> Answer:
        finding = finding_of(refusal, conversation, trail, insight=insight, now=self._clock())
        accepted = conversation.accepted
        if isinstance(refusal, Refused):
            accepted = accepted or (refusal.accepted and conversation.access.credential is not None)
        return Answer(
            _verdict(finding.code, accepted=accepted),
            finding,
            evidence=finding.evidence,
            provider=conversation.provider.value,
        )

    def _remember(self, image: ImageReference, conversation: Conversation) -> None:
        if len(self._met) >= _MOST_REMEMBERED:
            self._met.clear()
        self._met[image.registry] = (conversation, time.monotonic() + _REMEMBERED_SECONDS)

    def _conversation(self, address: RegistryAddress, access: PullAccess) -> tuple[Conversation, Trail]:
        trail = Trail()
        return Conversation(self._transport, address, access, trail), trail


def _verdict(code: FindingCode, *, accepted: bool) -> Verdict:
    """Return what a finding says about the credential: refused, accepted, or nothing."""
    if Finding(code).cause.blames_credential:
        return Verdict.FAILING
    says_nothing = code in _SAYS_NOTHING
    return Verdict.VERIFIED if accepted and not says_nothing else Verdict.UNKNOWN


async def _login(conversation: Conversation) -> Verdict:
    if conversation.access.credential is None:
        raise Refused(FindingCode.CREDENTIAL_INCOMPLETE, "there is no username and password to try")
    reply = await opened(conversation)
    if chosen(reply.challenges) is None:
        return Verdict.UNPROVED
    await conversation.authorize(reply, scope="")
    await check_login(conversation)
    return Verdict.VERIFIED
