"""SQLite as the store: reads on the event loop's thread, writes on one thread with group commit.

In WAL mode a reader sees the newest commit when it begins and is never held up by the writer; a read is
some microseconds, less than handing it to a thread would cost. https://www.sqlite.org/wal.html
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TypeVar

from towline.domain.errors import StoreFailed
from towline.ports import StoreFigures, Transaction
from towline.store.rows import AllRows
from towline.store.sqlite import connection
from towline.store.sqlite.writer import Writer

T = TypeVar("T")


class SqliteStore:
    """The port ``Store`` on one database file, or in memory. Use it on one event loop."""

    def __init__(self, address: str, *, turns: AbstractContextManager[object]) -> None:
        writing = connection.writing(address)
        self._turns = turns
        self._reader = connection.reading(address)
        self._seen = AllRows(self._reader)
        self._writer = Writer(writing, turns=turns)
        self._surveyor = connection.reading(address)
        self._surveyed = AllRows(self._surveyor)
        self._survey_turns = threading.Lock()
        self.figures = StoreFigures()

    @classmethod
    async def open(cls, path: Path | None) -> SqliteStore:
        """Return the store in the file ``path``, or a fresh one in memory; brings the schema up to date.

        Raises Conflict for a database that a newer program has changed, StoreFailed for a file that is
        not a database or cannot be opened.
        """
        if path is None:
            return cls.memory()
        return await asyncio.to_thread(cls._in_file, path)

    @classmethod
    def memory(cls) -> SqliteStore:
        """Return a fresh store that lives until it is closed.

        It has no WAL, so a reader would meet the writer's locks: they take turns instead.
        """
        return cls(connection.memory_address(), turns=threading.Lock())

    @classmethod
    def _in_file(cls, path: Path) -> SqliteStore:
        try:
            return cls(connection.file_address(path), turns=nullcontext())
        except (sqlite3.Error, OSError) as error:
            raise StoreFailed(f"the database {path} cannot be opened: {error}") from error

    async def read(self, question: Callable[[Transaction], T]) -> T:
        """Run ``question`` on a consistent view; see the port."""
        with self._turns:
            return _at_one_moment(self._reader, lambda: question(self._seen))

    async def survey(self, question: Callable[[Transaction], T]) -> T:
        """Run ``question`` on a thread, with a connection of its own, one after the other; see the port."""

        def surveyed() -> T:
            with self._survey_turns, self._turns:
                return _at_one_moment(self._surveyor, lambda: question(self._surveyed))

        return await asyncio.to_thread(surveyed)

    async def glance(self, question: Callable[[Transaction], T]) -> T:
        """Run ``question`` without a transaction around it; see the port."""
        with self._turns:
            try:
                return question(self._seen)
            except sqlite3.Error as error:
                raise StoreFailed(f"the database did not answer: {error}") from error

    async def write(self, change: Callable[[Transaction], T]) -> T:
        """Run ``change`` on the writer's thread and return its result once it is durable; see the port."""
        with self.figures.writing():
            return await self._writer.write(change)

    async def size(self) -> int:
        """Return how many bytes the database takes; see the port."""
        with self._turns:
            pages, size = (
                self._reader.execute(f"PRAGMA page_{of}").fetchone()[0] for of in ("count", "size")
            )
            return int(pages) * int(size)

    async def close(self) -> None:
        """Finish what was accepted and close."""
        await self._writer.close()
        self._reader.close()
        with self._survey_turns:
            self._surveyor.close()


def _at_one_moment(connection: sqlite3.Connection, question: Callable[[], T]) -> T:
    """Run ``question`` inside a transaction that only reads."""
    try:
        connection.execute("BEGIN")
        try:
            return question()
        finally:
            connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        raise StoreFailed(f"the database did not answer: {error}") from error
