"""Letting go of what is only history, by stated rules (domain/retention.py).

What is old enough is looked for beside the loop, on a reading connection; it goes in small batches with
rests between them, so that no writer waits for long.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from towline.domain.retention import Retention
    from towline.ports import Clock, Store, Transaction
    from towline.services.tally import Tally

    Sleep = Callable[[float], Awaitable[object]]
    Look = Callable[[Transaction], Sequence[int]]
    Forget = Callable[[Transaction, Sequence[int]], int]

log = structlog.get_logger("towline.pruning")

EVERY_SECONDS = 3600.0
LOOKED_FOR = 5_000
BATCH = 200
REST_SECONDS = 0.02


class Pruning:
    """Lets go, for ever; ``sweep`` ends what has run out by its own time: sessions, codes."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        rules: Retention,
        tally: Tally,
        sweep: Callable[[], Awaitable[None]],
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._store = store
        self._clock = clock
        self._rules = rules
        self._tally = tally
        self._sweep = sweep
        self._sleep = sleep

    async def run(self) -> None:
        """Let go of what is old now, and again each hour; does not return."""
        while True:
            await self.round()
            await self._sleep(EVERY_SECONDS)

    async def round(self) -> int:
        """Let go of all that is old enough; return how many rows that were."""
        await self._sweep()
        now, rules = self._clock(), self._rules
        gone = await self._each(
            "deployments",
            lambda tx: tx.deployments.outdated(now - rules.deployments, most=LOOKED_FOR),
            lambda tx, seqs: tx.deployments.forget(seqs),
        )
        gone += await self._each(
            "events",
            lambda tx: tx.events.outdated(now - rules.events, keep=rules.events_most, most=LOOKED_FOR),
            lambda tx, seqs: tx.events.forget(seqs),
        )
        gone += await self._each(
            "proofs",
            lambda tx: tx.proofs.outdated(now - rules.proofs, most=LOOKED_FOR),
            lambda tx, seqs: tx.proofs.forget(seqs),
        )
        return gone

    async def _each(self, kind: str, look: Look, forget: Forget) -> int:
        gone = 0
        while old := await self._store.survey(look):
            went = 0
            for begin in range(0, len(old), BATCH):
                batch = old[begin : begin + BATCH]
                went += await self._store.write(lambda tx, seqs=batch: forget(tx, seqs))  # type: ignore[misc]
                await self._sleep(REST_SECONDS)
            gone += went
            if not went:
                break  # another server was faster, or what was old came to be needed again
        if gone:
            self._tally.count("pruned", gone, kind=kind)
            log.info("rows.pruned", kind=kind, rows=gone)
        return gone
