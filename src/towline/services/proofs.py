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
from towline.domain.credential_shape import shape_of
from towline.domain.errors import InvalidInput, NotFound, PullRefused
from towline.domain.findings import Finding
from towline.domain.image import ImageReference
from towline.domain.proof import Answer, Proof, Verdict
from towline.domain.providers import provider_of_host
from towline.ports import ResolvedCredential
from towline.services import refusals
from towline.services.image_proofs import ImageProofs, ProvedImage
from towline.services.packages import absent as absent_package
from towline.services.pull_access import access_to
from towline.services.standings import Question, Standings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from towline.domain.account import Access
    from towline.domain.credential import Credential
    from towline.domain.credential_shape import Shape
    from towline.domain.package import Executable
    from towline.domain.proof import Platform
    from towline.domain.registry import RegistryAddress
    from towline.domain.secret import DockerSecret
    from towline.ports import Clock, Keychain, RegistryProver, Store, Transaction

log = structlog.get_logger("towline.proofs")

MOST_AT_ONCE = 16
MOST_ITEMS = 200
LOGIN_WAIT = 3.0


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
        self._prover = prover
        self._clock = clock
        self._login_wait = login_wait
        self._standings = standings
        self._images = ImageProofs(
            store=store,
            keychain=keychain,
            prover=prover,
            engine_platform=engine_platform,
            standings=standings,
            clock=clock,
        )

    async def login(self, project_guid: str, address: RegistryAddress, credential: Credential) -> Answer:
        """Answer whether the registry accepts a credential that is not stored yet; keeps nothing.

        A registry that takes longer than ``login_wait`` seconds leaves the verdict ``unknown``.
        """
        access = await access_to(self._store, project_guid, address, credential)
        try:
            async with asyncio.timeout(self._login_wait):
                answer = await self._prover.login(address, access)
        except TimeoutError:
            detail = f"{address.netloc} did not answer within {self._login_wait:g} s"
            answer = Answer(Verdict.UNKNOWN, Finding(FindingCode.REGISTRY_TIMEOUT, detail))
        return refusals.dated(answer, at=self._clock())

    async def tried(
        self, access: Access, address: RegistryAddress, credential: Credential, *, image: str = ""
    ) -> Answer:
        """Answer whether a credential that is not stored opens its registry, or ``image`` there.

        Keeps nothing. An image of another registry is refused before any request.
        """
        if not image:
            return await self.login(access.project.guid, address, credential)
        question = Question(access.project.guid, image, access.actor, door=Door.REGISTRY_PROOF)
        try:
            reference = refusals.parsed(image)
        except PullRefused as refusal:
            return refusals.about(Answer(Verdict.UNKNOWN, refusal.finding), question, at=self._clock())
        if address.covers(reference):
            resolved = ResolvedCredential(credential, "", secret_version=0, address=address)
            answer, _ = await self._images.ask(question, reference, resolved)
        else:
            detail = f"the credential is for {address.key}, the image {reference} is at {reference.registry}"
            answer = Answer(Verdict.UNKNOWN, Finding(FindingCode.SECRET_REGISTRY_MISMATCH, detail))
        return refusals.about(answer, question, at=self._clock())

    def shape(self, address: RegistryAddress, credential: Credential) -> Shape:
        """Return what a credential that is not stored tells about itself; no registry is asked."""
        return shape_of(provider_of_host(address.host), credential, now=self._clock())

    async def image(
        self,
        project_guid: str,
        executable: Executable,
        *,
        actor: str,
        door: Door,
        wished_at: datetime | None = None,
        platform: Platform | None = None,
    ) -> ProvedImage:
        """Return the executable's image, pinned, with what to pull it; raise PullRefused with the finding.

        Pinned for ``platform``, by default the one of the installation's own engine.
        The finding names image, executable and time. A refused password is not tried again: the
        finding that is known is the answer, unless somebody asked for this (``wished_at``) after it.
        """
        question = Question(
            project_guid, executable.image, actor, door=door, executable=executable.name, platform=platform
        )
        return await self._images.prove(question, executable.pull_secret, wished_at=wished_at)

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
            answer, _ = await self._images.ask(question, image, resolved)
        if answer.finding is not None:
            names = await self._secret_names(project_guid, {secret})
            answer = refusals.about(answer, question, at=self._clock(), secret=names.get(secret))
        return await self._standings.keep(question, resolved, answer)

    def schedule(self, tx: Transaction, secret: DockerSecret, proof: Proof) -> None:
        """Set when a secret that was just saved is tried again."""
        self._standings.schedule(tx, secret, proof)

    def turned(self, tx: Transaction, before: DockerSecret, after: DockerSecret) -> None:
        """Tell of a verdict that a replaced secret turned."""
        self._standings.turned(tx, before, after.standing, at=after.metadata.updated_at)

    async def again(self, project_guid: str, secret: str, *, image: str, actor: str) -> Proof:
        """Try a stored docker secret as its schedule asks: its login, or one look at an image.

        Only an image that could not be seen any more is asked for in full, to say why. Raises NotFound.
        """
        if not image:
            return await self.stored(project_guid, secret, actor=actor)
        reference = ImageReference.parse(image)
        question = Question(project_guid, image, actor, door=Door.ENGINE_PULL)
        resolved = await self._stored_credential(question, secret, reference)
        if not isinstance(resolved, Finding):
            seen = await self._images.still_seen(question, reference, resolved)
            if seen is not None:
                return await self._standings.keep(question, resolved, seen)
        return await self.stored(project_guid, secret, actor=actor, image=reference)

    async def preflight(
        self, access: Access, items: Sequence[PreflightItem], *, anew: bool = True
    ) -> Sequence[PreflightResult]:
        """Answer every item, in order; never raises for an image.

        What several items ask is asked once, and a password that is refused is tried once; one that is
        known to be refused only when somebody asks ``anew``, as registries lock out who repeats it.
        """
        if len(items) > MOST_ITEMS:
            raise InvalidInput(
                "items",
                problem=f"{len(items)} images are named",
                rule=f"ask about at most {MOST_ITEMS} at once",
            )
        room, asked_at = asyncio.Semaphore(MOST_AT_ONCE), self._clock() if anew else None
        questions = dict.fromkeys((item.image, item.secret) for item in items)
        asked = await asyncio.gather(
            *(
                self._preflight_one(access, PreflightItem(*each), room=room, asked_at=asked_at)
                for each in questions
            )
        )
        answers = dict(zip(questions, asked, strict=True))
        names = await self._secret_names(access.project.guid, {item.secret for item in items if item.secret})
        return tuple(_result(item, *answers[item.image, item.secret], names=names) for item in items)

    async def preflight_package(
        self, access: Access, name: str, version: str = "", *, anew: bool = True
    ) -> Sequence[PreflightResult]:
        """Answer for every executable of a package; raise NotFound for the package."""
        guid = access.project.guid
        package = await self._store.read(lambda tx: tx.packages.get(guid, name, version=version))
        if package is None:
            raise absent_package(name, version)
        items = [PreflightItem(run.image, run.pull_secret, run.name) for run in package.spec.executables]
        return await self.preflight(access, items, anew=anew)

    async def history(self, access: Access, secret: str, *, image: str | None = None) -> Sequence[Proof]:
        """Return a secret's newest proofs first; raise NotFound."""

        def question(tx: Transaction) -> Sequence[Proof]:
            record = tx.secrets.get(access.project.guid, secret)
            if record is None:
                raise NotFound("secret", secret)
            return tx.proofs.newest(record.secret.metadata.guid, image=image)

        return await self._store.read(question)

    async def _stored_credential(
        self, question: Question, secret: str, image: ImageReference | None
    ) -> ResolvedCredential | Finding:
        try:
            resolved = await self._images.credential(question, secret, image)
        except PullRefused as refusal:
            return refusal.finding
        if resolved is None:
            raise NotFound("docker secret", secret)
        return resolved

    async def _preflight_one(
        self, access: Access, item: PreflightItem, *, room: asyncio.Semaphore, asked_at: datetime | None
    ) -> tuple[Answer, float]:
        question = Question(access.project.guid, item.image, access.actor, door=Door.REGISTRY_PROOF)
        async with room:
            began = self._clock()
            try:
                answer = (await self._images.prove(question, item.secret, wished_at=asked_at)).answer
            except refusals.AnswerRefused as refusal:
                answer = refusal.answer
            return answer, (self._clock() - began).total_seconds()

    async def _secret_names(self, project_guid: str, refs: set[str]) -> Mapping[str, str]:
        """Return the name of each secret that is there, by what the items called it."""

        def question(tx: Transaction) -> Mapping[str, str]:
            records = {ref: tx.secrets.get(project_guid, ref) for ref in refs}
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
