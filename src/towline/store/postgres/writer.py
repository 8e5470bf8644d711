"""The writer: one thread with one connection that runs changes in turn and commits them together.

All writers of one database take turns by an advisory lock, so a change sees no other under way, numbers of
rows are given in the order of commits, and nothing can deadlock (decision 37). A change may run again after a
connection broke; when it broke during COMMIT, the database is asked whether the transaction was kept.
https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-PG-SNAPSHOT
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import psycopg
import structlog
from psycopg import errors
from psycopg.pq import TransactionStatus

from towline.domain.errors import StoreFailed, StoreUnavailable
from towline.ports import Transaction
from towline.store.changes import Change, WritingThread, not_kept
from towline.store.postgres.connection import Connection, Line, Raw, command, reason
from towline.store.rows import AllRows

log = structlog.get_logger("towline.store")

T = TypeVar("T")

MOST_IN_A_COMMIT = 60
"""PostgreSQL keeps the parts of up to 64 savepoints at hand."""

MOST_TRIES = 5

STALLED = 3000
"""Milliseconds after which the server ends a writing transaction whose client says nothing: a stopped replica
does not keep the others from writing for longer."""

TURN = "SELECT pg_advisory_xact_lock(1953460076, hashtext(current_schema()))"
"""Waits for this writer's turn in this schema; the number is ``towl`` in ASCII."""

_SETUP = f"SET LOCAL idle_in_transaction_session_timeout = {STALLED}; SET LOCAL synchronous_commit = on"
_BEGIN = f"BEGIN; {_SETUP}; {TURN}; SAVEPOINT change; SELECT pg_current_xact_id()::text".encode()


class _InDoubt(Exception):
    """The connection broke while the transaction of this number was being committed."""

    def __init__(self, number: str) -> None:
        self.number = number
        super().__init__(number)


class Writer(WritingThread):
    """Writes from now until ``close``, on a connection that it opens when it needs one."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._raw: Raw | None = None
        super().__init__(most=MOST_IN_A_COMMIT)

    def keep(self, batch: Sequence[Change]) -> None:
        """Commit the batch, over as many connections as it takes; each change has a result or a failure."""
        try:
            for _ in range(MOST_TRIES):
                if self._was_kept(batch):
                    return
            _fail(batch, StoreUnavailable("the database kept breaking the connection"))
        except StoreFailed as failure:
            _fail(batch, failure)
        except psycopg.Error as error:
            self.let_go()
            _fail(batch, _not_kept(error))

    def _was_kept(self, batch: Sequence[Change]) -> bool:
        """Try once; return whether it is over, False when the connection broke before anything was kept."""
        raw = self._connected()
        try:
            self._commit(raw, batch)
        except _InDoubt as doubt:
            self.let_go()
            return self._is_committed(doubt.number)
        except psycopg.Error as error:
            if not _is_gone(raw, error):
                raise
            self._line.lost(error)
            self.let_go()
            return False
        return True

    def _commit(self, raw: Raw, batch: Sequence[Change]) -> None:
        number = _begun(raw)
        transaction = AllRows(Connection(raw))
        for place, change in enumerate(batch):
            if place:
                command(raw, b"RELEASE change; SAVEPOINT change")
            _run(change, transaction, raw)
            if change.failure is not None:
                command(raw, b"ROLLBACK TO change")
        try:
            command(raw, b"COMMIT")
        except psycopg.Error as error:
            if raw.closed:
                self._line.lost(error)
                raise _InDoubt(number) from None
            raise

    def _is_committed(self, number: str) -> bool:
        """Ask what became of a transaction; one that the database does not know was lost in a fail-over."""
        try:
            row = self._connected().execute("SELECT pg_xact_status(%s::xid8)", (number,)).fetchone()
        except errors.InvalidParameterValue:
            return False
        except psycopg.Error as error:
            self.let_go()
            raise StoreUnavailable(
                f"the connection broke in the middle of a commit, its outcome is unknown: {reason(error)}"
            ) from None
        log.info("database.commit_in_doubt", outcome=row and row[0])
        return row == ("committed",)

    def _connected(self) -> Raw:
        if self._raw is None:
            self._raw = self._line.connected()
        return self._raw

    def let_go(self) -> None:
        """Close the connection, if there is one."""
        if self._raw is not None:
            self._raw.close()
        self._raw = None


def _begun(raw: Raw) -> str:
    """Begin a transaction once it is this writer's turn; return its number."""
    cursor = command(raw, _BEGIN)
    while cursor.nextset():
        continue
    row = cursor.fetchone()
    return str(row[0]) if row else ""


def _run(change: Change, transaction: Transaction, raw: Raw) -> None:
    """Run one change; raise only what ends the whole batch. What failed in an earlier try is forgotten."""
    change.failure = None
    try:
        change.run(transaction)
    except psycopg.Error as error:
        if _is_gone(raw, error):
            raise
        change.failure = _not_kept(error)
    except BaseException as failure:  # noqa: BLE001  (raised again at the caller)
        change.failure = failure
    else:
        if raw.info.transaction_status is TransactionStatus.INERROR:
            change.failure = StoreFailed("the change went on after a statement of it had failed")


def _is_gone(raw: Raw, error: psycopg.Error) -> bool:
    """Whether the connection is of no more use: it broke, or leads to a server that only reads now."""
    return raw.closed or isinstance(error, errors.ReadOnlySqlTransaction)


def _not_kept(error: psycopg.Error) -> StoreFailed:
    return not_kept(reason(error), full=isinstance(error, errors.DiskFull))


def _fail(batch: Sequence[Change], failure: StoreFailed) -> None:
    """Let every change that has not failed by itself fail, each with an error of its own."""
    for change in batch:
        change.failure = change.failure or type(failure)(*failure.args)
