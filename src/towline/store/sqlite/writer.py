"""The writer: one thread with one connection that runs changes in turn and commits them together.

While one commit waits for the disk, further changes queue up; the next commit takes them all. Each runs
in a savepoint of its own, so a change that raises undoes itself and nothing else. Callers hear of their
change only after the commit. https://www.sqlite.org/lang_savepoint.html
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TypeVar

from towline.domain.errors import StoreFailed
from towline.store.changes import Change, WritingThread, not_kept
from towline.store.rows import AllRows

T = TypeVar("T")

MOST_IN_A_COMMIT = 256

_NO_ROOM_BESIDE = frozenset({sqlite3.SQLITE_IOERR_SHMSIZE})


class Writer(WritingThread):
    """Owns the writing connection from now until ``close``; ``turns`` is held while a batch runs."""

    def __init__(self, connection: sqlite3.Connection, *, turns: AbstractContextManager[object]) -> None:
        self._connection = connection
        self._transaction = AllRows(connection)
        self._turns = turns
        super().__init__(most=MOST_IN_A_COMMIT)

    def keep(self, batch: Sequence[Change]) -> None:
        """Commit a batch, in its turn."""
        with self._turns:
            self._commit(batch)

    def let_go(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _commit(self, batch: Sequence[Change]) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for change in batch:
                self._run(change)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            for change in batch:
                change.failure = change.failure or _failed(error)

    def _run(self, change: Change) -> None:
        """Run one change, alone undone if it raises.

        On a full disk SQLite ends the whole transaction by itself: then no change of the batch was kept.
        """
        self._connection.execute("SAVEPOINT change")
        try:
            change.run(self._transaction)
        except BaseException as failure:  # raised again at the caller
            change.failure = _failed(failure) if isinstance(failure, sqlite3.Error) else failure
            if not self._connection.in_transaction:
                if isinstance(failure, sqlite3.Error):
                    raise
                raise sqlite3.OperationalError(str(failure)) from failure
            self._connection.execute("ROLLBACK TO change")
        self._connection.execute("RELEASE change")


def _failed(error: sqlite3.Error) -> StoreFailed:
    failure = not_kept(str(error), full=_is_full(error))
    failure.__cause__ = error
    return failure


def _is_full(error: sqlite3.Error) -> bool:
    """Whether there was no room, for the file or for the index of its log."""
    code = getattr(error, "sqlite_errorcode", 0)
    return code == sqlite3.SQLITE_FULL or code in _NO_ROOM_BESIDE
