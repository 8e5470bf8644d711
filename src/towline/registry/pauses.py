"""Registries that said when to come back: until then nobody asks them in the same account's name.

Only ``Retry-After`` beside a 429 makes a pause (RFC 9110, section 10.2.3; RFC 6585, section 4). What one
server was told it tells the others (``told``), so that they need not be refused as well.
"""

from __future__ import annotations

import hashlib
import math
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from yarl import URL

LONGEST = 300.0
"""Seconds after which a registry is asked again whatever it said, as what waits for it does."""
_MOST_KEPT = 10_000
_TOO_MANY = 429


class Pauses:
    """Which places are left alone, and until when; ``told`` is called with each that was learnt here."""

    def __init__(
        self,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        told: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._clock = clock
        self._told = told
        self._until: dict[str, float] = {}

    def left(self, url: URL, account: str) -> int | None:
        """Return for how many seconds a place is to be left alone; None where it may be asked."""
        if not self._until or (until := self._until.get(key := _key(url, account))) is None:
            return None
        seconds = until - self._clock().timestamp()
        if seconds <= 0:
            del self._until[key]
            return None
        return math.ceil(min(seconds, LONGEST))

    def note(self, url: URL, account: str, *, status: int, headers: Mapping[str, str]) -> None:
        """Learn from an answer; ``headers`` have names in lower case."""
        if status != _TOO_MANY:
            return
        now = self._clock()
        seconds = _seconds(headers.get("retry-after", ""), now)
        if seconds > 0:
            key, until = _key(url, account), now.timestamp() + min(seconds, LONGEST)
            self._keep(key, until)
            self._told(f"{key} {until:.3f}")

    def heard(self, text: str) -> None:
        """Learn from another server what it told; what is none of ours is left alone."""
        key, _, until = text.rpartition(" ")
        try:
            self._keep(key, float(until))
        except ValueError:
            return

    def _keep(self, key: str, until: float) -> None:
        if len(self._until) >= _MOST_KEPT:
            now = self._clock().timestamp()
            self._until = {each: end for each, end in self._until.items() if end > now}
        if len(self._until) < _MOST_KEPT:
            self._until[key] = until


def _key(url: URL, account: str) -> str:
    """Return what is paused: a place, and a digest of the name that is used there."""
    who = hashlib.sha256(account.encode()).hexdigest()[:16] if account else ""
    return f"{url.origin()} {who}"


def _seconds(after: str, now: datetime) -> float:
    """Return how many seconds a ``Retry-After`` asks for; 0 where it says nothing that we understand."""
    if after.isascii() and after.isdigit() and len(after) < 10:
        return float(after)
    try:
        return (parsedate_to_datetime(after) - now).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return 0.0
