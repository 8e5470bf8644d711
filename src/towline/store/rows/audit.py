"""Rows of the audit trail; triggers refuse to change or delete them."""

from __future__ import annotations

import msgspec

from towline.domain.audit import GENESIS, AuditEntry
from towline.domain.listing import Listing, Page
from towline.store.rows.codec import Row, text, value
from towline.store.rows.connection import Connection
from towline.store.rows.paging import Filter


class Audit:
    """The port ``AuditRows``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def append(self, entry: AuditEntry) -> None:
        """Chain and insert a row; while the writer holds its lock no other can come between."""
        row = self._connection.execute("SELECT hash FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
        previous = row[0] if row else GENESIS
        self._connection.execute(
            "INSERT INTO audit (project_guid, subject, body, hash) VALUES (?, ?, ?, ?)",
            (entry.project_guid, entry.subject, text(entry), entry.chained(previous)),
        )

    def page(self, page: Page, *, project_guid: str = "", subject: str = "") -> Listing[AuditEntry]:
        """Return a page, oldest first."""
        wanted = Filter("1 = 1")
        if project_guid:
            wanted.add("project_guid = ?", project_guid)
        if subject:
            wanted.add("subject = ?", subject)
        return wanted.page(self._connection, "SELECT seq, body FROM audit", page, make=_entry)

    def verify(self) -> int | None:
        """Walk the chain; return the number of the first row that does not fit, or is missing."""
        previous, expected = GENESIS, 1
        for row in self._connection.execute(
            "SELECT seq, project_guid, subject, body, hash FROM audit ORDER BY seq"
        ):
            if row[0] != expected or not _fits(row, previous):
                return expected
            previous, expected = row[4], expected + 1
        return expected if self._ever_added() >= expected else None

    def _ever_added(self) -> int:
        """Return how many rows there once were: SQLite counts them beside the table."""
        row = self._connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'audit'").fetchone()
        return int(row[0]) if row else 0


def _entry(row: Row) -> AuditEntry:
    return value(AuditEntry, row[1])


def _fits(row: Row, previous: bytes) -> bool:
    _, project_guid, subject, body, kept = row
    try:
        entry = value(AuditEntry, body)
    except msgspec.DecodeError:
        return False
    in_its_columns = (entry.project_guid, entry.subject) == (project_guid, subject)
    return in_its_columns and entry.chained(previous) == kept
