"""Spreading work of many names over the servers on one database, as evenly as it can be (decision 48).

Each server says by a lease that it is there. From who is there, in order of their names, every server reckons
how many pieces of work are its share; it takes what nobody leads until it has that many, and gives back what
is more. The shares of all add up to what there is, so nothing is left over and nothing fought for.
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING

from towline.domain.errors import StoreUnavailable
from towline.services.leading import SHORTEST, TRIES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping
    from datetime import datetime

    from towline.ports import Bell, Clock, Store, Transaction
    from towline.ports.record_rows import Held
    from towline.services.leading import Leading

_SHARED = "shared"
"""What servers tell each other: that something is free."""

SERVERS = "server "
"""How the leases begin by which servers say that they are there."""


class Spreading:
    """Leads this server's share of what is ``named``, each piece by a lease ``kind NAME``.

    ``work`` returns what is to be run for a name while this server leads it; it is cancelled when the lease
    is lost, when another server is to have it, and when the name is no more.
    """

    def __init__(
        self,
        kind: str,
        *,
        leading: Leading,
        store: Store,
        bell: Bell,
        clock: Clock,
        named: Callable[[], Collection[str]],
        work: Callable[[str], Callable[[], Awaitable[None]]],
    ) -> None:
        self._kind = f"{kind} "
        self._leading = leading
        self._store = store
        self._bell = bell
        self._listener = bell.listen()
        self._clock = clock
        self._named = named
        self._work = work
        self._led: dict[str, asyncio.Task[bool]] = {}
        self._names: list[str] = []
        self._was_told = False
        bell.on(_SHARED, self._told)

    async def run(self) -> None:
        """Take and give back until cancelled; then give everything back."""
        try:
            while True:
                await self._rest(await self._round())
                self._raise_defects()
        finally:
            await self._end(list(self._led))
            with contextlib.suppress(StoreUnavailable):
                await self._store.write(lambda tx: tx.leases.drop(self._here, self._leading.owner))
            self._bell.tell(_SHARED, "")  # the others look at once what is theirs now

    @property
    def _here(self) -> str:
        return f"{SERVERS}{self._leading.owner}"

    async def _round(self) -> float:
        """Settle what is this server's now; return for how many seconds that holds."""
        self._was_told = False
        names = self._names = sorted(self._named())
        longest = self._leading.lease / TRIES
        try:
            servers, held = await self._store.write(self._looked)
        except StoreUnavailable:
            return longest
        await self._end([name for name in self._led if name not in names])
        share = _share(len(names), self._leading.owner, sorted(servers))
        if len(self._led) > share:
            await self._end(list(self._led)[share:])
            self._bell.tell(_SHARED, "")
        for name in [each for each in names if each not in held and each not in self._led]:
            if len(self._led) < share:
                self._begin(name)
        return self._pause(held, servers, longest)

    def _looked(self, tx: Transaction) -> tuple[Mapping[str, Held], Mapping[str, Held]]:
        """Say that this server is there; return who is, and what is led by whom."""
        now = self._clock()
        until = now + timedelta(seconds=self._leading.lease)
        tx.leases.take(self._here, self._leading.owner, now=now, until=until)
        return tx.leases.holders(SERVERS, now=now), tx.leases.holders(self._kind, now=now)

    def _pause(self, held: Mapping[str, Held], servers: Mapping[str, Held], longest: float) -> float:
        """Return how long nothing can come to be free, but for what is given back: that rings."""
        mine = self._leading.owner
        ends = [each.until for each in (*held.values(), *servers.values()) if each.owner != mine]
        now: datetime = self._clock()
        soonest = min((end - now for end in ends), default=timedelta(seconds=longest))
        return min(max(soonest.total_seconds(), SHORTEST), longest)

    def _begin(self, name: str) -> None:
        once = self._leading.once(f"{self._kind}{name}", self._work(name))
        task = self._led[name] = asyncio.create_task(once)
        task.add_done_callback(lambda _: self._told())

    async def _rest(self, seconds: float) -> None:
        """Wait so long, or until there is something to settle: rings are about anything."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while (left := end - loop.time()) > 0 and not self._was_told and sorted(self._named()) == self._names:
            await self._listener.heard(left)

    def _told(self, _: str = "") -> None:
        """Look again at once: somebody gave something back, or lost it."""
        self._was_told = True
        self._listener.wake()

    async def _end(self, names: list[str]) -> None:
        tasks = [self._led.pop(name) for name in names]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _raise_defects(self) -> None:
        """Forget what was lost, or had by another; raise what work raised."""
        for name in [name for name, task in self._led.items() if task.done()]:
            self._led.pop(name).result()


def _share(pieces: int, server: str, servers: list[str]) -> int:
    """Return how many of the pieces are this server's: as many as each other's, or one more."""
    whole, left = divmod(pieces, len(servers))
    return whole + (servers.index(server) < left)
