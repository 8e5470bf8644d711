"""Proofs of pull: the one way in which Towline asks whether a secret opens a registry or an image.

Used by secret creation, verify, preflight and deployments (design section 5). Each answer to a
question about a stored secret is kept: as history, in the secret's standing and its document.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from towline.domain.audit import Door
from towline.domain.causes import FindingCode
from towline.domain.errors import InvalidInput, NotFound, PullRefused, SealBroken
from towline.domain.findings import Finding
from towline.domain.image import ImageReference
from towline.domain.proof import Answer, Proof, Verdict
from towline.domain.registry import RegistryAddress
from towline.domain.workload import PullAccess
from towline.services import refusals
from towline.services.packages import absent as absent_package
from towline.services.pull_access import access_to, access_to_image
from towline.services.standings import Question, Standings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from towline.domain.account import Access
    from towline.domain.credential import Credential
    from towline.domain.package import Executable
    from towline.domain.proof import Platform
    from towline.ports import (
        Clock,
        Keychain,
        RegistryProver,
        ResolvedCredential,
        Store,
        Transaction,
    )

log = structlog.get_logger("towline.proofs")

MOST_AT_ONCE = 16
MOST_ITEMS = 200
LOGIN_WAIT = 3.0


@dataclass(frozen=True, slots=True)
class ProvedImage:
    """An image that may be pulled: ``image`` is pinned by the digest of the engine's platform."""

    image: ImageReference
    access: PullAccess
    answer: Answer
    secret_guid: str = ""
    secret_version: int = 0


@dataclass(frozen=True, slots=True)
class PreflightItem:
    """A question: whether ``image`` can be pulled with ``secret`` (name or guid; None: anonymously)."""

    image: str
    secret: str | None = None
    executable: str = ""


@dataclass(frozen=True, slots=True)
class PreflightResult:
    """The answer to one item. ``secret_name`` is the secret's name, also where the item gave a guid."""

    item: PreflightItem
    answer: Answer
    secret_name: str
    seconds: float


class Proofs:
    """Asks registries, and has their answers kept."""

    def __init__(
        self,
        *,
        store: Store,
        keychain: Keychain,
        prover: RegistryProver,
        engine_platform: Platform,
        standings: Standings,
        clock: Clock,
        login_wait: float = LOGIN_WAIT,
    ) -> None:
        self._store = store
        self._keychain = keychain
        self._prover = prover
        self._platform = engine_platform
        self._clock = clock
        self._login_wait = login_wait
        self._standings = standings

    async def login(self, project_guid: str, address: RegistryAddress, credential: Credential) -> Answer:
        """Answer whether the registry accepts a credential that is not stored yet; keeps nothing.

        A registry that takes longer than ``login_wait`` seconds leaves the verdict ``unknown``.
        """
        access = await access_to(self._store, project_guid, address, credential)
        try:
            answer = await asyncio.wait_for(self._prover.login(address, access), self._login_wait)
        except TimeoutError:
            detail = f"{address.netloc} did not answer within {self._login_wait:g} s"
            answer = Answer(Verdict.UNKNOWN, Finding(FindingCode.REGISTRY_TIMEOUT, detail))
        return refusals.dated(answer, at=self._clock())

    async def image(
        self,
        project_guid: str,
        executable: Executable,
        *,
        actor: str,
        door: Door,
        anew: bool = False,
        wished_at: datetime | None = None,
    ) -> ProvedImage:
        """Return the executable's image, pinned, with what to pull it; raise PullRefused with the finding.

        The finding names image, executable and time. A refused password is not tried again: the
        finding that is known is the answer, unless ``anew``, or a person's wish (``wished_at``) is
        younger than it.
        """
        question = Question(
            project_guid, executable.image, actor, door=door, executable=executable.name, anew=anew
        )
        return await self._image(question, executable.pull_secret, wished_at=wished_at)

    async def stored(
        self, project_guid: str, secret: str, *, actor: str, image: ImageReference | None = None
    ) -> Proof:
        """Try a stored docker secret anew and return the proof, kept unless nothing could be asked.

        Without ``image`` its login is tried, at its own registry. Raises NotFound.
        """
        text = str(image) if image else ""
        question = Question(project_guid, text, actor, door=Door.REGISTRY_PROOF, wakes=True)
        resolved = await self._stored_credential(question, secret, image)
        if isinstance(resolved, Finding):
            answer = refusals.about(Answer(Verdict.UNKNOWN, resolved), question, at=self._clock())
            return Proof("", secret, secret_version=0, at=self._clock(), answer=answer, image=text)
        if image is None:
            answer = await self.login(project_guid, resolved.address, resolved.credential)
        else:
            access = await access_to_image(self._store, project_guid, image, resolved)
            raw = await self._prover.image(image, access, platform=self._platform)
            answer = refusals.about(raw, question, at=self._clock())
        return await self._standings.keep(question, resolved, answer)

    async def preflight(self, access: Access, items: Sequence[PreflightItem]) -> Sequence[PreflightResult]:
        """Answer every item, in order; what several items ask is asked once. Never raises for an image."""
        if len(items) > MOST_ITEMS:
            raise InvalidInput(
                "items",
                problem=f"{len(items)} images are named",
                rule=f"ask about at most {MOST_ITEMS} at once",
            )
        room = asyncio.Semaphore(MOST_AT_ONCE)
        questions = dict.fromkeys((item.image, item.secret) for item in items)
        asked = await asyncio.gather(
            *(self._preflight_one(access, image, secret=secret, room=room) for image, secret in questions)
        )
        answers = dict(zip(questions, asked, strict=True))
        names = await self._secret_names(access, {item.secret for item in items if item.secret})
        return tuple(_result(item, *answers[item.image, item.secret], names=names) for item in items)

    async def preflight_package(
        self, access: Access, name: str, version: str = ""
    ) -> Sequence[PreflightResult]:
        """Answer for every executable of a package; raise NotFound for the package."""
        guid = access.project.guid
        package = await self._store.read(lambda tx: tx.packages.get(guid, name, version=version))
        if package is None:
            raise absent_package(name, version)
        items = [PreflightItem(run.image, run.pull_secret, run.name) for run in package.spec.executables]
        return await self.preflight(access, items)

    async def history(self, access: Access, secret: str, *, image: str | None = None) -> Sequence[Proof]:
        """Return a secret's newest proofs first; raise NotFound."""

        def question(tx: Transaction) -> Sequence[Proof]:
            record = tx.secrets.get(access.project.guid, secret)
            if record is None:
                raise NotFound("secret", secret)
            return tx.proofs.newest(record.secret.metadata.guid, image=image)

        return await self._store.read(question)

    async def _image(
        self, question: Question, secret: str | None, *, wished_at: datetime | None
    ) -> ProvedImage:
        try:
            return await self._proved(question, secret, wished_at=wished_at)
        except PullRefused as refusal:
            known = Answer(Verdict.UNKNOWN, refusal.finding)
            if isinstance(refusal, refusals.AnswerRefused):
                known = refusal.answer
            answer = refusals.about(replace(known, finding=refusal.finding), question, at=self._clock())
            raise refusals.AnswerRefused(answer, answer.finding or refusal.finding) from refusal

    async def _proved(
        self, question: Question, secret: str | None, *, wished_at: datetime | None
    ) -> ProvedImage:
        image = refusals.parsed(question.image)
        if secret is None:
            return await self._ask(question, image, None)
        record = await self._store.read(lambda tx: tx.secrets.get(question.project_guid, secret))
        known = None if question.anew else refusals.known_refusal(record, image, wished_at=wished_at)
        if known is not None:
            raise refusals.AnswerRefused(Answer(Verdict.FAILING, known, evidence=known.evidence), known)
        resolved = await self._resolved(question, secret, image)
        if resolved is None:
            raise PullRefused(refusals.missing(secret, record))
        return await self._ask(question, image, resolved)

    async def _resolved(
        self, question: Question, secret: str, image: ImageReference | None
    ) -> ResolvedCredential | None:
        place, door, actor = question.project_guid, question.door, question.actor
        try:
            if image is None:
                return await self._keychain.login(place, secret, door=door, actor=actor)
            return await self._keychain.resolve(place, secret, image, door=door, actor=actor)
        except SealBroken as broken:
            log.warning("secret.seal_broken", secret=secret, project=place)
            raise PullRefused(refusals.UNREADABLE) from broken

    async def _stored_credential(
        self, question: Question, secret: str, image: ImageReference | None
    ) -> ResolvedCredential | Finding:
        try:
            resolved = await self._resolved(question, secret, image)
        except PullRefused as refusal:
            return refusal.finding
        if resolved is None:
            raise NotFound("docker secret", secret)
        return resolved

    async def _ask(
        self, question: Question, image: ImageReference, resolved: ResolvedCredential | None
    ) -> ProvedImage:
        access = await access_to_image(self._store, question.project_guid, image, resolved)
        raw = await self._prover.image(image, access, platform=self._platform)
        answer = refusals.about(raw, question, at=self._clock())
        if resolved is not None:
            await self._standings.keep(question, resolved, answer)
        if answer.finding is not None or answer.image is None:
            raise refusals.AnswerRefused(answer, answer.finding or refusals.NOTHING_NAMED)
        proved = ProvedImage(image.pinned(answer.image.digest), access, answer=answer)
        if resolved is None:
            return proved
        return replace(proved, secret_guid=resolved.secret_guid, secret_version=resolved.secret_version)

    async def _preflight_one(
        self, access: Access, image: str, *, secret: str | None, room: asyncio.Semaphore
    ) -> tuple[Answer, float]:
        question = Question(access.project.guid, image, access.actor, door=Door.REGISTRY_PROOF, anew=True)
        async with room:
            began = self._clock()
            try:
                answer = (await self._image(question, secret, wished_at=None)).answer
            except refusals.AnswerRefused as refusal:
                answer = refusal.answer
            return answer, (self._clock() - began).total_seconds()

    async def _secret_names(self, access: Access, refs: set[str]) -> Mapping[str, str]:
        """Return the name of each secret that is there, by what the items called it."""

        def question(tx: Transaction) -> Mapping[str, str]:
            records = {ref: tx.secrets.get(access.project.guid, ref) for ref in refs}
            return {ref: record.secret.metadata.name for ref, record in records.items() if record}

        return await self._store.read(question)


def _result(
    item: PreflightItem, answer: Answer, seconds: float, *, names: Mapping[str, str]
) -> PreflightResult:
    finding = answer.finding
    if finding is not None and item.executable:
        answer = replace(answer, finding=finding.about(executable=item.executable))
    secret = item.secret or ""
    return PreflightResult(item, answer, names.get(secret, secret), seconds=seconds)
