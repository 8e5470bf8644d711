"""Numbered migrations per dialect, and the runner that brings a database up to date.

A migration is a file ``NNNN_words.sql``; each is applied once and in order, all that are missing in one
transaction: a database is never between two versions.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from importlib import resources

from towline.domain.errors import Conflict

_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT
"""

Migration = tuple[str, str]
"""A file's name and its SQL."""


def known_migrations() -> Sequence[Migration]:
    """Return every migration of this program, in order."""
    folder = resources.files(__package__) / "sqlite"
    files = (file for file in folder.iterdir() if file.name.endswith(".sql"))
    return tuple(
        (file.name, file.read_text(encoding="utf-8")) for file in sorted(files, key=lambda f: f.name)
    )


def migrate(connection: sqlite3.Connection, known: Sequence[Migration] | None = None) -> None:
    """Apply what is missing, alone; raise Conflict when the database is newer than this program.

    A database that is up to date is only read, so that starting beside a busy server waits for nothing.
    """
    known = known_migrations() if known is None else known
    if _applied(connection) == len(known):
        return
    connection.execute("BEGIN EXCLUSIVE")
    try:
        connection.execute(_TABLE)
        _apply_missing(connection, known)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _applied(connection: sqlite3.Connection) -> int:
    """Return the number of the newest migration that was applied, 0 in an empty database."""
    exists = "SELECT count(*) FROM sqlite_schema WHERE name = 'schema_migrations'"
    if not connection.execute(exists).fetchone()[0]:
        return 0
    newest = connection.execute("SELECT coalesce(max(number), 0) FROM schema_migrations").fetchone()[0]
    return int(newest)


def _apply_missing(connection: sqlite3.Connection, known: Sequence[Migration]) -> None:
    applied = _applied(connection)
    if applied > len(known):
        raise Conflict(
            f"the database was changed by a newer towline (its migration is {applied}, this program"
            f" knows {len(known)}): start that version, or a backup made before it"
        )
    for number, (name, script) in enumerate(known[applied:], start=applied + 1):
        for statement in _statements(script):
            connection.execute(statement)
        connection.execute("INSERT INTO schema_migrations (number, name) VALUES (?, ?)", (number, name))


def _statements(script: str) -> Sequence[str]:
    """Cut a script into statements: executescript would commit the transaction around it."""
    statements, part = [], ""
    for line in script.splitlines(keepends=True):
        part += line
        if sqlite3.complete_statement(part):
            statements.append(part)
            part = ""
    return statements
