"""Keeping what a registry answered about a stored secret: history, standing, document, audit, wake-up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from towline.domain.audit import Door
from towline.domain.events import Event, EventKind
from towline.domain.proof import Proof, Standing, Verdict
from towline.domain.reproof import DueProof, ReproofPlan
from towline.domain.secret import DockerSecret
from towline.services.audit import entry_by
from towline.services.people import organization_of
from towline.services.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from towline.domain.proof import Answer, Platform
    from towline.ports import (
        Bell,
        Clock,
        NewGuid,
        Present,
        ResolvedCredential,
        SecretRecord,
        Store,
        Transaction,
    )

log = structlog.get_logger("towline.proofs")

_GOOD = frozenset({Verdict.VERIFIED, Verdict.UNPROVED})


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: which image, as people wrote it (empty: only the login), by whom, by which door."""

    project_guid: str
    image: str
    actor: str
    door: Door
    executable: str = ""
    wakes: bool = False
    """Whether a good answer wakes the secret's deployments even if the verdict was good before."""
    platform: Platform | None = None
    """What the image is to run on; None: what the installation's own engine runs."""


class Standings:
    """Writes down proofs of stored secrets."""

    def __init__(
        self,
        *,
        store: Store,
        present: Present,
        bell: Bell,
        clock: Clock,
        new_guid: NewGuid,
        chance: Callable[[], float],
        plan: ReproofPlan | None = None,
        tally: Tally | None = None,
    ) -> None:
        self._store = store
        self._present = present
        self._bell = bell
        self._clock = clock
        self._new_guid = new_guid
        self._chance = chance
        self._plan = plan or ReproofPlan()
        self._tally = tally or Tally()

    async def keep(self, question: Question, resolved: ResolvedCredential, answer: Answer) -> Proof:
        """Keep an answer, in one transaction; return it as a proof.

        The secret's standing changes only if it still has the version that was asked about: a
        secret replaced meanwhile is not judged by its old password. Deployments are woken when the
        verdict turned good, or when it is good and the question asks for that.
        """
        proof = Proof(
            self._new_guid("proof"),
            resolved.secret_guid,
            secret_version=resolved.secret_version,
            at=self._clock(),
            answer=answer,
            image=question.image,
        )
        if await self._store.write(lambda tx: self._write(tx, question, proof)):
            self._bell.ring()
        self._tally.count("proofs", verdict=answer.verdict.value)
        log.info("secret.proved", **_facts(proof), secret=proof.secret_guid, actor=question.actor)
        return proof

    def _write(self, tx: Transaction, question: Question, proof: Proof) -> bool:
        """Write all rows; return whether somebody is to hear of it."""
        record = tx.secrets.get(question.project_guid, proof.secret_guid)
        if record is None or not isinstance(record.secret, DockerSecret):
            return False
        tx.proofs.add(proof)
        self.schedule(tx, record.secret, proof, in_use=question.door is Door.ENGINE_PULL)
        tx.audit.append(
            entry_by(
                question.actor,
                "secret.proved",
                proof.secret_guid,
                at=proof.at,
                outcome=proof.answer.verdict.value,
                project_guid=question.project_guid,
                door=question.door.value,
                **_facts(proof),
            )
        )
        if record.secret.metadata.version != proof.secret_version:
            return False
        return self._judge(tx, question, record, record.secret, proof)

    def schedule(self, tx: Transaction, secret: DockerSecret, proof: Proof, *, in_use: bool = False) -> None:
        """Set when this secret's login is tried again, and its image where a deployment pulls it."""
        metadata, shape = secret.metadata, secret.shape
        for image in ("", proof.image) if proof.image and in_use else ("",):
            due = self._plan.due(
                proof.answer.verdict,
                image=image,
                now=proof.at,
                chance=self._chance(),
                expires_at=shape.expires_at,
            )
            tx.schedule.put(DueProof(metadata.project_guid, metadata.guid, image, due))

    def turned(self, tx: Transaction, before: DockerSecret, standing: Standing, *, at: datetime) -> bool:
        """Tell of a verdict that is another one than before; return whether it is."""
        if standing.verdict is before.standing.verdict:
            return False
        tx.events.add(_changed(self._new_guid("event"), before, standing, at=at))
        self._tally.count("verdict_changes", verdict=standing.verdict.value)
        return True

    def _judge(
        self, tx: Transaction, question: Question, record: SecretRecord, secret: DockerSecret, proof: Proof
    ) -> bool:
        standing = judged(secret.standing, proof.answer, at=proof.at, image=question.image)
        judged_secret = secret.stands(standing)
        project = tx.tenants.project(question.project_guid)
        if project is None:
            return False
        document = self._present(judged_secret, project, organization_of(tx, project))
        tx.secrets.save(replace(record, secret=judged_secret, document=document))
        if secret.mint is not None and standing.verdict is Verdict.FAILING:
            tx.mints.due(secret.metadata.guid, proof.at)  # it was good when it was minted: mint another
        turned = self.turned(tx, secret, standing, at=proof.at)
        turned_good = secret.standing.verdict is Verdict.FAILING and standing.verdict in _GOOD
        if turned_good or (question.wakes and standing.verdict in _GOOD):
            names = (secret.metadata.name, secret.metadata.guid)
            tx.deployments.wake(now=proof.at, project_guid=project.guid, secrets=names)
        return turned


def _changed(guid: str, secret: DockerSecret, standing: Standing, *, at: datetime) -> Event:
    finding, metadata = standing.finding, secret.metadata
    facts = {
        "before": secret.standing.verdict.value,
        "after": standing.verdict.value,
        "registry": secret.registry.key,
        "image": standing.image,
        "finding": finding.code.value if finding else "",
        "fix": finding.fix if finding else "",
    }
    return Event(
        guid,
        metadata.project_guid,
        EventKind.VERDICT_CHANGED,
        at=at,
        subject_guid=metadata.guid,
        subject_name=metadata.name,
        facts={name: text for name, text in facts.items() if text},
    )


def judged(standing: Standing, answer: Answer, *, at: datetime, image: str = "") -> Standing:
    """Return the standing after an answer; a failure that does not blame the credential changes nothing."""
    blamed = answer.finding is not None and answer.finding.cause.blames_credential
    if answer.verdict is Verdict.FAILING and not blamed:
        return standing
    return standing.after(answer, at=at, image=image)


def _facts(proof: Proof) -> dict[str, str]:
    finding = proof.answer.finding
    return {
        "version": str(proof.secret_version),
        "image": proof.image,
        "finding": finding.code.value if finding else "",
    }
