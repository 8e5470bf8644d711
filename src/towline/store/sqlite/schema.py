"""The tables as this program's migrations make them, in an order that references allow."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache

from towline.domain.backup import Table
from towline.store.migrations import migrate
from towline.store.sqlite.snapshot import contents_of, quoted


@dataclass(frozen=True, slots=True)
class Shape:
    """A table without the columns that a database works out by itself, and its primary key."""

    table: Table
    key: tuple[str, ...]

    @property
    def name(self) -> str:
        """What it is called."""
        return self.table.name

    @property
    def columns(self) -> tuple[str, ...]:
        """What its columns are called."""
        return tuple(column.name for column in self.table.columns)


@cache
def shapes() -> Sequence[Shape]:
    """Return every table, each after those that it refers to."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        migrate(connection)
        contents = contents_of(connection)
        return tuple(Shape(table, _key(connection, table.name)) for table in contents.tables)


def _key(connection: sqlite3.Connection, table: str) -> tuple[str, ...]:
    columns = connection.execute(f"PRAGMA table_info({quoted(table)})").fetchall()
    return tuple(name for _, name in sorted((each[5], each[1]) for each in columns if each[5]))
