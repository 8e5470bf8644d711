"""How things stand now, for ``/metrics``: queues, how late the reconciler is, the database, the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from towline.domain.errors import StoreFailed

if TYPE_CHECKING:
    from datetime import datetime

    from towline.ports import Clock, Store, Transaction

log = structlog.get_logger("towline.metrics")


@dataclass(frozen=True, slots=True)
class Figure:
    """A value of now, under a name and at most one label."""

    name: str
    value: float
    label: str = ""
    text: str = ""


class Figures:
    """``more`` adds what others know, such as how full the disk is."""

    def __init__(
        self, *, store: Store, clock: Clock, more: Sequence[Callable[[], Iterable[Figure]]] = ()
    ) -> None:
        self.store = store.figures
        self._store = store
        self._clock = clock
        self._more = more

    async def now(self) -> Sequence[Figure]:
        """Return all that can be told now; what a broken store cannot tell is left out."""
        now = self._clock()
        told = [figure for each in self._more for figure in await asyncio.to_thread(lambda: tuple(each()))]  # noqa: B023  (awaited before the next)
        try:
            return (
                *told,
                *await self._store.read(lambda tx: _queues(tx, now)),
                Figure("database_bytes", await self._store.size()),
            )
        except StoreFailed as failure:
            log.warning("metrics.store_silent", error=str(failure))
            return told


def _queues(tx: Transaction, now: datetime) -> Sequence[Figure]:
    due = tx.deployments.next_due()
    late = max(0.0, (now - due).total_seconds()) if due is not None else 0.0
    return (
        Figure("reconcile_lag_seconds", late),
        Figure("queue_depth", tx.deployments.waiting(now), "queue", "deployments"),
        Figure("queue_depth", tx.events.waiting(now), "queue", "deliveries"),
        Figure("queue_depth", tx.schedule.waiting(now), "queue", "proofs"),
        Figure("queue_depth", tx.mints.waiting(now), "queue", "renewals"),
    )
