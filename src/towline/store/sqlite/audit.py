"""Rows of the audit trail; triggers refuse to change or delete them."""

from __future__ import annotations

import sqlite3

from towline.domain.audit import GENESIS, AuditEntry
from towline.domain.listing import Listing, Page
from towline.store.sqlite.codec import text, value
from towline.store.sqlite.paging import Filter


class Audit:
    """The port ``AuditRows``."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def append(self, entry: AuditEntry) -> None:
        """Chain and insert a row; the write lock makes the row before the last one for good."""
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
        query = "SELECT seq, body FROM audit"
        return wanted.page(self._connection, query, page, make=lambda row: value(AuditEntry, row[1]))

    def verify(self) -> int | None:
        """Walk the chain; return the number of the first row that does not fit."""
        previous, expected = GENESIS, 1
        for seq, body, kept in self._connection.execute("SELECT seq, body, hash FROM audit ORDER BY seq"):
            if seq != expected or value(AuditEntry, body).chained(previous) != kept:
                return int(seq)
            previous, expected = kept, seq + 1
        return None
