"""Counts and times of requests, in Prometheus' text format.

Label children are kept: finding one by its labels costs more than counting.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})


class Metrics:
    """The metrics of one application; nothing of them is global."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "towline_http_requests", "Requests answered", ("method", "path", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "towline_http_request_seconds",
            "Time to the last byte",
            ("method", "path"),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._kept: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def observe(self, method: str, label: str, status: int, *, seconds: float) -> None:
        """Count a request; ``label`` is the path's template, never the path itself."""
        key = (method if method in _METHODS else "OTHER", label, status)
        kept = self._kept.get(key)
        if kept is None:
            kept = self._kept[key] = self._children(*key)
        kept[0].inc()
        kept[1].observe(seconds)

    def text(self) -> bytes:
        """Return all metrics as Prometheus reads them."""
        return generate_latest(self.registry)

    def _children(self, method: str, label: str, status: int) -> tuple[Counter, Histogram]:
        return self._requests.labels(method, label, str(status)), self._seconds.labels(method, label)
