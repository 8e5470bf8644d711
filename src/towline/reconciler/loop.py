"""The loop: claim what is due, walk it, listen to the engine."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from towline.domain.errors import EngineFailed
from towline.reconciler.observed import Observed
from towline.reconciler.walk import Pace, Walk
from towline.services.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from towline.ports import Bell, Claim, Clock, Engine, Store
    from towline.reconciler.prepare import Preparation

log = structlog.get_logger("towline.reconciler")

MOST_WALKS = 16
LONGEST_SLEEP = 30.0
SHORTEST_SLEEP = 0.02
PAUSE_AFTER_TROUBLE = 1.0


class Reconciler:
    """Moves deployments until it is cancelled; any number may run on one store."""

    def __init__(  # noqa: PLR0913  (what it is made of, by name)
        self,
        *,
        store: Store,
        engine: Engine,
        preparation: Preparation,
        bell: Bell,
        clock: Clock,
        jitter: Callable[[], float],
        owner: str,
        pace: Pace | None = None,
        tally: Tally | None = None,
    ) -> None:
        self._store = store
        self._engine = engine
        self._preparation = preparation
        self._bell = bell
        self._listener = bell.listen()
        self._clock = clock
        self._jitter = jitter
        self._owner = owner
        self._pace = pace or Pace()
        self._tally = tally or Tally()
        self._observed = Observed()
        self._walks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Run until cancelled; walks under way are cancelled too and continued by the next start."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch())
                group.create_task(self._move(group))
        finally:
            for walk in self._walks:
                walk.cancel()
            await asyncio.gather(*self._walks, return_exceptions=True)

    @property
    def walks(self) -> int:
        """How many deployments are being moved."""
        return len(self._walks)

    async def _move(self, group: asyncio.TaskGroup) -> None:
        if not await self._take_stock():
            await self._wake(sorted(await self._live()))  # to tell that the engine is out of reach
            group.create_task(self._take_stock_later())
        while True:
            claims = await self._claim()
            for claim in claims:
                self._begin(claim)
            if not claims:
                await self._listener.heard(await self._seconds_to_next())

    async def _take_stock(self) -> bool:
        """Compare what the engine holds with what is wished: wake the living, end the orphans.

        Return whether the engine could be asked.
        """
        try:
            for fact in await self._engine.inventory():
                self._observed.note(fact)
            live = await self._live()
            for orphan in self._observed.deployments() - live:
                log.warning("engine.orphan_removed", deployment=orphan)
                await self._engine.remove(orphan)
                self._observed.forget(orphan)
        except EngineFailed as failure:
            log.warning("engine.unreachable", finding=failure.finding.code.value)
            return False
        await self._wake(sorted(live))
        return True

    async def _take_stock_later(self) -> None:
        while True:
            await asyncio.sleep(PAUSE_AFTER_TROUBLE)
            if await self._take_stock():
                return

    async def _live(self) -> frozenset[str]:
        return await self._store.read(lambda tx: tx.deployments.live_guids())

    async def _watch(self) -> None:
        """Note what the engine reports, and wake the deployments that it is about."""
        async for fact in self._engine.observe():
            if self._observed.note(fact):
                await self._wake([fact.deployment_guid])

    async def _wake(self, guids: Sequence[str]) -> None:
        if guids:
            await self._store.write(lambda tx: tx.deployments.wake(now=self._clock(), guids=guids))
            self._bell.ring()

    async def _claim(self) -> Sequence[Claim]:
        room = MOST_WALKS - len(self._walks)
        now = self._clock()
        if room <= 0 or not await self._is_due(now):
            return ()
        until = now + timedelta(seconds=self._pace.lease)
        claims = await self._store.write(
            lambda tx: tx.deployments.claim(self._owner, now=now, until=until, most=room)
        )
        self._tally.count("lease_changes", len(claims), change="claimed")
        return claims

    async def _is_due(self, now: datetime) -> bool:
        """Ask by reading first: an idle loop must not write."""
        due = await self._store.read(lambda tx: tx.deployments.next_due())
        return due is not None and due <= now

    async def _seconds_to_next(self) -> float:
        if len(self._walks) >= MOST_WALKS:
            return LONGEST_SLEEP
        due = await self._store.read(lambda tx: tx.deployments.next_due())
        if due is None:
            return LONGEST_SLEEP
        return min(max((due - self._clock()).total_seconds(), SHORTEST_SLEEP), LONGEST_SLEEP)

    def _begin(self, claim: Claim) -> None:
        walk = Walk(
            claim,
            store=self._store,
            engine=self._engine,
            preparation=self._preparation,
            bell=self._bell,
            observed=self._observed,
            clock=self._clock,
            jitter=self._jitter,
            pace=self._pace,
            tally=self._tally,
        )
        task = asyncio.create_task(self._guarded(walk, claim))
        self._walks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._walks.discard(task)
        self._bell.ring()

    async def _guarded(self, walk: Walk, claim: Claim) -> None:
        """Walk; a defect in one walk must not end the others. Its lease runs out and it is tried again."""
        try:
            await walk.go()
        except Exception:
            log.exception("deployment.walk_failed", deployment=claim.deployment.guid)
