"""A SQLite file as one end of a move."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from towline.domain.errors import StoreFailed
from towline.store.sqlite import connection as connections
from towline.store.sqlite.snapshot import contents_of


class SqliteEnd:
    """The protocol ``End`` on a file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    @classmethod
    @contextmanager
    def of_file(cls, path: Path) -> Iterator[SqliteEnd]:
        """Open a file, its schema brought up to date; made where it is missing."""
        try:
            with closing(connections.writing(connections.file_address(path))) as connection:
                yield cls(connection)
        except sqlite3.Error as error:
            raise StoreFailed(f"the database {path}: {error}") from error

    def begin(self) -> None:
        """Begin a transaction."""
        self.connection.execute("BEGIN")

    def commit(self) -> None:
        """Commit it."""
        self.connection.execute("COMMIT")

    def sequences(self) -> Mapping[str, int]:
        """Return the highest number that each table with numbers ever gave out."""
        return contents_of(self.connection).sequences

    def set_sequences(self, highest: Mapping[str, int]) -> None:
        """Let the tables go on after these numbers."""
        for name, number in highest.items():
            self.connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", (name,))
            self.connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (name, number))
