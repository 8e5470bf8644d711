"""PostgreSQL as the store, shared by any number of servers: reads on threads, writes in turns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from towline.ports import StoreFigures, Transaction
from towline.store.address import DatabaseAddress
from towline.store.postgres.connection import Line
from towline.store.postgres.contact import check
from towline.store.postgres.migrating import migrate
from towline.store.postgres.readers import Readers
from towline.store.postgres.writer import Writer

T = TypeVar("T")


class PostgresStore:
    """The port ``Store`` on one PostgreSQL database."""

    def __init__(self, line: Line, *, connections: int) -> None:
        self._readers = Readers(line, connections=connections)
        self._writer = Writer(line)
        self.figures = StoreFigures()

    @classmethod
    async def open(cls, address: DatabaseAddress, *, connections: int) -> PostgresStore:
        """Return the store at ``address`` with ``connections`` for reading; brings the schema up to date.

        Raises Conflict for a database that a newer program has changed beyond use for this one,
        StoreUnavailable when it cannot be reached, InvalidInput when a setting is to blame.
        """
        await asyncio.to_thread(check, address)
        line = Line(address)
        await asyncio.to_thread(migrate, line)
        return cls(line, connections=connections)

    async def read(self, question: Callable[[Transaction], T]) -> T:
        """Run ``question`` on a consistent view; see the port."""
        return await self._readers.read(question)

    async def survey(self, question: Callable[[Transaction], T]) -> T:
        """Do as ``read``: every question is asked beside the loop here."""
        return await self._readers.read(question)

    async def glance(self, question: Callable[[Transaction], T]) -> T:
        """Run ``question`` without a transaction around it; see the port."""
        return await self._readers.glance(question)

    async def write(self, change: Callable[[Transaction], T]) -> T:
        """Run ``change`` on the writer's thread and return its result once it is durable; see the port."""
        with self.figures.writing():
            return await self._writer.write(change)

    async def size(self) -> int:
        """Return how many bytes the database takes; see the port."""
        return await self._readers.size()

    async def close(self) -> None:
        """Finish what was accepted and close."""
        await self._writer.close()
        await self._readers.close()
