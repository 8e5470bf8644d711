"""How long things took, counted by upper bounds, as Prometheus' histograms are."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds in seconds; what took longer is counted after the last."""


@dataclass(slots=True)
class Spread:
    """How long in all, and how many within each bound."""

    seconds: float = 0.0
    within: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))

    def note(self, seconds: float) -> None:
        """Count something that took so long."""
        self.seconds += seconds
        self.within[bisect_left(BOUNDS, seconds)] += 1

    def buckets(self) -> Sequence[tuple[str, float]]:
        """Return the bounds with how many took at most that long."""
        rows, total = [], 0
        for bound, count in zip((*map(str, BOUNDS), "+Inf"), self.within, strict=True):
            total += count
            rows.append((bound, float(total)))
        return rows
