"""A SQLite database at one moment, for a backup: one reading transaction, which holds up no writer.

In WAL mode such a transaction sees one state for as long as it lasts, and works from another process;
the write-ahead log grows meanwhile. https://www.sqlite.org/isolation.html
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from graphlib import TopologicalSorter
from pathlib import Path

from towline.domain.backup import Column, ColumnKind, Contents, Row, Table
from towline.domain.errors import NotFound, StoreFailed
from towline.store.rows.audit import Audit

PATIENCE = 30.0
SCHEMA_TABLE = "schema_migrations"
_KINDS = {
    "INTEGER": ColumnKind.INTEGER,
    "REAL": ColumnKind.REAL,
    "TEXT": ColumnKind.TEXT,
    "BLOB": ColumnKind.BYTES,
}


class SqliteSnapshot:
    """The port ``Snapshot`` on a connection whose transaction has begun."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.contents = contents_of(connection)

    @classmethod
    @contextmanager
    def of_file(cls, path: Path) -> Iterator[SqliteSnapshot]:
        """Open a database for reading alone; raise NotFound where none is, StoreFailed where it is broken."""
        if not path.exists():
            raise NotFound("database", str(path))
        try:
            address = f"{path.absolute().as_uri()}?mode=ro"
            connection = sqlite3.connect(address, uri=True, isolation_level=None, timeout=PATIENCE)
            try:
                connection.execute("BEGIN")
                yield cls(connection)
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise StoreFailed(f"the database {path} cannot be read: {error}") from error

    def trouble(self) -> str:
        """Return what contradicts itself; see the port."""
        (verdict,) = self._connection.execute("PRAGMA integrity_check(1)").fetchone()
        broken = self._connection.execute("PRAGMA foreign_key_check").fetchone()
        if broken:
            return f"a row of {broken[0]} refers to one of {broken[2]} that is not there"
        return "" if verdict == "ok" else str(verdict)

    def audit_broken_at(self) -> int | None:
        """Return where the audit trail breaks; see the port."""
        return Audit(self._connection).verify()

    def rows(self, table: Table) -> Iterator[Row]:
        """Yield a table's rows; see the port."""
        yield from self._connection.execute(f"SELECT {names_of(table)} FROM {quoted(table.name)}")


def contents_of(connection: sqlite3.Connection) -> Contents:
    """Return what is in a database; raise StoreFailed for one that is not Towline's."""
    names = _table_names(connection)
    if SCHEMA_TABLE not in names:
        raise StoreFailed("the database is not one of Towline's, or nothing was ever in it")
    (schema,) = connection.execute(f"SELECT coalesce(max(number), 0) FROM {SCHEMA_TABLE}").fetchone()
    tables = (_table(connection, name) for name in _in_order(connection, names - {SCHEMA_TABLE}))
    return Contents("sqlite", schema, tuple(tables), sequences=_sequences(connection))


def names_of(table: Table) -> str:
    """Return a table's columns as SQL names them."""
    return ", ".join(quoted(column.name) for column in table.columns)


def quoted(name: str) -> str:
    """Return a name as SQL takes any name."""
    return '"' + name.replace('"', '""') + '"'


def _table_names(connection: sqlite3.Connection) -> set[str]:
    rows = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
    return {name for (name,) in rows if not name.startswith("sqlite_")}


def _in_order(connection: sqlite3.Connection, names: set[str]) -> Sequence[str]:
    """Return the tables so that each comes after those that it refers to."""
    order: TopologicalSorter[str] = TopologicalSorter()
    for name in sorted(names):
        keys = connection.execute(f"PRAGMA foreign_key_list({quoted(name)})").fetchall()
        order.add(name, *sorted({key[2] for key in keys} - {name}))
    return tuple(order.static_order())


def _table(connection: sqlite3.Connection, name: str) -> Table:
    """Return a table without the columns that the database works out by itself."""
    columns = connection.execute(f"PRAGMA table_xinfo({quoted(name)})").fetchall()
    kept = tuple(Column(each[1], _KINDS[each[2].upper()]) for each in columns if each[6] == 0)
    (rows,) = connection.execute(f"SELECT count(*) FROM {quoted(name)}").fetchone()
    return Table(name, kept, rows=rows)


def _sequences(connection: sqlite3.Connection) -> Mapping[str, int]:
    exists = "SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_sequence'"
    if not connection.execute(exists).fetchone()[0]:
        return {}
    return dict(connection.execute("SELECT name, seq FROM sqlite_sequence ORDER BY name").fetchall())
