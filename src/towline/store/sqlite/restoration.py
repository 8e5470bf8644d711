"""Making a SQLite database of a backup: beside its place, checked, and only then put there."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from towline.domain.backup import Contents, Row, Table
from towline.domain.errors import BackupDamaged, Conflict
from towline.store.backup_file import sync_folder
from towline.store.migrations import known_migrations, migrate
from towline.store.sqlite import connection as connections
from towline.store.sqlite.snapshot import contents_of, names_of, quoted

_BESIDE = ("", "-wal", "-shm", "-journal")
_BULK = (  # the file is thrown away unless it was finished and flushed as a whole
    "PRAGMA journal_mode = OFF",
    "PRAGMA synchronous = OFF",
    "PRAGMA foreign_keys = OFF",
    "PRAGMA cache_size = -64000",
)
_ENDED = (  # a session that was ended since must not live again
    "DELETE FROM tokens WHERE kind = 'login'",
    "DELETE FROM device_logins",
)


def draft_of(path: Path) -> Path:
    """Return where the database for ``path`` is made; what an interrupted restoration left is removed."""
    draft = path.with_name(f"{path.name}.restoring")
    discard(draft)
    return draft


def discard(draft: Path) -> None:
    """Remove an unfinished database with all that SQLite keeps beside it."""
    for suffix in _BESIDE:
        draft.with_name(f"{draft.name}{suffix}").unlink(missing_ok=True)


def fill(path: Path, contents: Contents, rows: Iterable[tuple[Table, Row]]) -> None:
    """Make a database at ``path`` that holds ``rows``, with the schema that they had; sessions are ended.

    Raises Conflict for a backup of a newer program, BackupDamaged for rows that do not fit into the schema
    or contradict each other.
    """
    known = known_migrations()
    if contents.schema > len(known):
        raise Conflict(
            f"the backup was taken by a newer towline (its schema is {contents.schema}, this program knows"
            f" {len(known)}): restore it with that version"
        )
    connections.file_address(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for setting in _BULK:
            connection.execute(setting)
        migrate(connection, known[: contents.schema])
        try:
            _insert(connection, contents, rows)
        except sqlite3.Error as error:
            raise BackupDamaged(f"the backup does not fit into its own schema: {error}") from error
        _check(connection, contents)
        for statement in _ENDED:
            connection.execute(statement)


def put_in_place(draft: Path, path: Path) -> None:
    """Give the finished database its name; raise Conflict if one has come to be there meanwhile."""
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError as error:
        raise Conflict(f"{path} has come to be there meanwhile; nothing was changed") from error
    sync_folder(path.parent)
    discard(draft)


def _insert(connection: sqlite3.Connection, contents: Contents, rows: Iterable[tuple[Table, Row]]) -> None:
    _match(contents_of(connection), contents)
    connection.execute("BEGIN")
    for table in contents.tables:
        connection.execute(f"DELETE FROM {quoted(table.name)}")  # what a migration put there by itself
    for table, group in groupby(rows, key=itemgetter(0)):
        places = ", ".join("?" * len(table.columns))
        statement = f"INSERT INTO {quoted(table.name)} ({names_of(table)}) VALUES ({places})"
        connection.executemany(statement, _cells(group))
    for name, highest in contents.sequences.items():
        connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
        connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (name, highest))
    connection.execute("COMMIT")


def _cells(group: Iterator[tuple[Table, Row]]) -> Iterator[Row]:
    return (row for _, row in group)


def _match(own: Contents, wanted: Contents) -> None:
    """Refuse tables or columns that this program's schema of the same number has not."""
    known = {table.name: {column.name for column in table.columns} for table in own.tables}
    for table in wanted.tables:
        if table.name not in known:
            raise BackupDamaged(f"the backup has a table {table.name!a} that its schema has not")
        if strange := {column.name for column in table.columns} - known[table.name]:
            raise BackupDamaged(f"table {table.name} has no column {min(strange)!a}")


def _check(connection: sqlite3.Connection, contents: Contents) -> None:
    """Count the rows anew, and let SQLite look for what contradicts itself."""
    counts = {table.name: table.rows for table in contents_of(connection).tables}
    for table in contents.tables:
        if counts[table.name] != table.rows:
            raise BackupDamaged(f"{table.name}: {table.rows} rows were kept, {counts[table.name]} came back")
    if broken := connection.execute("PRAGMA foreign_key_check").fetchone():
        raise BackupDamaged(f"a row of {broken[0]} refers to one of {broken[2]} that is not in the backup")
    (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        raise BackupDamaged(f"the restored database is not sound: {verdict}")
