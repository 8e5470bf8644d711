"""Slowing down those who guess passwords: counted in memory, per address tried and per peer."""

from __future__ import annotations

import math
from collections import deque
from datetime import timedelta
from typing import TYPE_CHECKING

from towline.domain.errors import Throttled

if TYPE_CHECKING:
    from datetime import datetime

    from towline.ports import Clock

WINDOW = timedelta(minutes=5)
MOST_PER_ACCOUNT = 10
ACCOUNTS_OF_A_PEER = 5
MOST_PER_PEER = MOST_PER_ACCOUNT * ACCOUNTS_OF_A_PEER
_MOST_KEPT = 20_000

_Key = tuple[str, str]


class LoginThrottle:
    """Counts a login as failed when it begins, so that many at once do not slip through.

    ``what`` names in the plural what there were too many of; ``most`` is how many of one account may fail
    in five minutes, and five times as many from one peer.
    """

    def __init__(self, *, clock: Clock, what: str = "failed logins", most: int = MOST_PER_ACCOUNT) -> None:
        self._most = most
        self._clock = clock
        self._what = what
        self._tries: dict[_Key, deque[datetime]] = {}

    def enter(self, email: str, peer: str) -> None:
        """Note the beginning of a login; raise Throttled when there were too many failed ones."""
        now = self._clock()
        limits = (((email, peer), self._most), (("", peer), self._most * ACCOUNTS_OF_A_PEER))
        for key, most in limits:
            self._refuse_beyond(key, most, now=now)
        self._make_room(now)
        for key, _ in limits:
            self._tries.setdefault(key, deque()).append(now)

    def forgive(self, email: str, peer: str) -> None:
        """Take a login that succeeded out of the count, and the earlier failures of that account."""
        own = self._tries.pop((email, peer), deque())
        of_peer = self._tries.get(("", peer))
        if own and of_peer:
            of_peer.pop()

    def take_back(self, email: str, peer: str) -> None:
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
        if len(tries) >= most:
            wait = tries[0] + WINDOW - now
            raise Throttled(f"too many {self._what}", retry_after=math.ceil(wait.total_seconds()))

    def _make_room(self, now: datetime) -> None:
        """Forget what is over once much is remembered; then the oldest, so that memory stays bounded."""
        if len(self._tries) < _MOST_KEPT:
            return
        fresh = {key: tries for key, tries in self._tries.items() if tries and tries[-1] > now - WINDOW}
        surplus = max(0, len(fresh) - _MOST_KEPT // 2)
        self._tries = dict(list(fresh.items())[surplus:])
