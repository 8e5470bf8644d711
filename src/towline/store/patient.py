"""A store for work that nobody waits for: where the database is out of reach it waits instead of failing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from towline.domain.errors import StoreUnavailable
from towline.ports import Store, StoreFigures, Transaction

T = TypeVar("T")

PAUSE = 0.5
"""Seconds between two tries."""


class PatientStore:
    """The port ``Store`` over another one; it never raises StoreUnavailable.

    A change whose outcome was left open may be made twice: only for changes that may.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def figures(self) -> StoreFigures:
        """See the port."""
        return self._store.figures

    async def read(self, question: Callable[[Transaction], T]) -> T:
        """See the port."""
        return await _answered(lambda: self._store.read(question))

    async def glance(self, question: Callable[[Transaction], T]) -> T:
        """See the port."""
        return await _answered(lambda: self._store.glance(question))

    async def survey(self, question: Callable[[Transaction], T]) -> T:
        """See the port."""
        return await _answered(lambda: self._store.survey(question))

    async def write(self, change: Callable[[Transaction], T]) -> T:
        """See the port."""
        return await _answered(lambda: self._store.write(change))

    async def size(self) -> int:
        """See the port."""
        return await _answered(self._store.size)

    async def close(self) -> None:
        """Finish what was accepted and close."""
        await self._store.close()


async def _answered(ask: Callable[[], Awaitable[T]]) -> T:
    while True:
        try:
            return await ask()
        except StoreUnavailable:
            await asyncio.sleep(PAUSE)
