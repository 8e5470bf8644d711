"""Turns at registries that all servers on one database share (decision 47).

A turn is a lease in the database, held for as long as there is something to ask and lent from request to
request, so that a busy server asks the database once every few seconds and not for each request. Who finds no
turn free says so to the others, and who has several, or has had one for long, gives one back.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from towline.domain.errors import StoreFailed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from towline.ports import Bell, Clock, Store, Transaction

LEASE = 8.0
"""Seconds after which the turns of a server that is silent are others'."""

RENEWED = 2.0
"""Seconds between two renewals."""

KEPT = 1.0
"""Seconds for which a turn is kept that nobody uses, and for which one is kept though others wait."""

LOOKED = 0.25
"""Seconds between two looks whether a turn is free; a turn that is given back is told of as well."""

_WANTED, _FREE = "registry-wanted", "registry-free"


class RegistryTurnsOfAll:
    """The port ``RegistryTurns``: at most ``most`` questions at a time to one place, from all servers."""

    def __init__(self, *, store: Store, bell: Bell, clock: Clock, owner: str, most: int) -> None:
        self._leases = _Leases(store, bell, clock, owner=owner, most=most)
        self._places: dict[str, _Place] = {}
        bell.on(_WANTED, self._others_want)
        bell.on(_FREE, self._may_be_free)

    @asynccontextmanager
    async def at(self, origin: str) -> AsyncIterator[None]:
        """Wait for a turn at a place; see the port."""
        place = self._places.get(origin)
        if place is None:
            place = self._places[origin] = _Place(origin, self._leases, self._over)
        turn = await place.taken()
        try:
            yield
        finally:
            place.put_back(turn)

    async def close(self) -> None:
        """Give every turn back."""
        places, self._places = self._places, {}
        for place in places.values():
            await place.close()

    def _over(self, origin: str) -> None:
        self._places.pop(origin, None)

    def _others_want(self, origin: str) -> None:
        if place := self._places.get(origin):
            place.share()

    def _may_be_free(self, origin: str) -> None:
        if place := self._places.get(origin):
            place.look()


class _Leases:
    """The turns of all places in the database, and words about them."""

    def __init__(self, store: Store, bell: Bell, clock: Clock, *, owner: str, most: int) -> None:
        self._store = store
        self._bell = bell
        self._clock = clock
        self._owner = owner
        self._most = most

    async def take(self, origin: str, *, beside: frozenset[int]) -> int | None:
        """Return a turn that is free, None where others have them all or the database does not answer."""
        names = {number: _name(origin, number) for number in range(self._most) if number not in beside}
        now = self._clock()

        def free(tx: Transaction) -> bool:
            ends = [tx.leases.end(name) for name in names.values()]
            return any(end is None or end <= now for end in ends)

        def change(tx: Transaction) -> int | None:
            until = now + timedelta(seconds=LEASE)
            for number, name in names.items():
                if tx.leases.take(name, self._owner, now=now, until=until) is not None:
                    return number
            return None

        with suppress(StoreFailed):
            if await self._store.glance(free):
                return await self._store.write(change)
        return None

    async def renew(self, origin: str, numbers: frozenset[int]) -> frozenset[int]:
        """Return which turns are still this server's, for a further lease; raise StoreFailed."""
        now = self._clock()
        until = now + timedelta(seconds=LEASE)

        def change(tx: Transaction) -> frozenset[int]:
            return frozenset(
                number
                for number in numbers
                if tx.leases.take(_name(origin, number), self._owner, now=now, until=until) is not None
            )

        return await self._store.write(change)

    async def give_back(self, origin: str, numbers: frozenset[int]) -> None:
        """Let others have turns; where the database does not answer, they run out."""

        def change(tx: Transaction) -> None:
            for number in numbers:
                tx.leases.drop(_name(origin, number), self._owner)

        with suppress(StoreFailed):
            await self._store.write(change)
            self._bell.tell(_FREE, origin)

    def want(self, origin: str) -> None:
        """Tell the others that this server has no turn there and needs one."""
        self._bell.tell(_WANTED, origin)

    def are_all(self, held: int) -> bool:
        """Whether a server that has so many turns has all there are."""
        return held >= self._most


class _Place:
    """One registry: the turns that this server has there, who uses them and who waits."""

    def __init__(self, origin: str, leases: _Leases, over: Callable[[str], object]) -> None:
        self._origin = origin
        self._leases = leases
        self._over = over
        self._held: dict[int, float] = {}
        """Turns by number, each with the moment since when it is this server's."""
        self._idle: list[int] = []
        self._idle_since = 0.0
        self._waiting: deque[asyncio.Future[int]] = deque()
        self._returning: set[int] = set()
        self._is_asked = False
        """Whether the next turn that is put back goes to the others."""
        self._not_before = 0.0
        self._renewed = 0.0
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def taken(self) -> int:
        """Return a turn as soon as there is one."""
        if self._idle and self._is_good():
            return self._idle.pop()
        wish: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append(wish)
        self.look()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._mind())
        try:
            return await wish
        except asyncio.CancelledError:
            if wish.done() and not wish.cancelled():
                self.put_back(wish.result())
            raise

    def put_back(self, turn: int) -> None:
        """Lend a turn to the next who waits, or let others have it."""
        if turn not in self._held:
            return  # it ran out meanwhile
        if self._is_asked:
            self._return(turn)
            return
        while self._waiting and self._is_good():
            wish = self._waiting.popleft()
            if not wish.done():
                wish.set_result(turn)
                return
        self._idle.append(turn)
        self._idle_since = _now()

    def share(self) -> None:
        """Give a turn back where this server has several, or has had the one for a while."""
        oldest = min(self._held.values(), default=_now())
        if len(self._held) < 2 and _now() < oldest + KEPT:
            return
        self._is_asked = bool(self._held)
        if self._idle and self._is_asked:
            self._return(self._idle.pop())

    def look(self) -> None:
        """Look at once whether there is a turn."""
        self._news.set()

    async def close(self) -> None:
        """Give everything back; who still waits is cancelled."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        held, self._held = frozenset(self._held) | self._returning, {}
        if held:
            await self._leases.give_back(self._origin, held)

    def _return(self, turn: int) -> None:
        self._is_asked = False
        self._held.pop(turn)
        self._returning.add(turn)
        self._not_before = _now() + LOOKED
        self.look()

    async def _mind(self) -> None:
        """Take, renew and give back turns until there is nothing to ask any more."""
        try:
            while self._held or self._returning or any(not wish.done() for wish in self._waiting):
                self._news.clear()
                await self._give_back()
                await self._renew()
                await self._take()
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOKED):
                        await self._news.wait()
        finally:
            self._over(self._origin)
            for wish in self._waiting:
                wish.cancel()

    async def _give_back(self) -> None:
        is_needless = self._idle and not self._waiting and _now() > self._idle_since + KEPT
        for turn in list(self._idle) if is_needless else ():
            self._idle.remove(turn)
            self._return(turn)
        if self._returning:
            turns, self._returning = frozenset(self._returning), set()
            await self._leases.give_back(self._origin, turns)

    async def _renew(self) -> None:
        began = _now()
        if not self._held or began < self._renewed + RENEWED:
            return
        with suppress(StoreFailed):
            asked = frozenset(self._held)
            kept = await self._leases.renew(self._origin, asked)
            self._renewed = began
            self._lose(asked - kept)
        if not self._is_good():
            self._lose(frozenset(self._held))

    async def _take(self) -> None:
        """Take a turn for somebody who waits, and another one if there are more who do."""
        while self._waiting and not self._leases.are_all(len(self._held)) and _now() >= self._not_before:
            began = _now()
            turn = await self._leases.take(self._origin, beside=frozenset(self._held))
            if turn is None:
                break
            if not self._held:
                self._renewed = began
            self._held[turn] = began
            self.put_back(turn)
        if self._waiting and not self._held:
            self._leases.want(self._origin)

    def _lose(self, turns: frozenset[int]) -> None:
        for turn in turns:
            self._held.pop(turn, None)
        self._idle = [turn for turn in self._idle if turn in self._held]

    def _is_good(self) -> bool:
        """Whether the leases last by this server's own clock: after a stop it cannot know that they do."""
        return _now() < self._renewed + LEASE


def _name(origin: str, number: int) -> str:
    return f"registry {origin} {number}"


def _now() -> float:
    return asyncio.get_running_loop().time()
