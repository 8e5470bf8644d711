"""What a backup is taken of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from towline.domain.backup import Contents, Row, Table


class Snapshot(Protocol):
    """A database as it was at one moment, while others go on writing to it."""

    @property
    def contents(self) -> Contents:
        """What is in it."""

    def trouble(self) -> str:
        """Return what contradicts itself in the database, empty where nothing is found."""

    def audit_broken_at(self) -> int | None:
        """Return the first row of the audit trail that does not fit, None where all do."""

    def rows(self, table: Table) -> Iterator[Row]:
        """Yield the rows of one of its tables, their cells in the order of the columns."""
