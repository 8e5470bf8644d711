"""Connections to one PostgreSQL database, all set up alike, and what their errors mean.

https://www.psycopg.org/psycopg3/docs/
"""

from __future__ import annotations

import threading
import time
from typing import Any

import psycopg
import structlog
from psycopg import errors
from psycopg.adapt import Dumper
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.string import StrDumper

from towline.domain.errors import StoreFailed, StoreUnavailable
from towline.store.address import DatabaseAddress
from towline.store.postgres.dialect import bound, translated
from towline.store.rows.uniqueness import NotUnique

log = structlog.get_logger("towline.store")

Raw = psycopg.Connection[tuple[Any, ...]]

LEAST_VERSION = 130000
"""PostgreSQL 13, the first that tells by a 64-bit number whether a transaction was committed."""

PATIENCE = 5.0
"""Seconds for which an outage is waited out; from then on each question is refused until it is over."""

PAUSE = 0.1

_PREPARED_AFTER = 5
"""Uses after which the server keeps a statement ready: psycopg's own default."""

_LINE = {
    "application_name": "towline",
    "connect_timeout": "3",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
    "target_session_attrs": "read-write",
}
"""What a connection is opened with unless the address says else: a silent server is given up, and one that
only reads is passed over."""


class _Truth(Dumper):
    """Sends True and False as the 1 and 0 that the tables keep."""

    oid = psycopg.adapters.types["int2"].oid

    def dump(self, obj: bool) -> bytes:  # noqa: FBT001  (psycopg's own signature)
        """Return the number's text."""
        return b"1" if obj else b"0"


class Connection:
    """What rows run their statements on."""

    def __init__(self, raw: Raw) -> None:
        self.raw = raw

    def execute(self, sql: str, parameters: Any = (), /) -> psycopg.Cursor[tuple[Any, ...]]:  # noqa: ANN401
        """Run one statement; see rows/connection.py."""
        statement, numbered = translated(sql)
        try:
            return self.raw.execute(statement.encode(), bound(parameters, numbered=numbered))
        except errors.UniqueViolation as error:
            raise NotUnique from error

    def executemany(self, sql: str, parameters: Any, /) -> psycopg.Cursor[tuple[Any, ...]]:  # noqa: ANN401
        """Run one statement for each of ``parameters``."""
        statement, numbered = translated(sql)
        cursor = self.raw.cursor()
        try:
            cursor.executemany(statement.encode(), [bound(each, numbered=numbered) for each in parameters])
        except errors.UniqueViolation as error:
            raise NotUnique from error
        return cursor


class Line:
    """Opens connections, and knows since when the database is out of reach."""

    def __init__(self, address: DatabaseAddress) -> None:
        self._address = address
        self._guard = threading.Lock()
        self._lost_at: float | None = None

    def connected(self, *setup: str) -> Raw:
        """Return a connection after running ``setup`` on it.

        Waits an outage out for ``PATIENCE`` seconds since its beginning, then raises StoreUnavailable.
        """
        while True:
            try:
                raw = self._opened(setup)
            except psycopg.OperationalError as error:
                self._wait_or_give_up(error)
            else:
                self._found()
                return raw

    def lost(self, error: psycopg.Error) -> None:
        """Note that a connection broke."""
        with self._guard:
            if self._lost_at is None:
                self._lost_at = time.monotonic()
                log.warning("database.lost", reason=reason(error))

    @property
    def keeps_session(self) -> bool:
        """Whether what is set on a connection holds for it alone, and until it ends."""
        return self._address.direct is None

    def _opened(self, setup: tuple[str, ...]) -> Raw:
        raw = unpooled(self._address)
        if self.keeps_session:
            raw.prepare_threshold = _PREPARED_AFTER
        raw.adapters.register_dumper(bool, _Truth)
        raw.adapters.register_dumper(str, StrDumper)
        try:
            _check_version(raw)
            for statement in setup:
                raw.execute(statement.encode())
        except BaseException:
            raw.close()
            raise
        return raw

    def _wait_or_give_up(self, error: psycopg.Error) -> None:
        self.lost(error)
        with self._guard:
            patience = PATIENCE - (time.monotonic() - (self._lost_at or 0.0))
        if patience <= 0:
            raise StoreUnavailable(f"the database is out of reach: {reason(error)}") from None
        time.sleep(PAUSE)

    def _found(self) -> None:
        with self._guard:
            if self._lost_at is not None:
                log.info("database.found", seconds=round(time.monotonic() - self._lost_at, 1))
            self._lost_at = None


def unpooled(address: DatabaseAddress) -> Raw:
    """Return a bare connection on which nothing is prepared: a pooler may lend another one each time."""
    return psycopg.connect(_complete(address), autocommit=True, prepare_threshold=None)


def command(raw: Raw, statements: bytes) -> psycopg.Cursor[tuple[Any, ...]]:
    """Run statements about transactions in one round trip; they are never prepared."""
    return raw.execute(statements, prepare=False)


def reason(error: psycopg.Error) -> str:
    """Return what PostgreSQL said, in one line, without the rows that it may quote below it."""
    said = error.diag.message_primary or str(error).strip() or type(error).__name__
    return " ".join(said.splitlines()[0].split())[:300]


def _complete(address: DatabaseAddress) -> str:
    """Return libpq's connection string, which holds the password: for libpq alone."""
    said = conninfo_to_dict(address.url)
    unsaid = {name: value for name, value in _LINE.items() if name not in said}
    if address.password is not None:
        unsaid["password"] = address.password.reveal()
    return make_conninfo(address.url, **unsaid)


def _check_version(raw: Raw) -> None:
    if raw.info.server_version < LEAST_VERSION:
        raise StoreFailed("the database is older than PostgreSQL 13; use 13 or newer")
