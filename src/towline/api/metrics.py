"""Counts and times of requests, in Prometheus' text format.

They are plain numbers that only the event loop's thread touches; the library's own metrics, which are
made of locks, would cost a GET five times as much. Families are made of them when somebody asks.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from towline.services.tally import Tally

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_MEANINGS = {
    "proofs": "Proofs of stored secrets, by verdict",
    "verdict_changes": "Changes of a secret's verdict, by the new one",
    "deliveries": "Deliveries to webhooks, by outcome",
}
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})


@dataclass(slots=True)
class _Tally:
    """How often, how long in all, and how many within each bound."""

    seconds: float = 0.0
    within: list[int] = field(default_factory=lambda: [0] * (len(_BOUNDS) + 1))


class Metrics(Collector):
    """The metrics of one application; nothing of them is global."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._tallies: dict[tuple[str, str, int], _Tally] = {}
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def observe(self, method: str, label: str, status: int, *, seconds: float) -> None:
        """Count a request; ``label`` is the path's template, never the path itself."""
        key = (method if method in _METHODS else "OTHER", label, status)
        tally = self._tallies.get(key)
        if tally is None:
            tally = self._tallies[key] = _Tally()
        tally.seconds += seconds
        tally.within[bisect_left(_BOUNDS, seconds)] += 1

    def text(self) -> bytes:
        """Return all metrics as Prometheus reads them."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[HistogramMetricFamily | CounterMetricFamily]:
        """Yield the metrics as the library's families; see its ``Collector``."""
        family = HistogramMetricFamily(
            "towline_http_request_seconds",
            "Requests: time to the last byte",
            labels=("method", "path", "status"),
        )
        for (method, label, status), tally in self._tallies.items():
            buckets, total = [], 0
            for bound, count in zip((*map(str, _BOUNDS), "+Inf"), tally.within, strict=True):
                total += count
                buckets.append((bound, total))
            family.add_metric((method, label, str(status)), buckets, sum_value=tally.seconds)
        yield family
        yield from self._counters()

    def _counters(self) -> Iterator[CounterMetricFamily]:
        counts = self._tally.counts
        for name, label in sorted({(name, label) for name, label, _ in counts}):
            counter = CounterMetricFamily(f"towline_{name}", _MEANINGS[name], labels=(label,))
            for (known, _, text), count in counts.items():
                if known == name:
                    counter.add_metric((text,), count)
            yield counter
