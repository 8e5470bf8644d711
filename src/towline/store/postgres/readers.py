"""Threads that answer questions, each with a connection of its own: the pool.

The loop never waits for the database; a question is handed to a thread that has a connection to spare.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import psycopg

from towline.domain.errors import StoreFailed, StoreUnavailable
from towline.ports import Transaction
from towline.store.postgres.connection import Connection, Line, Raw, command, reason
from towline.store.rows import AllRows

T = TypeVar("T")

MOST_TRIES = 5

_SETUP = ("SET default_transaction_read_only = on",)
_BEGIN = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class Readers:
    """At most ``connections`` threads, made as they are needed."""

    def __init__(self, line: Line, *, connections: int) -> None:
        self._line = line
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix="towline-reader")
        self._mine = threading.local()
        self._open: set[Raw] = set()

    async def glance(self, question: Callable[[Transaction], T]) -> T:
        """Answer where each statement may see its own moment."""
        return await self._answered(lambda _, rows: question(rows))

    async def read(self, question: Callable[[Transaction], T]) -> T:
        """Answer on one consistent view."""
        return await self._answered(lambda raw, rows: _at_one_moment(raw, rows, question))

    async def size(self) -> int:
        """Return how many bytes the database takes."""
        return await self._answered(_size)

    async def close(self) -> None:
        """Finish what was asked and close the connections."""
        await asyncio.to_thread(self._threads.shutdown)
        for raw in self._open:
            raw.close()

    async def _answered(self, ask: Callable[[Raw, AllRows], T]) -> T:
        loop = asyncio.get_running_loop()
        try:
            asked = loop.run_in_executor(self._threads, self._answer, ask)
        except RuntimeError as error:  # the threads were shut down
            raise StoreFailed("the store is closed") from error
        return await asked

    def _answer(self, ask: Callable[[Raw, AllRows], T]) -> T:
        """Ask, again on a fresh connection where the old one broke: a question may be asked twice."""
        for _ in range(MOST_TRIES):
            raw = self._connected()
            try:
                return ask(raw, self._mine.rows)
            except psycopg.Error as error:
                if not raw.closed:
                    raise StoreFailed(f"the database did not answer: {reason(error)}") from None
                self._line.lost(error)
                self._drop(raw)
        raise StoreUnavailable("the database kept breaking the connection")

    def _connected(self) -> Raw:
        raw: Raw | None = getattr(self._mine, "raw", None)
        if raw is None:
            setup = _SETUP if self._line.keeps_session else ()
            raw = self._mine.raw = self._line.connected(*setup)
            self._mine.rows = AllRows(Connection(raw))
            self._open.add(raw)
        return raw

    def _drop(self, raw: Raw) -> None:
        raw.close()
        self._open.discard(raw)
        self._mine.raw = None


def _at_one_moment(raw: Raw, rows: AllRows, question: Callable[[Transaction], T]) -> T:
    command(raw, _BEGIN)
    try:
        return question(rows)
    finally:
        if not raw.closed:
            command(raw, b"COMMIT")  # nothing to undo; ROLLBACK would make psycopg forget what it prepared


def _size(raw: Raw, _: AllRows) -> int:
    (size,) = Connection(raw).execute("SELECT pg_database_size(current_database())").fetchone() or (0,)
    return int(size)
