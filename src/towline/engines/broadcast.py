"""The way of a fact to everyone who listens."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from towline.domain.workload import Fact


class Facts:
    """Brings every fact to every listener."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[Fact | None]] = set()

    def publish(self, news: Fact) -> None:
        """Hand a fact to everyone who listens now."""
        for queue in self._listeners:
            queue.put_nowait(news)

    def close(self) -> None:
        """End every listener's stream."""
        for queue in self._listeners:
            queue.put_nowait(None)

    def listen(self) -> AsyncIterator[Fact]:
        """Return the facts from now on."""
        queue: asyncio.Queue[Fact | None] = asyncio.Queue()
        self._listeners.add(queue)
        return self._stream(queue)

    async def _stream(self, queue: asyncio.Queue[Fact | None]) -> AsyncIterator[Fact]:
        try:
            while (news := await queue.get()) is not None:
                yield news
        finally:
            self._listeners.discard(queue)
