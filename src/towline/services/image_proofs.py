"""May this secret pull this image? From the image's name to the digest that would run, or the finding."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from towline.domain.causes import FindingCode
from towline.domain.errors import KeysUnreachable, PullRefused, SealBroken
from towline.domain.findings import Finding
from towline.domain.proof import FURTHER_REQUESTS, Answer, Verdict
from towline.services import refusals
from towline.services.alternatives import Alternatives
from towline.services.pull_access import access_to_image
from towline.services.turns import Turns

if TYPE_CHECKING:
    from datetime import datetime

    from towline.domain.image import ImageReference
    from towline.domain.proof import Platform
    from towline.domain.workload import PullAccess
    from towline.ports import Clock, Keychain, RegistryProver, ResolvedCredential, SecretRecord, Store
    from towline.services.standings import Question, Standings

log = structlog.get_logger("towline.proofs")


@dataclass(frozen=True, slots=True)
class ProvedImage:
    """An image that may be pulled: ``image`` is pinned by the digest of the engine's platform."""

    image: ImageReference
    access: PullAccess
    answer: Answer
    secret_guid: str = ""
    secret_version: int = 0


class ImageProofs:
    """Proves one image at a time, for everybody who asks.

    Many questions at once about a secret that was not tried lately wait for the first one's answer:
    a wrong password is one refused login at its registry, however many images it was meant for.
    """

    def __init__(
        self,
        *,
        store: Store,
        keychain: Keychain,
        prover: RegistryProver,
        engine_platform: Platform,
        standings: Standings,
        clock: Clock,
    ) -> None:
        self._store = store
        self._keychain = keychain
        self._prover = prover
        self._platform = engine_platform
        self._standings = standings
        self._clock = clock
        self._turns = Turns()
        self._alternatives = Alternatives(store=store, keychain=keychain, prover=prover, standings=standings)

    async def prove(
        self, question: Question, secret: str | None, *, wished_at: datetime | None
    ) -> ProvedImage:
        """Return the question's image, pinned; raise AnswerRefused with image, executable and time in it."""
        try:
            return await self._proved(question, secret, wished_at=wished_at)
        except PullRefused as refusal:
            known = Answer(Verdict.UNKNOWN, refusal.finding, spare=FURTHER_REQUESTS)
            if isinstance(refusal, refusals.AnswerRefused):
                known = refusal.answer
            answer = refusals.about(
                replace(known, finding=refusal.finding), question, at=self._clock(), secret=secret
            )
            answer = await self._alternatives.beside(question, answer, secret=secret)
            raise refusals.AnswerRefused(answer, answer.finding or refusal.finding) from refusal

    async def _proved(
        self, question: Question, secret: str | None, *, wished_at: datetime | None
    ) -> ProvedImage:
        image = refusals.parsed(question.image)
        if secret is None:
            return await self._settle(question, image, None)
        record = await self._record(question, secret)
        if record is not None and not self._is_fresh(record, wished_at):
            async with self._turns.of(record.secret.metadata.guid):
                record = await self._record(question, secret)
                if not self._is_fresh(record, wished_at):
                    return await self._ask_with(question, image, secret, record=record, wished_at=wished_at)
        return await self._ask_with(question, image, secret, record=record, wished_at=wished_at)

    def _is_fresh(self, record: SecretRecord | None, wished_at: datetime | None) -> bool:
        return refusals.is_fresh(record, now=self._clock(), wished_at=wished_at)

    async def _record(self, question: Question, secret: str) -> SecretRecord | None:
        return await self._store.read(lambda tx: tx.secrets.get(question.project_guid, secret))

    async def _ask_with(
        self,
        question: Question,
        image: ImageReference,
        secret: str,
        *,
        record: SecretRecord | None,
        wished_at: datetime | None,
    ) -> ProvedImage:
        if known := refusals.known_refusal(record, image, wished_at=wished_at):
            answer = Answer(Verdict.FAILING, known, evidence=known.evidence, spare=FURTHER_REQUESTS)
            raise refusals.AnswerRefused(answer, known)
        resolved = await self.credential(question, secret, image)
        if resolved is None:
            raise PullRefused(refusals.missing(secret, record))
        return await self._settle(question, image, resolved)

    async def credential(
        self, question: Question, secret: str, image: ImageReference | None
    ) -> ResolvedCredential | None:
        """Return the secret's credential for ``image``, or for a login where that is None.

        Returns None when there is no such secret; raises PullRefused when it may not or cannot be opened.
        """
        place, door, actor = question.project_guid, question.door, question.actor
        try:
            if image is None:
                return await self._keychain.login(place, secret, door=door, actor=actor)
            return await self._keychain.resolve(place, secret, image, door=door, actor=actor)
        except SealBroken as broken:
            log.warning("secret.seal_broken", secret=secret, project=place)
            raise PullRefused(refusals.UNREADABLE) from broken
        except KeysUnreachable as away:
            raise PullRefused(Finding(FindingCode.KEYS_UNREACHABLE, str(away))) from away

    async def ask(
        self, question: Question, image: ImageReference, resolved: ResolvedCredential | None
    ) -> tuple[Answer, PullAccess]:
        """Ask the registry; return its answer, and with what it was asked."""
        access = await access_to_image(self._store, question.project_guid, image, resolved)
        raw = await self._prover.image(image, access, platform=question.platform or self._platform)
        return refusals.about(raw, question, at=self._clock()), access

    async def still_seen(
        self, question: Question, image: ImageReference, resolved: ResolvedCredential
    ) -> Answer | None:
        """Return that the image can still be pulled if one look shows it, without reading its manifest."""
        access = await access_to_image(self._store, question.project_guid, image, resolved)
        glance = await self._prover.glance(image, access, spare=FURTHER_REQUESTS)
        if not glance.allowed or glance.evidence[-1].sent == "none":
            return None
        return Answer(Verdict.VERIFIED, evidence=glance.evidence)

    async def _settle(
        self, question: Question, image: ImageReference, resolved: ResolvedCredential | None
    ) -> ProvedImage:
        answer, access = await self.ask(question, image, resolved)
        if resolved is not None:
            await self._standings.keep(question, resolved, answer)
        if answer.finding is not None or answer.image is None:
            raise refusals.AnswerRefused(answer, answer.finding or refusals.NOTHING_NAMED)
        proved = ProvedImage(image.pinned(answer.image.digest), access, answer=answer)
        if resolved is None:
            return proved
        return replace(proved, secret_guid=resolved.secret_guid, secret_version=resolved.secret_version)
