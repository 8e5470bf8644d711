"""The end of a log when its container has ended: read once for each end, a few at a time."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING

from towline.engines.kubernetes.cluster import ClusterRefused, ClusterUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from towline.engines.kubernetes.cluster import Cluster
    from towline.engines.kubernetes.facts import Wanted
    from towline.engines.kubernetes.naming import Place
    from towline.engines.kubernetes.rollout import End

LINES = 5
MOST_BYTES = 4096
MOST_KEPT = 4096
AT_ONCE = 8


class LastWords:
    """Reads what is wanted and calls ``tell`` with the generation that it is about."""

    def __init__(self, cluster: Cluster, tell: Callable[[Place], None]) -> None:
        self.known: OrderedDict[End, tuple[str, ...]] = OrderedDict()
        self._cluster = cluster
        self._tell = tell
        self._room = asyncio.Semaphore(AT_ONCE)
        self._reading: dict[End, asyncio.Task[None]] = {}

    def want(self, place: Place, wanted: Sequence[Wanted]) -> None:
        """Begin to read what is not known yet."""
        for each in wanted:
            if each.end not in self.known and each.end not in self._reading:
                self._reading[each.end] = asyncio.create_task(self._read(place, each))

    async def close(self) -> None:
        """Stop reading."""
        for task in self._reading.values():
            task.cancel()
        await asyncio.gather(*self._reading.values(), return_exceptions=True)

    async def _read(self, place: Place, wanted: Wanted) -> None:
        try:
            async with self._room:
                lines = await self._lines(wanted)
        finally:
            del self._reading[wanted.end]
        self.known[wanted.end] = lines
        while len(self.known) > MOST_KEPT:
            self.known.popitem(last=False)
        self._tell(place)

    async def _lines(self, wanted: Wanted) -> tuple[str, ...]:
        """Return the last lines; of the run before while the container waits for its next one."""
        options = {"container": wanted.container, "tailLines": str(LINES), "limitBytes": str(MOST_BYTES)}
        tries = ({"previous": "true"}, {}) if wanted.is_previous else ({}, {"previous": "true"})
        for which in tries:
            try:
                found = [
                    line
                    async for line in self._cluster.log(
                        wanted.pod, namespace=wanted.namespace, **options, **which
                    )
                ]
            except ClusterRefused:
                continue
            except ClusterUnreachable as trouble:
                return (f"the log could not be read: {trouble}",)
            return tuple(line.decode(errors="replace") for line in found)
        return ()
