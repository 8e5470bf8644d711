"""Counts of what happened since the start, for ``/metrics``; only the event loop's thread touches them."""

from __future__ import annotations

from collections import Counter


class Tally:
    """Counts by name and label value: ``towline_proofs_total{verdict="failing"}`` and its like."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str, str]] = Counter()

    def count(self, name: str, label: str, text: str) -> None:
        """Count once: ``name`` with one label and its value."""
        self.counts[name, label, text] += 1
