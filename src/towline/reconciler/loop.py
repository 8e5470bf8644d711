"""The loop: claim what is due and walk it, while the engines are tended."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from towline.ports import Part
from towline.reconciler.clearing import Clearing
from towline.reconciler.tending import Tending
from towline.reconciler.walk import Pace, Walk
from towline.services.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from towline.ports import Bell, Claim, Clock, Engines, Store
    from towline.reconciler.prepare import Preparation

log = structlog.get_logger("towline.reconciler")

MOST_WALKS = 16
LONGEST_SLEEP = 30.0
SHORTEST_SLEEP = 0.02
FIRST_LOOKS = 2.0
"""So long the first walks wait for the engines to tell what they hold."""


class Reconciler:
    """Moves deployments until it is cancelled; any number may run on one store.

    It moves those of its ``part``, which is asked for each time as engines come and go.
    """

    def __init__(  # noqa: PLR0913  (what it is made of, by name)
        self,
        *,
        store: Store,
        engines: Engines,
        preparation: Preparation,
        bell: Bell,
        clock: Clock,
        jitter: Callable[[], float],
        owner: str,
        part: Callable[[], Part] = Part,
        pace: Pace | None = None,
        tally: Tally | None = None,
    ) -> None:
        self._store = store
        self._preparation = preparation
        self._bell = bell
        self._listener = bell.listen()
        self._clock = clock
        self._jitter = jitter
        self._owner = owner
        self._part = part
        self._engines = engines
        self._pace = pace or Pace()
        self._tally = tally or Tally()
        self._tending = self._tend()
        self._clearing = Clearing(engines, store=store, bell=bell, part=part)
        self._walks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Run until cancelled; walks under way are cancelled too and continued by the next start.

        It may be run again: others had the work meanwhile, and what was seen before counts no more.
        """
        self._tending = self._tend()
        try:
            async with asyncio.TaskGroup() as group:
                await self._tending.follow(group)
                group.create_task(self._tending.run(group))
                group.create_task(self._move())
                group.create_task(self._clearing.run())
        finally:
            for walk in self._walks:
                walk.cancel()
            await asyncio.gather(*self._walks, return_exceptions=True)

    @property
    def walks(self) -> int:
        """How many deployments are being moved."""
        return len(self._walks)

    def _tend(self) -> Tending:
        return Tending(
            self._engines, store=self._store, bell=self._bell, clock=self._clock, machine=self._part().machine
        )

    async def _move(self) -> None:
        await self._tending.first_looks(FIRST_LOOKS)
        while True:
            claims = await self._claim()
            for claim in claims:
                self._begin(claim)
            if not claims:
                await self._listener.heard(await self._seconds_to_next())

    async def _claim(self) -> Sequence[Claim]:
        room = MOST_WALKS - len(self._walks)
        now = self._clock()
        if room <= 0 or not await self._is_due(now):
            return ()
        until, part = now + timedelta(seconds=self._pace.lease), self._part()
        claims = await self._store.write(
            lambda tx: tx.deployments.claim(self._owner, now=now, until=until, most=room, part=part)
        )
        self._tally.count("lease_changes", len(claims), change="claimed")
        return claims

    async def _is_due(self, now: datetime) -> bool:
        """Ask by reading first: an idle loop must not write."""
        due = await self._next_due()
        return due is not None and due <= now

    async def _seconds_to_next(self) -> float:
        if len(self._walks) >= MOST_WALKS:
            return LONGEST_SLEEP
        due = await self._next_due()
        if due is None:
            return LONGEST_SLEEP
        return min(max((due - self._clock()).total_seconds(), SHORTEST_SLEEP), LONGEST_SLEEP)

    async def _next_due(self) -> datetime | None:
        part = self._part()
        return await self._store.read(lambda tx: tx.deployments.next_due(part))

    def _begin(self, claim: Claim) -> None:
        walk = Walk(
            claim,
            store=self._store,
            tended=self._tending.of(claim.deployment.engine),
            preparation=self._preparation,
            bell=self._bell,
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
