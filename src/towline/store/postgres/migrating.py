"""Brings a PostgreSQL database up to date: the same numbered migrations as SQLite's, one server at a time.

A migration's text is translated (dialect.py); what has no common form stands in ``migrations/postgresql``
under the same name and runs after it. ``functions.sql`` there gives the database the few functions of SQLite
that the rows use.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources

import psycopg
import structlog

from towline.domain.errors import Conflict, StoreFailed
from towline.store.migrations import Migration, known_migrations
from towline.store.postgres.connection import Line, Raw, reason
from towline.store.postgres.dialect import schema
from towline.store.postgres.writer import TURN

log = structlog.get_logger("towline.store")

_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations
  (number BIGINT PRIMARY KEY, name TEXT NOT NULL, breaking BOOLEAN NOT NULL DEFAULT false)
"""
_BREAKING = "-- Breaking:"
"""How a migration begins after which servers of the version before cannot go on (decision 36)."""


def migrate(line: Line, known: Sequence[Migration] | None = None) -> None:
    """Apply what is missing in one transaction, alone; gather statistics afterwards.

    Raises Conflict when a newer program changed the database in a way that this one cannot live with.
    """
    known = known_migrations() if known is None else known
    with line.connected() as raw:
        try:
            if _is_current(raw, known):
                return
            raw.execute(b"BEGIN")
            raw.execute(TURN.encode())
            raw.execute(_TABLE.encode())
            _apply_missing(raw, known)
            raw.execute(b"COMMIT")
            raw.execute(b"ANALYZE")
        except psycopg.Error as error:
            raise StoreFailed(f"the database could not be brought up to date: {reason(error)}") from error


def _is_current(raw: Raw, known: Sequence[Migration]) -> bool:
    """Whether nothing is missing; raise Conflict for a database that is beyond this program."""
    if _one(raw, "SELECT to_regclass('schema_migrations') IS NULL"):
        return False
    beyond = raw.execute(
        "SELECT number, breaking FROM schema_migrations WHERE number > %s ORDER BY number", (len(known),)
    ).fetchall()
    for number, breaking in beyond:
        if breaking:
            raise Conflict(
                f"the database was changed by a newer towline (its migration is {number}, this program"
                f" knows {len(known)}): start that version, or a backup made before it"
            )
    return bool(_one(raw, "SELECT coalesce(max(number), 0) FROM schema_migrations") >= len(known))


def _apply_missing(raw: Raw, known: Sequence[Migration]) -> None:
    if _is_current(raw, known):  # another server was faster
        return
    raw.execute(_of_postgresql("functions.sql").encode())
    applied = _one(raw, "SELECT coalesce(max(number), 0) FROM schema_migrations")
    for number, (name, script) in enumerate(known[applied:], start=applied + 1):
        for statement in schema(script):
            raw.execute(statement.encode())
        if also := _of_postgresql(name):
            raw.execute(also.encode())
        raw.execute(
            "INSERT INTO schema_migrations (number, name, breaking) VALUES (%s, %s, %s = 1)",
            (number, name, script.startswith(_BREAKING)),
        )
        log.info("database.migrated", migration=name)


def _of_postgresql(name: str) -> str:
    """Return what PostgreSQL has of its own under that name; empty where it has nothing."""
    file = resources.files("towline.store.migrations") / "postgresql" / name
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def _one(raw: Raw, query: str) -> int:
    row = raw.execute(query.encode()).fetchone()
    return int(row[0]) if row else 0
