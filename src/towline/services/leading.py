"""Doing what one server at a time does for all: under a lease that is renewed, and taken over when it is not.

A lease says who; its epoch grows with every change of hands. A server that was stopped and wakes up finds
its lease run out by its own clock, and stops. What it may still do until then is fenced by the deployments'
own leases, and by the names that engines give containers.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from towline.domain.errors import StoreUnavailable

if TYPE_CHECKING:
    from towline.ports import Clock, Store

log = structlog.get_logger("towline.leading")

LEASE = 10.0
"""Seconds for which a server may be silent before another goes on with its work."""

TRIES = 5
"""How often a lease is renewed while it lasts."""

SHORTEST = 0.05
"""Seconds between two tries to take a lease that is just running out."""


class Leading:
    """Lets this server do shared work while nobody else does; ``owner`` is the server's own name."""

    def __init__(self, *, store: Store, clock: Clock, owner: str, lease: float = LEASE) -> None:
        self._store = store
        self._clock = clock
        self._owner = owner
        self._lease = lease

    @property
    def owner(self) -> str:
        """This server's own name."""
        return self._owner

    @property
    def lease(self) -> float:
        """Seconds for which it may be silent."""
        return self._lease

    async def lead(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run ``work`` whenever this server holds the lease ``name``; cancel it when the lease is lost.

        Does not return. What ``work`` raises is raised; the next leader goes on with what it left unfinished.
        """
        while True:
            if not await self.once(name, work):
                await asyncio.sleep(await self._pause(name))

    async def once(self, name: str, work: Callable[[], Awaitable[None]]) -> bool:
        """Run ``work`` if the lease can be had, and until it is lost; return whether it was had."""
        began = self._now()
        if (epoch := await self._taken(name)) is None:
            return False
        log.info("lease.taken", lease=name, owner=self._owner, epoch=epoch)
        try:
            await self._work(name, epoch, work, began=began)
        finally:
            await self._give_back(name)
        log.warning("lease.lost", lease=name, owner=self._owner, epoch=epoch)
        return True

    async def _work(
        self, name: str, epoch: int, work: Callable[[], Awaitable[None]], *, began: float
    ) -> None:
        """Work until the lease is lost."""
        working = asyncio.ensure_future(work())
        holding = asyncio.ensure_future(self._hold(name, epoch, began=began))
        try:
            await asyncio.wait({working, holding}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (holding, working):
                task.cancel()
            await asyncio.gather(holding, working, return_exceptions=True)
        if not working.cancelled():
            working.result()

    async def _hold(self, name: str, epoch: int, *, began: float) -> None:
        """Renew the lease; return as soon as it is lost, or could not be renewed before its end."""
        while self._now() < began + self._lease:
            await asyncio.sleep(self._lease / TRIES)
            trying = self._now()
            if trying >= began + self._lease:
                return
            with contextlib.suppress(StoreUnavailable):
                if await self._taken(name) != epoch:
                    return
                began = trying

    async def _taken(self, name: str) -> int | None:
        now = self._clock()
        until = now + timedelta(seconds=self._lease)
        with contextlib.suppress(StoreUnavailable):
            return await self._store.write(lambda tx: tx.leases.take(name, self._owner, now=now, until=until))
        return None

    async def _pause(self, name: str) -> float:
        """Return how long to wait for the lease: to its end, but look now and then if it was given back."""
        longest = self._lease / TRIES
        with contextlib.suppress(StoreUnavailable):
            end = await self._store.read(lambda tx: tx.leases.end(name))
            if end is not None:
                return min(max((end - self._clock()).total_seconds(), SHORTEST), longest)
        return longest

    async def _give_back(self, name: str) -> None:
        with contextlib.suppress(StoreUnavailable):
            await self._store.write(lambda tx: tx.leases.give_back(name, self._owner))

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
