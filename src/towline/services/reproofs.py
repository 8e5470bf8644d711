"""Trying every secret again on a schedule: what worked yesterday may be refused today (mission T3).

The schedule is rows with a due time: what it costs follows what is due, not how many secrets there are. A
try is claimed by moving its due time, so that a server that dies in between only delays it. Servers that
share a database each claim small batches, and so share the work; registries' limits hold for all together.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from towline.domain.errors import NotFound
from towline.domain.image import ImageReference
from towline.domain.secret import DockerSecret

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from towline.domain.reproof import DueProof
    from towline.ports import Clock, Store, Transaction
    from towline.services.proofs import Proofs

    Sleep = Callable[[float], Awaitable[object]]

log = structlog.get_logger("towline.reproofs")

ACTOR = "schedule"
MOST_AT_ONCE = 400
MOST_PER_REGISTRY = 3
BATCH = 1024
BATCH_AMONG_OTHERS = 64
CLAIM = timedelta(minutes=10)
LONGEST_SLEEP = 60.0


class Reproofs:
    """Tries what is due, for ever; ``batch`` is how much is claimed at once."""

    def __init__(
        self,
        *,
        store: Store,
        proofs: Proofs,
        clock: Clock,
        sleep: Sleep = asyncio.sleep,
        batch: int = BATCH,
    ) -> None:
        self._batch = batch
        self._store = store
        self._proofs = proofs
        self._clock = clock
        self._sleep = sleep

    async def run(self) -> None:
        """Try what is due and sleep until the next; does not return."""
        while True:
            if not await self.round():
                await self._sleep(await self._pause())

    async def round(self) -> int:
        """Try one batch of what is due; return how many that were."""
        now = self._clock()
        claimed = await self._store.write(
            lambda tx: tx.schedule.claim(now=now, until=now + CLAIM, most=self._batch)
        )
        room = asyncio.Semaphore(MOST_AT_ONCE)
        doors: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(MOST_PER_REGISTRY))
        places = await self._store.read(lambda tx: [_registry(tx, due) for due in claimed])
        wanted = [(due, doors[place]) for due, place in zip(claimed, places, strict=True) if place]
        await self._forget([due for due, place in zip(claimed, places, strict=True) if not place])
        await asyncio.gather(*(self._one(due, room=room, door=door) for due, door in wanted))
        return len(claimed)

    async def _one(self, due: DueProof, *, room: asyncio.Semaphore, door: asyncio.Semaphore) -> None:
        async with door, room:
            try:
                await self._proofs.again(due.project_guid, due.secret_guid, image=due.image, actor=ACTOR)
            except NotFound:
                return  # it was deleted meanwhile, and its row with it
            except Exception:
                # one secret's trouble must not end the schedule; it stays claimed and comes again
                log.exception("reproof.failed", secret=due.secret_guid, image=due.image)

    async def _forget(self, needless: Sequence[DueProof]) -> None:
        if not needless:
            return

        def change(tx: Transaction) -> None:
            for due in needless:
                tx.schedule.remove(due.secret_guid, due.image)

        await self._store.write(change)

    async def _pause(self) -> float:
        """Return how many seconds to sleep: until the next try is due, at most a minute."""
        due = await self._store.read(lambda tx: tx.schedule.next_due())
        if due is None:
            return LONGEST_SLEEP
        return min(LONGEST_SLEEP, max(0.1, (due - self._clock()).total_seconds()))


def _registry(tx: Transaction, due: DueProof) -> str:
    """Return the host whose limits hold for a try; empty where there is nothing to try any more.

    A login is tried as long as its secret is there, an image as long as a live deployment uses the secret.
    """
    record = tx.secrets.get(due.project_guid, due.secret_guid)
    if record is None or not isinstance(record.secret, DockerSecret):
        return ""
    if not due.image:
        return record.secret.registry.netloc
    names = (record.secret.metadata.name, record.secret.metadata.guid)
    if not tx.deployments.using_secret(due.project_guid, names):
        return ""
    return ImageReference.parse(due.image).registry
