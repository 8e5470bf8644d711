"""A PostgreSQL database as one end of a move."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg

from towline.domain.errors import StoreFailed
from towline.store.address import DatabaseAddress
from towline.store.postgres.connection import Connection, Line, command, reason
from towline.store.postgres.contact import check
from towline.store.postgres.migrating import migrate

_NUMBERED = """
SELECT table_name, pg_get_serial_sequence(quote_ident(table_name), 'seq') FROM information_schema.columns
WHERE table_schema = current_schema() AND column_name = 'seq' AND is_identity = 'YES'
"""
_OTHERS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
  AND application_name = current_setting('application_name')
"""


class PostgresEnd:
    """The protocol ``End`` on a database; its sequences are the identity columns' and audit's."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    @classmethod
    @contextmanager
    def at(cls, address: DatabaseAddress) -> Iterator[PostgresEnd]:
        """Open a database, its schema brought up to date: PostgreSQL itself where a pooler is before it."""
        address = address.direct or address
        check(address)
        line = Line(address)
        migrate(line)
        raw = line.connected()
        try:
            yield cls(Connection(raw))
            if not raw.closed:
                command(raw, b"ANALYZE")
        except psycopg.Error as error:
            raise StoreFailed(f"the database failed in the middle of the move: {reason(error)}") from None
        finally:
            raw.close()

    def is_served(self) -> bool:
        """Whether some server is connected."""
        (others,) = self.connection.execute(_OTHERS).fetchone() or (0,)
        return bool(others)

    def begin(self) -> None:
        """Begin a transaction that sees one moment."""
        command(self.connection.raw, b"BEGIN ISOLATION LEVEL REPEATABLE READ")

    def commit(self) -> None:
        """Commit it."""
        command(self.connection.raw, b"COMMIT")

    def sequences(self) -> Mapping[str, int]:
        """Return the highest number that each table with numbers ever gave out."""
        found = dict(self.connection.execute("SELECT name, seq FROM sqlite_sequence").fetchall())
        for table, sequence in self.connection.execute(_NUMBERED).fetchall():
            row = self.connection.execute(f"SELECT last_value, is_called FROM {sequence}").fetchone()
            if row and row[1]:
                found[table] = row[0]
        return {name: number for name, number in found.items() if number}

    def set_sequences(self, highest: Mapping[str, int]) -> None:
        """Let the tables go on after these numbers."""
        self.connection.execute(
            "UPDATE sqlite_sequence SET seq = ? WHERE name = 'audit'", (highest.get("audit", 0),)
        )
        for table, sequence in self.connection.execute(_NUMBERED).fetchall():
            if table in highest:
                self.connection.execute("SELECT setval(?, ?)", (sequence, highest[table]))
