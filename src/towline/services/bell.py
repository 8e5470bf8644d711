"""The bell of one process: services ring it after a commit, the reconciler and streams listen."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections import defaultdict
from collections.abc import Callable


class LocalListener:
    """Hears the rings of one bell, one at a time."""

    def __init__(self) -> None:
        self._rang = asyncio.Event()

    def wake(self) -> None:
        """Note a ring."""
        self._rang.set()

    async def heard(self, seconds: float) -> bool:
        """Wait for a ring since the last wait, at most ``seconds``; return whether it rang."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rang.wait()
        rang = self._rang.is_set()
        self._rang.clear()
        return rang


class LocalBell:
    """A bell for listeners on the same event loop; it forgets listeners that nobody holds any more."""

    def __init__(self) -> None:
        self._listeners: weakref.WeakSet[LocalListener] = weakref.WeakSet()
        self._topics: defaultdict[str, list[Callable[[str], None]]] = defaultdict(list)

    def ring(self) -> None:
        """Wake every listener."""
        for listener in tuple(self._listeners):
            listener.wake()

    def listen(self) -> LocalListener:
        """Return a new listener; it hears rings from now on."""
        listener = LocalListener()
        self._listeners.add(listener)
        return listener

    def tell(self, topic: str, text: str) -> None:
        """Do nothing: there is no other server."""

    def on(self, topic: str, heard: Callable[[str], None]) -> None:
        """Call ``heard`` with what is heard about a topic."""
        self._topics[topic].append(heard)

    def hear(self, topic: str, text: str) -> None:
        """Pass on what another server told."""
        for heard in self._topics.get(topic, ()):
            heard(text)
