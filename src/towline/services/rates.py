"""So many requests a second and no more: for each address, and for each token.

The generic cell rate algorithm: one moment is remembered for each key, up to which its requests are paid
for. https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm
"""

from __future__ import annotations

import ipaddress
import math
from functools import lru_cache
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

BURST_SECONDS = 4.0
"""How many seconds' worth of requests may come at once."""
_MOST_KEPT = 20_000


class Rates:
    """Counts by key; ``per_second`` 0 lets everything pass. Memory is bounded."""

    def __init__(self, per_second: int, *, clock: Callable[[], float] = monotonic) -> None:
        self._cost = 1 / per_second if per_second else 0.0
        self._clock = clock
        self._paid_until: dict[str, float] = {}

    def wait(self, key: str) -> int:
        """Count a request and return 0, or do not count it and return in how many seconds to come again."""
        if not self._cost:
            return 0
        now = self._clock()
        until = max(now, self._paid_until.get(key, 0.0)) + self._cost
        if until - now > BURST_SECONDS:
            return math.ceil(until - now - BURST_SECONDS)
        if key not in self._paid_until and len(self._paid_until) >= _MOST_KEPT:
            self._make_room(now)
        self._paid_until[key] = until
        return 0

    def _make_room(self, now: float) -> None:
        """Forget what is paid for; then the oldest half."""
        left = {key: until for key, until in self._paid_until.items() if until > now}
        surplus = max(0, len(left) - _MOST_KEPT // 2)
        self._paid_until = dict(list(left.items())[surplus:])


@lru_cache(maxsize=4096)
def network_of(peer: str) -> str:
    """Return what a peer is counted by: its address, or the /64 that one machine has of IPv6."""
    if ":" not in peer:
        return peer
    try:
        return str(ipaddress.ip_network((peer.partition("%")[0], 64), strict=False))
    except ValueError:
        return peer
