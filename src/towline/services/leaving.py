"""The end of a server: said once, heard by all that would else go on for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

T = TypeVar("T")


class Leaving:
    """Whether this server is about to end. What goes on, a log or a live page, ends when it hears so."""

    def __init__(self) -> None:
        self._said = asyncio.Event()
        self._then: list[Callable[[], None]] = []

    def say(self) -> None:
        """Say that the server ends."""
        self._said.set()
        for act in self._then:
            act()

    def then(self, act: Callable[[], None]) -> None:
        """Have ``act`` called when it is said: for those who are too many to wait, each with a task."""
        self._then.append(act)

    @property
    def is_said(self) -> bool:
        """Whether it was said."""
        return self._said.is_set()

    async def heard(self) -> None:
        """Wait until it is said."""
        await self._said.wait()

    async def cutting(self, items: AsyncIterator[T]) -> AsyncIterator[T]:
        """Yield ``items`` until they or the server end; close their source in every case."""
        said = asyncio.create_task(self.heard())
        try:
            while not self.is_said:
                following = asyncio.ensure_future(anext(items))
                await asyncio.wait({following, said}, return_when=asyncio.FIRST_COMPLETED)
                if not following.done():
                    following.cancel()
                    await asyncio.gather(following, return_exceptions=True)
                    return
                try:
                    yield following.result()
                except StopAsyncIteration:
                    return
        finally:
            said.cancel()
            close = getattr(items, "aclose", None)
            if close is not None:
                await close()
