"""One stream for each kind in the whole cluster: list, then watch, for ever.

A stream that ends goes on from the last version that it told, be it by a bookmark; one that is too far back
(410, also from within a stream that began well) begins with a list, whose gaps are the deletions that were
missed. Trouble is waited out with growing pauses, and said: what was seen stays, but is no longer news.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from towline.engines.kubernetes.cluster import ClusterRefused, ClusterUnreachable

if TYPE_CHECKING:
    from towline.engines.kubernetes.cluster import Cluster

log = structlog.get_logger("towline.engines.kubernetes")

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
STREAM_SECONDS = 300
PATIENCE = 3
"""After so many refusals in a row a version is given up: of a cluster that was restored from a backup, which
is at an older one, it would be refused until the cluster has come as far."""


@dataclass(frozen=True, slots=True)
class Sink:
    """Where a stream's news go: whole lists, changes, and what keeps them from coming (empty: nothing)."""

    replace: Callable[[type, Iterable[Any]], None]
    note: Callable[[Any], None]
    forget: Callable[[Any], None]
    health: Callable[[type, str], None]


class Stream:
    """The stream of one kind."""

    def __init__(
        self,
        cluster: Cluster,
        kind: Any,  # noqa: ANN401
        sink: Sink,
        *,
        namespace: str | None = None,
        labels: str = "",
        fields: str = "",
        jitter: Callable[[], float],
        seconds: int = STREAM_SECONDS,
    ) -> None:
        self._cluster = cluster
        self._kind = kind
        self._sink = sink
        self._namespace = namespace
        self._labels = labels
        self._fields = fields
        self._jitter = jitter
        self._seconds = seconds
        self._version = ""
        self._failures = 0

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            try:
                if not self._version:
                    await self._list()
                told = await self._follow()
                if not told:
                    await self._pause("the stream ended at once, without a change or a bookmark")
            except ClusterRefused as refusal:
                if refusal.is_gone or self._failures >= PATIENCE:
                    self._version = ""
                await self._pause(str(refusal))
            except ClusterUnreachable as trouble:
                await self._pause(str(trouble))

    async def _list(self) -> None:
        page = await self._cluster.list(
            self._kind, namespace=self._namespace, labels=self._labels, fields=self._fields
        )
        self._version = page.version
        self._sink.replace(self._kind, page.items)
        self._is_well()

    async def _follow(self) -> bool:
        """Read one stream to its end; return whether it lasted or told anything."""
        began = asyncio.get_running_loop().time()
        told = False
        async for change in self._cluster.watch(
            self._kind,
            self._version,
            namespace=self._namespace,
            labels=self._labels,
            fields=self._fields,
            seconds=self._seconds,
        ):
            told = True
            self._is_well()
            if change.type == "DELETED":
                self._sink.forget(change.object)
            elif change.type != "BOOKMARK":
                self._sink.note(change.object)
            self._version = change.object.metadata.resource_version or self._version
        return told or asyncio.get_running_loop().time() - began > FIRST_PAUSE

    def _is_well(self) -> None:
        if self._failures:
            log.info("kubernetes.watch_recovered", kind=self._kind.PLURAL)
        self._failures = 0
        self._sink.health(self._kind, "")

    async def _pause(self, trouble: str) -> None:
        self._failures += 1
        pause = min(FIRST_PAUSE * 2 ** min(self._failures - 1, 10), LONGEST_PAUSE)
        log.warning("kubernetes.watch_interrupted", kind=self._kind.PLURAL, trouble=trouble)
        if self._failures > 1 or not self._version:
            self._sink.health(self._kind, trouble)
        await asyncio.sleep(pause * (0.5 + self._jitter() / 2))
