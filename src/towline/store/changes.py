"""Changes that wait for a writer's thread, the thread, and telling those who asked for them."""

from __future__ import annotations

import asyncio
import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from towline.domain.causes import FindingCode
from towline.domain.errors import StoreFailed, StoreFull
from towline.domain.findings import Finding
from towline.ports import Transaction

T = TypeVar("T")

_MAKE_ROOM = "Make room where the database is; what was kept before can be read meanwhile."


@dataclass(slots=True, eq=False)
class Change:
    """A change that waits for the writer, and the future that its caller waits for."""

    ask: Callable[[Transaction], Any]
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[Any]
    result: Any = None
    failure: BaseException | None = None

    def run(self, transaction: Transaction) -> None:
        """Ask for the change and keep what it returns."""
        self.result = self.ask(transaction)


class Changes:
    """A queue from any number of callers on event loops to one thread that takes batches."""

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._waiting: queue.SimpleQueue[Change | None] = queue.SimpleQueue()
        self._closed = False

    async def made(self, ask: Callable[[Transaction], T]) -> T:
        """Queue a change and return its result once the thread told so; raise what it failed of."""
        if self._closed:
            raise StoreFailed("the store is closed")
        loop = asyncio.get_running_loop()
        change = Change(ask, loop, done=loop.create_future())
        self._waiting.put(change)
        result: T = await change.done
        return result

    def close(self) -> None:
        """Accept no more; ``batch`` is empty once all that was accepted was taken."""
        if not self._closed:
            self._closed = True
            self._waiting.put(None)

    def batch(self) -> list[Change]:
        """Wait for a change and return it with all that queue behind it; empty once closed."""
        batch: list[Change] = []
        following = self._waiting.get()
        while following is not None:
            batch.append(following)
            if len(batch) == self._most or self._waiting.empty():
                return batch
            following = self._waiting.get()
        if batch:
            self._waiting.put(None)
        return batch


class WritingThread(ABC):
    """A thread that keeps changes from now until ``close``; a kind of it knows how its database does that."""

    def __init__(self, *, most: int) -> None:
        self._changes = Changes(most=most)
        self._thread = threading.Thread(target=self._work, name="towline-writer", daemon=True)
        self._thread.start()

    async def write(self, change: Callable[[Transaction], T]) -> T:
        """Queue a change and return its result once it is durable."""
        return await self._changes.made(change)

    async def close(self) -> None:
        """Finish what was accepted and close the connection."""
        self._changes.close()
        await asyncio.to_thread(self._thread.join)

    @abstractmethod
    def keep(self, batch: Sequence[Change]) -> None:
        """Commit a batch; each change has its result or a failure then."""

    @abstractmethod
    def let_go(self) -> None:
        """Close the connection."""

    def _work(self) -> None:
        try:
            while batch := self._changes.batch():
                self.keep(batch)
                _tell(batch)
        finally:
            self.let_go()


def _tell(batch: Sequence[Change]) -> None:
    """Wake the callers, each loop once."""
    for loop in {change.loop for change in batch}:
        mine = [change for change in batch if change.loop is loop]
        try:
            loop.call_soon_threadsafe(_deliver, mine)
        except RuntimeError:  # that loop is closed: nobody waits there any more
            continue


def _deliver(changes: Sequence[Change]) -> None:
    for change in changes:
        if change.done.done():
            continue
        if change.failure is None:
            change.done.set_result(change.result)
        else:
            change.done.set_exception(change.failure)


def not_kept(reason: str, *, full: bool) -> StoreFailed:
    """Return the error for a change that a database refused; ``full`` says that there was no room for it."""
    text = f"the database did not keep the change: {reason}"
    if not full:
        return StoreFailed(text)
    return StoreFull(Finding(FindingCode.DISK_FULL, text, fix_hint=_MAKE_ROOM))
