"""Counts of what happened since the start, for ``/metrics``; only the event loop's thread touches them."""

from __future__ import annotations

from collections import Counter
from typing import TypeAlias

MOST_REGISTRIES = 50
OTHER = "other"
NO_FINDING = "none"

Labels: TypeAlias = tuple[tuple[str, str], ...]


class Tally:
    """Counts by name and labels: ``towline_proofs_total{verdict="failing"}`` and its like."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, Labels]] = Counter()
        self._registries: set[str] = set()

    def count(self, name: str, times: int = 1, **labels: str) -> None:
        """Count ``name`` with these labels, whose values are few."""
        self.counts[name, tuple(labels.items())] += times

    def pulled(self, registry: str, finding: str = NO_FINDING) -> None:
        """Count a pull, or why there was none.

        What is at most 50 registries has their names; those that come later are counted together, as
        anybody may name any.
        """
        if registry not in self._registries:
            if len(self._registries) >= MOST_REGISTRIES:
                registry = OTHER
            self._registries.add(registry)
        self.count("pulls", registry=registry, finding=finding)
