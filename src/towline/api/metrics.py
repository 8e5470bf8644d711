"""What is counted and how things stand, in Prometheus' text format.

Counts are plain numbers that only the event loop's thread touches; the library's own metrics, which are
made of locks, would cost a GET five times as much. Families are made of them when somebody asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from towline import __version__
from towline.domain.spread import Spread

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prometheus_client.core import Metric

    from towline.services.figures import Figure, Figures
    from towline.services.tally import Tally

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
COUNTERS = {
    "proofs": "Proofs of stored secrets, by verdict",
    "verdict_changes": "Changes of a secret's verdict, by the new one",
    "deliveries": "Deliveries to webhooks, by outcome",
    "pulls": "Pulls for deployments, by registry (of 50 at most) and finding ('none' for success)",
    "lease_changes": "Leases of deployments, by what became of them",
    "throttled": "Requests that were told to come back later, by the limit that they met",
    "pruned": "Rows that were old enough to go, by kind",
}
GAUGES = {
    "reconcile_lag_seconds": "How long the deployment that waits longest has been due, 0 where none waits",
    "queue_depth": "Work that is due now, by queue",
    "walks": "Deployments that are moved at this moment",
    "streams": "Answers that go on: logs, events and live pages",
    "database_bytes": "How large the database is",
    "disk_free_bytes": "Room that is left where the data folder is",
    "ready": "Whether a part answers, 1 or 0: as /readyz tells",
    "info": "1, with the version as a label",
}
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})


class Metrics(Collector):
    """The metrics of one application; nothing of them is global."""

    def __init__(self, tally: Tally, figures: Figures | None = None) -> None:
        self.streams = 0
        self._tally = tally
        self._figures = figures
        self._requests: dict[tuple[str, str, int], Spread] = {}
        self._now: Sequence[Figure] = ()
        self._ready: Sequence[tuple[str, bool]] = ()
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def observe(self, method: str, label: str, status: int, *, seconds: float) -> None:
        """Count a request; ``label`` is the path's template, never the path itself."""
        key = (method if method in _METHODS else "OTHER", label, status)
        spread = self._requests.get(key)
        if spread is None:
            spread = self._requests[key] = Spread()
        spread.note(seconds)

    def throttled(self, limit: str) -> None:
        """Count a request that was told to come back later."""
        self._tally.count("throttled", limit=limit)

    async def text(self, ready: Sequence[tuple[str, bool]] = ()) -> bytes:
        """Return all metrics as Prometheus reads them; ``ready`` tells which parts answer."""
        self._now = await self._figures.now() if self._figures is not None else ()
        self._ready = ready
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as the library's families; see its ``Collector``."""
        requests = HistogramMetricFamily(
            "towline_http_request_seconds",
            "Requests: time to the last byte",
            labels=("method", "path", "status"),
        )
        for (method, label, status), spread in self._requests.items():
            requests.add_metric((method, label, str(status)), spread.buckets(), sum_value=spread.seconds)
        yield requests
        yield from self._counters()
        yield from self._gauges()
        if self._figures is not None:
            yield from self._of_store()

    def _counters(self) -> Iterator[Metric]:
        """Yield every counter, also those that nothing was counted of yet: rules may name them."""
        counts = self._tally.counts
        for name, meaning in COUNTERS.items():
            rows = [(labels, count) for (known, labels), count in counts.items() if known == name]
            names = tuple(label for label, _ in rows[0][0]) if rows else ()
            counter = CounterMetricFamily(f"towline_{name}", meaning, labels=names)
            for labels, count in rows:
                counter.add_metric(tuple(text for _, text in labels), count)
            yield counter

    def _gauges(self) -> Iterator[Metric]:
        info = GaugeMetricFamily("towline_info", GAUGES["info"], labels=("version",))
        info.add_metric((__version__,), 1)
        yield info
        streams = GaugeMetricFamily("towline_streams", GAUGES["streams"], value=self.streams)
        yield streams
        ready = GaugeMetricFamily("towline_ready", GAUGES["ready"], labels=("part",))
        for part, answers in self._ready:
            ready.add_metric((part,), float(answers))
        yield ready
        for name in dict.fromkeys(figure.name for figure in self._now):
            figures = [figure for figure in self._now if figure.name == name]
            labels = (figures[0].label,) if figures[0].label else ()
            gauge = GaugeMetricFamily(f"towline_{name}", GAUGES[name], labels=labels)
            for figure in figures:
                gauge.add_metric((figure.text,) if labels else (), figure.value)
            yield gauge

    def _of_store(self) -> Iterator[Metric]:
        if self._figures is None:
            return
        store = self._figures.store
        writes = HistogramMetricFamily(
            "towline_database_write_seconds", "Changes: from being asked for to being durable"
        )
        writes.add_metric((), store.writes.buckets(), sum_value=store.writes.seconds)
        yield writes
        failures = CounterMetricFamily(
            "towline_database_failures", "Changes that the database did not keep", value=store.failures
        )
        yield failures
