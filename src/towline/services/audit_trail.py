"""The audit trail as a whole: signed, verified, exported, pruned (mission T8).

Every few minutes a statement about its newest row is signed, by an Ed25519 key that is sealed like a secret.
It is only signed once the rows since the last one were walked over, so a statement never covers a trail that
was tampered with before. All goes in steps beside the loop: a trail of millions of rows holds nobody up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from towline.domain.audit import GENESIS
from towline.domain.audit_chain import (
    CLOSED,
    EXPORT,
    HEAD,
    PRUNED,
    Report,
    Statement,
    Walk,
    closed_to,
    newest_pruned,
)
from towline.domain.audit_export import end_line, head_line, row_line
from towline.domain.errors import Conflict, KeysUnreachable, SealBroken
from towline.ports import Binding
from towline.services.audit import entry_by

if TYPE_CHECKING:
    from datetime import datetime

    from towline.domain.credential import Password
    from towline.ports import Clock, Signing, Store, Transaction, Vault

log = structlog.get_logger("towline.audit")

STEP = 2000
PRUNE_STEP = 500
PAUSE = 60.0
MOST_UNSIGNED = 1000
LONGEST_UNSIGNED = timedelta(minutes=5)

Told = Callable[[int, int], None]
"""Is told how many rows were gone over, and how many there are."""


@dataclass(frozen=True, slots=True)
class _Signer:
    public_key: str
    private: Password


class AuditTrail:
    """Signs, verifies, exports and prunes."""

    def __init__(
        self,
        *,
        store: Store,
        vault: Vault,
        signing: Signing,
        clock: Clock,
        keep_days: int = 0,
        anchor: Callable[[Statement], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._vault = vault
        self._signing = signing
        self._clock = clock
        self._keep_days = keep_days
        self._anchor = anchor

    async def run(self) -> None:
        """Sign and prune as time goes by; does not return."""
        while True:
            try:
                await self.round()
            except KeysUnreachable as trouble:
                log.warning("audit.not_signed", trouble=str(trouble))
            await asyncio.sleep(PAUSE)

    async def round(self) -> None:
        """Sign if there is enough to sign or it has waited long, and prune what is older than is kept."""
        statements = await self._statements()
        last = statements[-1] if statements else None
        newest = await self._store.read(lambda tx: tx.audit.ever_added())
        waiting = newest - (last.seq if last else 0)
        waited = last is None or self._clock() - last.at >= LONGEST_UNSIGNED
        if waiting >= MOST_UNSIGNED or (waiting and waited):
            await self._signed_or_told()
        if self._keep_days:
            await self.prune(self._clock() - timedelta(days=self._keep_days))

    async def public_key(self) -> str:
        """Return the key by which statements are known now; made at its first use."""
        return (await self._signer()).public_key

    async def sign(self) -> Statement | None:
        """Sign a statement about the newest row; None for an empty trail.

        Raises Conflict, and signs nothing, where the rows since the last statement do not fit.
        """
        signer = await self._signer()
        walk, _ = await self._walked(await self._start(await self._statements()))
        if walk.problem:
            raise Conflict(f"the audit trail is not signed: {walk.problem}")
        seq, digest = walk.place
        if seq == 0:
            return None
        statement = self._statement(signer, HEAD, first=1, before=GENESIS, seq=seq, digest=digest)
        await self._store.write(lambda tx: tx.audit.state(statement))
        await asyncio.to_thread(self._anchor, statement)
        return statement

    async def verify(
        self,
        *,
        public_keys: Collection[str] = (),
        anchors: Sequence[Statement] = (),
        told: Told = lambda *_: None,
    ) -> Report:
        """Walk over all rows and statements and say what is found.

        Statements are believed that are signed by ``public_keys``, or where none are given by the keys that
        this installation's keyring opens. ``anchors`` are statements that were kept elsewhere.
        """
        trusted = tuple(public_keys) or await self._own_keys()
        every = await self._statements()
        floor = closed_to(every, trusted, self._signing.check)
        statements = [each for each in every if each.seq > floor or each.public_key in trusted]
        anchors = [each for each in anchors if each.seq > floor or each.public_key in trusted]
        pruned = newest_pruned(statements)
        walk = Walk(after=pruned.seq, before=pruned.hash) if pruned else Walk()
        if pruned is not None and not walk.compare(pruned, trusted, self._signing.check):
            return replace(walk.report(), closed_to=floor)
        start = walk.place[0]
        expected = sorted(
            (each for each in (*statements, *anchors) if each.seq > start), key=lambda each: each.seq
        )
        total = await self._store.read(lambda tx: tx.audit.ever_added())
        await self._compared(walk, expected, trusted, told=lambda seq: told(seq - start, total - start))
        walk.missing(total, "the database once had them")
        if expected and not walk.problem:
            walk.missing(expected[-1].seq, "a statement was signed about them")
        return replace(walk.report(), closed_to=floor)

    async def lost_signers(self) -> Sequence[str]:
        """Return the public keys whose private halves the keyring does not open any more."""
        own = await self._own_keys()
        known = await self._store.read(lambda tx: tx.audit.signers())
        return tuple(public_key for public_key, _ in known if public_key not in own)

    async def close(self, *, actor: str) -> Statement:
        """Close the part of the trail that lost keys signed, and go on under another; return the statement.

        The lost keys are let go of. Raises Conflict where none is lost, or the rows do not hold together.
        """
        lost = await self.lost_signers()
        if not lost:
            raise Conflict("no key that signed the audit trail is lost: there is nothing to close")
        pruned = newest_pruned(await self._statements())
        walk, _ = await self._walked(Walk(after=pruned.seq, before=pruned.hash) if pruned else Walk())
        if walk.problem:
            raise Conflict(f"the audit trail is not closed: {walk.problem}")
        signer, (seq, digest), at = await self._signer(), walk.place, self._clock()
        statement = self._statement(signer, CLOSED, first=1, before=GENESIS, seq=seq, digest=digest)
        again = pruned and self._statement(
            signer, PRUNED, first=1, before=GENESIS, seq=pruned.seq, digest=pruned.hash
        )

        def change(tx: Transaction) -> None:
            tx.audit.state(statement)
            if again is not None and pruned is not None and pruned.public_key in lost:
                tx.audit.restate(again)
            for public_key in lost:
                tx.audit.drop_signer(public_key)
            facts = {"rows": str(seq), "keys": " ".join(lost)}
            tx.audit.append(entry_by(actor, "audit.closed", signer.public_key, at=at, **facts))

        await self._store.write(change)
        await asyncio.to_thread(self._anchor, statement)
        return statement

    async def export(
        self, *, since: datetime | None = None, until: datetime | None = None
    ) -> AsyncIterator[bytes]:
        """Yield an export line by line, of the rows from ``since`` to before ``until``.

        Raises Conflict in the midst, so that no signed end follows, where the rows do not fit.
        """
        signer = await self._signer()
        start = await self._beginning(since)
        yield head_line(start.place[0] + 1, start.place[1], public_key=signer.public_key)
        first, before = start.place[0] + 1, start.place[1]
        while rows := await self._store.survey(lambda tx: tx.audit.rows(after=start.place[0], most=STEP)):
            ended = False
            for row in rows:
                if row.entry is not None and until is not None and row.entry.at >= until:
                    ended = True
                    break
                if not start.step(row) or row.entry is None:
                    raise Conflict(f"the export ends without its signed end: {start.problem}")
                yield row_line(row.seq, row.entry, row.hash)
            if ended:
                break
        seq, digest = start.place
        yield end_line(self._statement(signer, EXPORT, first=first, before=before, seq=seq, digest=digest))

    async def prune(self, before: datetime) -> int:
        """Delete the rows from before that time, a signed statement in their place; return how many went."""
        statements = await self._statements()
        pruned = newest_pruned(statements)
        walk = Walk(after=pruned.seq, before=pruned.hash) if pruned else Walk()
        seq, digest = await self._last_before(walk, before)
        if walk.problem:
            log.error(
                "audit.broken", problem=walk.problem, advice="nothing is pruned: towline admin audit verify"
            )
            return 0
        upto = pruned.seq if pruned else 0
        if seq > upto:
            signer = await self._signer()
            statement = self._statement(signer, PRUNED, first=1, before=GENESIS, seq=seq, digest=digest)
            await self._store.write(lambda tx: tx.audit.state(statement))
            await asyncio.to_thread(self._anchor, statement)
            upto = seq
        return await self._delete(upto)

    async def _delete(self, upto: int) -> int:
        """Delete what a statement stands in place of; goes on where a killed pruning stopped."""
        gone = 0
        while step := await self._store.write(lambda tx: tx.audit.prune(upto=upto, most=PRUNE_STEP)):
            gone += step
        return gone

    async def _last_before(self, walk: Walk, before: datetime) -> tuple[int, bytes]:
        """Return number and hash of the last row from before a time, having walked up to it."""
        while rows := await self._store.survey(lambda tx: tx.audit.rows(after=walk.place[0], most=STEP)):
            for row in rows:
                if row.entry is not None and row.entry.at >= before:
                    return walk.place
                if not walk.step(row):
                    return walk.place
        return walk.place

    async def _signed_or_told(self) -> None:
        try:
            await self.sign()
        except Conflict as broken:
            log.exception("audit.broken", problem=str(broken), advice="towline admin audit verify")

    async def _beginning(self, since: datetime | None) -> Walk:
        """Return a walk that stands before the first row that is wanted."""
        pruned = newest_pruned(await self._statements())
        walk = Walk(after=pruned.seq, before=pruned.hash) if pruned else Walk()
        if since is None:
            return walk
        seq, digest = await self._last_before(walk, since)
        if walk.problem:
            raise Conflict(f"nothing is exported: {walk.problem}")
        return Walk(after=seq, before=digest)

    async def _start(self, statements: Sequence[Statement]) -> Walk:
        """Return a walk that begins after the last statement that is our own and genuine."""
        own = await self._own_keys()
        for statement in reversed(statements):
            walk = Walk(after=statement.seq, before=statement.hash)
            if walk.compare(statement, own, self._signing.check):
                return walk
        return Walk()

    async def _walked(self, walk: Walk) -> tuple[Walk, int]:
        await self._compared(walk, (), (), told=lambda _: None)
        return walk, walk.place[0]

    async def _compared(
        self,
        walk: Walk,
        expected: Sequence[Statement],
        trusted: Collection[str],
        *,
        told: Callable[[int], None],
    ) -> None:
        """Walk on to the end or to the first problem, and compare statements where they belong."""
        waiting = list(expected)

        def step(tx: Transaction) -> bool:
            rows = tx.audit.rows(after=walk.place[0], most=STEP)
            for row in rows:
                if not walk.step(row):
                    return False
                while waiting and waiting[0].seq <= walk.place[0]:
                    if not walk.compare(waiting.pop(0), trusted, self._signing.check):
                        return False
            return bool(rows)

        while await self._store.survey(step):
            told(walk.place[0])

    def _statement(
        self, signer: _Signer, kind: str, *, first: int, before: bytes, seq: int, digest: bytes
    ) -> Statement:
        bare = Statement(kind, first, before, seq, digest, self._clock(), signer.public_key)
        return replace(bare, signature=self._signing.sign(signer.private, bare.message()))

    async def _statements(self) -> Sequence[Statement]:
        return await self._store.survey(lambda tx: tx.audit.statements())

    async def _own_keys(self) -> Collection[str]:
        """Return the public keys whose private halves this installation can open."""
        return [signer.public_key for signer in await self._signers()]

    async def _signers(self) -> Sequence[_Signer]:
        found = []
        for public_key, sealed in await self._store.read(lambda tx: tx.audit.signers()):
            try:
                private = await self._vault.open(sealed, _binding(public_key))
            except SealBroken:
                log.warning("audit.signer_unreadable", public_key=public_key)
                continue
            if self._signing.public(private) == public_key:
                found.append(_Signer(public_key, private))
        return found

    async def _signer(self) -> _Signer:
        known = await self._signers()
        if known:
            return known[0]
        private, public_key = self._signing.new()
        sealed, at = await self._vault.seal(private, _binding(public_key)), self._clock()
        await self._store.write(lambda tx: tx.audit.add_signer(public_key, sealed, at=at))
        return _Signer(public_key, private)


def _binding(public_key: str) -> Binding:
    return Binding("", public_key, version=1)
