"""Numbered migrations per dialect, and the runner that brings a database up to date.

A migration is a file ``NNNN_words.sql``; it is applied once, under an exclusive lock.
"""

from __future__ import annotations

import sqlite3
from importlib import resources
from typing import TYPE_CHECKING

from towline.domain.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Sequence


def migrate(connection: sqlite3.Connection) -> None:
    """Apply what is missing; raise Conflict when the database is newer than this program."""
    connection.execute("BEGIN EXCLUSIVE")
    try:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL)"
        )
        _apply_missing(connection)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _apply_missing(connection: sqlite3.Connection) -> None:
    known = _known()
    (newest,) = connection.execute("SELECT coalesce(max(number), 0) FROM schema_migrations").fetchone()
    if newest > len(known):
        raise Conflict(
            f"the database has migration {newest}, this program knows {len(known)}: use a newer towline"
        )
    for number, (name, statements) in enumerate(known[newest:], start=newest + 1):
        for statement in _statements(statements):
            connection.execute(statement)
        connection.execute("INSERT INTO schema_migrations (number, name) VALUES (?, ?)", (number, name))


def _known() -> Sequence[tuple[str, str]]:
    """Return (name, SQL) of every migration, in order."""
    folder = resources.files(__package__) / "sqlite"
    files = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name
    )
    return [(file.name, file.read_text(encoding="utf-8")) for file in files]


def _statements(script: str) -> Sequence[str]:
    """Cut a script into statements: executescript would commit the transaction around it."""
    statements, part = [], ""
    for line in script.splitlines(keepends=True):
        part += line
        if part.strip() and sqlite3.complete_statement(part):
            statements.append(part)
            part = ""
    return statements
