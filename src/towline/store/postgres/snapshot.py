"""A PostgreSQL database at one moment, for a backup: one reading transaction, which holds up no writer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from towline.domain.backup import Contents, Row, Table
from towline.store.address import DatabaseAddress
from towline.store.moving import rows_of
from towline.store.postgres.moving import PostgresEnd
from towline.store.rows.audit import Audit
from towline.store.sqlite.schema import shapes


class PostgresSnapshot:
    """The port ``Snapshot`` on a transaction that has begun."""

    def __init__(self, end: PostgresEnd) -> None:
        self._end = end
        execute = end.connection.execute
        (schema,) = execute("SELECT max(number) FROM schema_migrations").fetchone() or (0,)
        tables = []
        for table in (shape.table for shape in shapes()):
            (rows,) = execute(f"SELECT count(*) FROM {table.name}").fetchone() or (0,)
            tables.append(replace(table, rows=rows))
        self.contents = Contents("postgresql", schema, tuple(tables), sequences=end.sequences())

    @classmethod
    @contextmanager
    def at(cls, address: DatabaseAddress) -> Iterator[PostgresSnapshot]:
        """Open a database; see ``PostgresEnd``."""
        with PostgresEnd.at(address) as end:
            end.begin()
            yield cls(end)
            end.commit()

    def trouble(self) -> str:
        """Return nothing: PostgreSQL looks after its rules itself, and its amcheck after its files."""
        return ""

    def audit_broken_at(self) -> int | None:
        """Return where the audit trail breaks; see the port."""
        return Audit(self._end.connection).verify()

    def rows(self, table: Table) -> Iterator[Row]:
        """Yield a table's rows; see the port."""
        return (row for _, row in rows_of(self._end, frozenset({table.name})))
