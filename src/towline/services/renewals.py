"""Minting logins anew before they end: at two thirds of their life, the old one kept until the new is proved.

The schedule is rows with a due time, as that of proofs: a renewal is claimed by moving its due time, so that
a server that dies in between only delays it. One server at a time works through it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from towline.domain.audit import Door
from towline.domain.causes import FindingCode
from towline.domain.credential import authorization_token
from towline.domain.errors import KeysUnreachable, NotFound, SealBroken
from towline.domain.events import Event, EventKind
from towline.domain.findings import Finding
from towline.domain.minting import MintOrder
from towline.domain.proof import Answer, Proof, Verdict
from towline.domain.secret import DockerSecret
from towline.ports import Binding
from towline.services import refusals
from towline.services.audit import entry_by
from towline.services.people import organization_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from towline.domain.audit import AuditEntry
    from towline.domain.minting import Grant, Minted
    from towline.ports import (
        Bell,
        Clock,
        DueRenewal,
        MintRecord,
        NewGuid,
        Present,
        SecretRecord,
        Store,
        Transaction,
        Vault,
    )
    from towline.services.minting import Minting, Tried
    from towline.services.proofs import Proofs
    from towline.services.tally import Tally

log = structlog.get_logger("towline.renewals")

ACTOR = "schedule"
MOST_AT_ONCE = 16
BATCH = 256
CLAIM = timedelta(minutes=5)
LONGEST_WAIT = 60.0


@dataclass(frozen=True, slots=True)
class _Renewal:
    """A secret whose login is being minted anew, as it was when that began."""

    secret: DockerSecret
    minted: Minted
    parent: MintRecord
    actor: str


class Renewals:
    """Renews what is due, for ever."""

    def __init__(  # noqa: PLR0913  (what it is made of, by name)
        self,
        *,
        store: Store,
        vault: Vault,
        minting: Minting,
        proofs: Proofs,
        present: Present,
        bell: Bell,
        clock: Clock,
        new_guid: NewGuid,
        chance: Callable[[], float],
        tally: Tally,
    ) -> None:
        self._store = store
        self._vault = vault
        self._minting = minting
        self._proofs = proofs
        self._present = present
        self._bell = bell
        self._clock = clock
        self._new_guid = new_guid
        self._chance = chance
        self._tally = tally

    async def run(self) -> None:
        """Renew what is due and wait for the bell or the next; does not return."""
        listener = self._bell.listen()
        while True:
            if not await self.round():
                await listener.heard(await self._pause())

    async def round(self) -> int:
        """Renew one batch of what is due; return how many that were."""
        now = self._clock()
        due = await self._store.read(lambda tx: tx.mints.next_due())
        if due is None or due > now:
            return 0
        claimed = await self._store.write(lambda tx: tx.mints.claim(now=now, until=now + CLAIM, most=BATCH))
        room = asyncio.Semaphore(MOST_AT_ONCE)
        await asyncio.gather(*(self._one(due, room=room) for due in claimed))
        return len(claimed)

    async def renew(self, project_guid: str, secret_guid: str, *, actor: str) -> None:
        """Mint a secret's login anew, prove it and put it in place; raise NotFound where none is minted.

        What does not work out is the secret's trouble, told in its standing; the login in use stays.
        """
        renewal = await self._read(project_guid, secret_guid, actor=actor)
        try:
            order = await self._order(renewal)
        except SealBroken:
            await self._failed(renewal, refusals.UNREADABLE)
            return
        except KeysUnreachable as away:
            await self._failed(renewal, Finding(FindingCode.KEYS_UNREACHABLE, str(away)))
            return
        tried = await self._minting.fresh(project_guid, order)
        refused = _why_not(tried, renewal.minted.has_ended(self._clock()))
        if tried.grant is None or refused is not None:
            await self._failed(renewal, refused or refusals.NOTHING_NAMED)
        else:
            await self._renewed(renewal, tried.grant, tried.answer)

    async def parent(self, project_guid: str, secret_guid: str, *, actor: str) -> MintOrder:
        """Return what a login is minted from, opened; raise NotFound, SealBroken, KeysUnreachable."""
        return await self._order(await self._read(project_guid, secret_guid, actor=actor))

    async def _one(self, due: DueRenewal, *, room: asyncio.Semaphore) -> None:
        async with room:
            try:
                await self.renew(due.project_guid, due.secret_guid, actor=ACTOR)
            except NotFound:
                return  # it was deleted or replaced meanwhile, and its row with it
            except Exception:
                # one secret's trouble must not end the schedule; it stays claimed and comes again
                log.exception("renewal.broke", secret=due.secret_guid)

    async def _read(self, project_guid: str, secret_guid: str, *, actor: str) -> _Renewal:
        def question(tx: Transaction) -> tuple[SecretRecord | None, MintRecord | None]:
            return tx.secrets.get(project_guid, secret_guid), tx.mints.get(secret_guid)

        record, parent = await self._store.read(question)
        secret = record.secret if record else None
        if parent is None or not isinstance(secret, DockerSecret) or secret.mint is None:
            raise NotFound("minted secret", secret_guid)
        return _Renewal(secret, secret.mint, parent, actor)

    async def _order(self, renewal: _Renewal) -> MintOrder:
        """Open the parent credential: an audit row says so before it goes anywhere."""
        key = await self._vault.open(renewal.parent.sealed, renewal.parent.binding)
        row = self._row(renewal, "secret.opened", door=Door.MINT.value, kind=renewal.minted.mint.kind.value)
        await self._store.write(lambda tx: tx.audit.append(row))
        return MintOrder(renewal.minted.mint, renewal.secret.registry, key)

    async def _renewed(self, renewal: _Renewal, grant: Grant, answer: Answer) -> None:
        """Put the new login in place, unless somebody changed the secret meanwhile."""
        present = renewal.secret.metadata
        metadata = replace(present, version=present.version + 1)
        binding = Binding(metadata.project_guid, metadata.guid, version=metadata.version)
        sealed = await self._vault.seal(authorization_token(grant.credential), binding)
        at, minted = self._clock(), renewal.minted.renewed(grant, chance=self._chance())
        proof = Proof(self._new_guid("proof"), metadata.guid, metadata.version, at=at, answer=answer)

        def change(tx: Transaction) -> bool:
            record, before = _unchanged(tx, renewal)
            if record is None or before is None:
                return False
            standing = before.standing.after(answer, at=at)
            secret = replace(
                before,
                metadata=metadata,
                username=grant.credential.username,
                standing=standing,
                mint=minted,
            )
            self._save(tx, secret, replace(record, sealed=sealed), save=tx.secrets.renew)
            tx.proofs.add(proof)
            self._proofs.schedule(tx, secret, proof)
            self._proofs.turned(tx, before, secret)
            if before.mint is not None and before.mint.trouble is not None:
                tx.events.add(self._event(EventKind.RENEWED, secret))
            facts = {"version": str(metadata.version), "expires": grant.expires_at.isoformat()}
            tx.audit.append(self._row(renewal, "secret.renewed", **facts))
            names = (metadata.name, metadata.guid)
            tx.deployments.wake(now=at, project_guid=metadata.project_guid, secrets=names)
            return True

        await self._told(renewal, "renewed" if await self._store.write(change) else "overtaken")

    async def _failed(self, renewal: _Renewal, trouble: Finding) -> None:
        """Note what keeps the login from being renewed, and when that is tried again."""
        at, name = self._clock(), renewal.secret.metadata.name
        trouble = trouble.about(secret=name, at=at)
        minted = renewal.minted.failed(trouble, now=at, chance=self._chance())

        def change(tx: Transaction) -> bool:
            record, before = _unchanged(tx, renewal)
            if record is None or before is None:
                return False
            answer = Answer(_verdict(renewal.minted.has_ended(at), trouble, before), trouble)
            secret = replace(before, mint=minted, standing=before.standing.after(answer, at=at))
            self._save(tx, secret, record, save=tx.secrets.save)
            self._proofs.turned(tx, before, secret)
            if not renewal.minted.failures:
                tx.events.add(self._event(EventKind.RENEWAL_FAILED, secret))
            tx.audit.append(self._row(renewal, "secret.renewed", outcome=trouble.code.value))
            return True

        noted = await self._store.write(change)
        await self._told(renewal, trouble.code.value if noted else "overtaken")

    def _save(
        self,
        tx: Transaction,
        secret: DockerSecret,
        record: SecretRecord,
        *,
        save: Callable[[SecretRecord], None],
    ) -> None:
        """Save the secret with its document, and when its login is renewed next."""
        project = tx.tenants.project(secret.metadata.project_guid)
        if project is None or secret.mint is None:
            raise NotFound("minted secret", secret.metadata.name)
        document = self._present(secret, project, organization_of(tx, project))
        save(replace(record, secret=secret, document=document))
        tx.mints.due(secret.metadata.guid, secret.mint.renews_at or self._clock())

    async def _told(self, renewal: _Renewal, outcome: str) -> None:
        kind = renewal.minted.mint.kind.value
        self._tally.count("renewals", kind=kind, outcome=outcome)
        log.info("secret.minted", secret=renewal.secret.metadata.guid, kind=kind, outcome=outcome)
        self._bell.ring()

    def _row(self, renewal: _Renewal, action: str, *, outcome: str = "ok", **facts: str) -> AuditEntry:
        metadata = renewal.secret.metadata
        return entry_by(
            renewal.actor,
            action,
            metadata.guid,
            at=self._clock(),
            outcome=outcome,
            project_guid=metadata.project_guid,
            **{"name": metadata.name, "version": str(metadata.version), **facts},
        )

    def _event(self, kind: EventKind, secret: DockerSecret) -> Event:
        minted, metadata = secret.mint, secret.metadata
        trouble = minted.trouble if minted else None
        ends = minted.expires_at if minted else None
        facts = {
            "registry": secret.registry.key,
            "expires": f"{ends:%Y-%m-%d %H:%M} UTC" if ends else "",
            "finding": trouble.code.value if trouble else "",
            "fix": trouble.fix if trouble else "",
        }
        return Event(
            self._new_guid("event"),
            metadata.project_guid,
            kind,
            at=self._clock(),
            subject_guid=metadata.guid,
            subject_name=metadata.name,
            facts={name: text for name, text in facts.items() if text},
        )

    async def _pause(self) -> float:
        """Return how many seconds to wait: until the next renewal is due, at most a minute."""
        due = await self._store.read(lambda tx: tx.mints.next_due())
        if due is None:
            return LONGEST_WAIT
        return min(LONGEST_WAIT, max(0.1, (due - self._clock()).total_seconds()))


def _why_not(tried: Tried, has_ended: bool) -> Finding | None:  # noqa: FBT001  (a fact, asked once)
    """Return why a new login does not take the place of the old one; None where it does.

    One that the registry refuses never does; one that could not be tried does once the old one has ended.
    """
    if tried.grant is None or tried.answer.verdict is Verdict.FAILING:
        return tried.answer.finding
    if tried.answer.verdict is Verdict.UNKNOWN and not has_ended:
        return tried.answer.finding
    return None


def _verdict(has_ended: bool, trouble: Finding, before: DockerSecret) -> Verdict:  # noqa: FBT001  (a fact)
    """Return the verdict after a failure: the last one stays as long as the login in use is good."""
    never = before.mint is None or before.mint.expires_at is None
    if not has_ended or (never and not trouble.cause.blames_credential):
        return Verdict.UNKNOWN
    return Verdict.FAILING


def _unchanged(tx: Transaction, renewal: _Renewal) -> tuple[SecretRecord | None, DockerSecret | None]:
    """Return the secret as it is now, None for both where it has another version than was renewed."""
    metadata = renewal.secret.metadata
    record = tx.secrets.get(metadata.project_guid, metadata.guid)
    if record is None or not isinstance(record.secret, DockerSecret):
        return None, None
    return (record, record.secret) if record.secret.metadata.version == metadata.version else (None, None)
