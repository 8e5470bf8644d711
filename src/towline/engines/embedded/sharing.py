"""Work that several ask for at once and that is done only once: a blob of two deployments."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Generic, TypeVar

from towline.domain.errors import PullRefused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Coroutine

T = TypeVar("T")


class _Work(Generic[T]):
    def __init__(self, task: asyncio.Task[T]) -> None:
        self.task = task
        self.wanted = 0


class Shared(Generic[T]):
    """Work under way, by key. It ends when nobody wants it any more."""

    def __init__(self) -> None:
        self._under_way: dict[str, _Work[T]] = {}

    @property
    def keys(self) -> Collection[str]:
        """What is being worked on."""
        return self._under_way.keys()

    async def get(self, key: str, start: Callable[[], Coroutine[object, object, T]]) -> T:
        """Return the outcome of the work for ``key``, joining it or starting it.

        A refusal that another caller met, perhaps because of its own login, is tried again as one's own.
        """
        while True:
            work = self._under_way.get(key)
            if work is not None and (work.wanted == 0 or work.task.done()):
                # Given up or just ended. To await what has failed already would not let the loop go on.
                await asyncio.wait({work.task})
                continue
            if work is None:
                return await self._wait(self._begin(key, start))
            with contextlib.suppress(PullRefused):
                return await self._wait(work)

    def _begin(self, key: str, start: Callable[[], Coroutine[object, object, T]]) -> _Work[T]:
        work = self._under_way[key] = _Work(asyncio.create_task(start()))
        work.task.add_done_callback(lambda _: self._under_way.pop(key))
        return work

    async def _wait(self, work: _Work[T]) -> T:
        work.wanted += 1
        try:
            return await asyncio.shield(work.task)
        finally:
            work.wanted -= 1
            if work.wanted == 0 and not work.task.done():
                work.task.cancel()
                await ended(work.task)


async def finished(work: Awaitable[T]) -> T:
    """Return the outcome of ``work``, which goes on to its end also when the caller is cancelled."""
    task = asyncio.ensure_future(work)
    await ended(task)
    return task.result()


async def ended(task: asyncio.Future[T]) -> None:
    """Wait for the end of ``task``, whatever it is, also while being cancelled."""
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if not task.cancelled():
        task.exception()
    if cancelled is not None:
        raise cancelled
