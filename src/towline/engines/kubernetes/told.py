"""How far a followed log was told, by the times that the node puts before its lines."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_Moment = tuple[datetime, bytes]
"""When a line came, and the digits of it, which are finer."""


class Told:
    """What was told of one run; ``is_stamped``: with the times.

    The API takes whole seconds for where to begin, so a stream that goes on repeats a few lines. Some
    runtimes give all lines that they read at once one time: how many came with the last one is counted.
    """

    def __init__(self, run: int, *, is_stamped: bool) -> None:
        self.run = run
        self.failures = 0
        self._is_stamped = is_stamped
        self._last: _Moment | None = None
        self._told_at_last = 0
        self._behind: _Moment | None = None
        self._repeated = 0
        self._is_within = False
        self._is_news = True

    @property
    def has_told(self) -> bool:
        """Whether anything was told yet."""
        return self._last is not None

    def resumed(self) -> Mapping[str, str]:
        """Begin with another stream; return the option by which it begins about where the last one ended."""
        self._is_within = False
        self._behind, self._repeated = self._last, self._told_at_last
        if self._last is None:
            return {}
        return {"sinceTime": self._last[0].astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}

    def shown(self, piece: bytes) -> bytes:
        """Return what is to be shown of a line, or of a piece of a long one; empty when that was told.

        A line without a time is a kubelet's own: it says so that the container is gone.
        """
        text = piece
        if not self._is_within:
            stamp, _, rest = piece.partition(b" ")
            moment = _moment(stamp)
            self._is_news = moment is not None and self._note(moment)
            text = piece if self._is_stamped else rest
        self._is_within = not piece.endswith(b"\n")
        return text if self._is_news else b""

    def _note(self, moment: _Moment) -> bool:
        """Remember that a line of that time came; return whether it had not come before."""
        behind = self._behind
        if behind is not None and (moment < behind or (moment == behind and self._repeated)):
            self._repeated -= moment == behind
            return False
        self._told_at_last = self._told_at_last + 1 if moment == self._last else 1
        self._last = moment
        return True


def _moment(stamp: bytes) -> _Moment | None:
    """Return a line's time; None for a text of the kubelet's own, which has none."""
    try:
        when = datetime.fromisoformat(stamp.decode())
    except ValueError:
        return None
    digits = stamp.partition(b".")[2].partition(b"Z")[0].partition(b"+")[0]
    return (when, digits.ljust(9, b"0")) if when.tzinfo is not None else None
