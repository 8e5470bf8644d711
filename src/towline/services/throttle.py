"""Slowing down those who guess passwords: counted per address tried and per peer.

One server counts in memory. Servers that share a database count there, so that each further one gives
nobody more tries; what was typed as an address is kept as a digest, as people type passwords there.
"""

from __future__ import annotations

import hashlib
import math
from collections import deque
from datetime import timedelta
from typing import TYPE_CHECKING

from towline.domain.errors import Throttled

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from towline.ports import Clock, Store, Transaction

WINDOW = timedelta(minutes=5)
MOST_PER_ACCOUNT = 10
ACCOUNTS_OF_A_PEER = 5
MOST_PER_PEER = MOST_PER_ACCOUNT * ACCOUNTS_OF_A_PEER
_MOST_KEPT = 20_000

_Key = tuple[str, str]


class LoginThrottle:
    """The port ``Throttle`` for one server.

    ``what`` names in the plural what there were too many of; ``most`` is how many of one account may fail
    in five minutes, and five times as many from one peer.
    """

    def __init__(self, *, clock: Clock, what: str = "failed logins", most: int = MOST_PER_ACCOUNT) -> None:
        self._most = most
        self._clock = clock
        self._what = what
        self._tries: dict[_Key, deque[datetime]] = {}

    async def enter(self, email: str, peer: str) -> None:
        """Note the beginning of a login; raise Throttled when there were too many failed ones."""
        now = self._clock()
        limits = (((email, peer), self._most), (("", peer), self._most * ACCOUNTS_OF_A_PEER))
        for key, most in limits:
            self._refuse_beyond(key, most, now=now)
        self._make_room(now)
        for key, _ in limits:
            self._tries.setdefault(key, deque()).append(now)

    async def forgive(self, email: str, peer: str) -> None:
        """Take a login that succeeded out of the count, and the earlier failures of that account."""
        own = self._tries.pop((email, peer), deque())
        of_peer = self._tries.get(("", peer))
        if own and of_peer:
            of_peer.pop()

    async def take_back(self, email: str, peer: str) -> None:
        """Take this one try out of the count; earlier failures stay."""
        for key in ((email, peer), ("", peer)):
            if tries := self._tries.get(key):
                tries.pop()

    def _refuse_beyond(self, key: _Key, most: int, *, now: datetime) -> None:
        tries = self._tries.get(key)
        if tries is None:
            return
        while tries and tries[0] <= now - WINDOW:
            tries.popleft()
        _refuse_beyond(most, tries, what=self._what, now=now)

    def _make_room(self, now: datetime) -> None:
        """Forget what is over once much is remembered; then the oldest, so that memory stays bounded."""
        if len(self._tries) < _MOST_KEPT:
            return
        fresh = {key: tries for key, tries in self._tries.items() if tries and tries[-1] > now - WINDOW}
        surplus = max(0, len(fresh) - _MOST_KEPT // 2)
        self._tries = dict(list(fresh.items())[surplus:])


class SharedThrottle:
    """The port ``Throttle`` for all servers on one database together; arguments as LoginThrottle's."""

    def __init__(
        self, *, store: Store, clock: Clock, what: str = "failed logins", most: int = MOST_PER_ACCOUNT
    ) -> None:
        self._store = store
        self._clock = clock
        self._what = what
        self._most = most

    async def enter(self, email: str, peer: str) -> None:
        """Note the beginning of a login; see the port."""
        now = self._clock()
        limits = ((_digest(email, peer), self._most), (_digest("", peer), self._most * ACCOUNTS_OF_A_PEER))

        def check(tx: Transaction) -> None:
            for key, most in limits:
                _refuse_beyond(most, tx.marks.counted(self._what, key, now=now), what=self._what, now=now)

        def change(tx: Transaction) -> None:
            check(tx)
            tx.marks.expire(now)
            for key, _ in limits:
                tx.marks.add(self._what, key, at=now, until=now + WINDOW)

        await self._store.glance(check)  # who is refused costs the others no turn at writing
        await self._store.write(change)

    async def forgive(self, email: str, peer: str) -> None:
        """Take a login that succeeded out of the count; see the port."""

        def change(tx: Transaction) -> None:
            tx.marks.remove(self._what, _digest(email, peer))
            tx.marks.remove(self._what, _digest("", peer), newest=1)

        await self._store.write(change)

    async def take_back(self, email: str, peer: str) -> None:
        """Take this one try out of the count; see the port."""

        def change(tx: Transaction) -> None:
            for key in (_digest(email, peer), _digest("", peer)):
                tx.marks.remove(self._what, key, newest=1)

        await self._store.write(change)


def _refuse_beyond(most: int, tries: Sequence[datetime], *, what: str, now: datetime) -> None:
    if len(tries) >= most:
        wait = tries[0] + WINDOW - now
        raise Throttled(f"too many {what}", retry_after=math.ceil(wait.total_seconds()))


def _digest(email: str, peer: str) -> str:
    return hashlib.sha256(f"{email}\n{peer}".encode()).hexdigest()[:16]
