"""Rows of the audit trail; triggers refuse to change or delete them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from towline.domain.audit import GENESIS, AuditEntry
from towline.domain.audit_chain import ChainedRow, Statement, Walk, newest_pruned
from towline.domain.listing import Listing, Page
from towline.store.rows.codec import Row, micros, text, value
from towline.store.rows.connection import Connection
from towline.store.rows.keys import noted_key
from towline.store.rows.paging import Filter

_CHAINED = "SELECT seq, project_guid, subject, body, hash FROM audit"
_NEWEST = "SELECT hash FROM audit ORDER BY seq DESC LIMIT 1"
_NEWEST_PRUNED = "SELECT hash FROM audit_statements WHERE kind = 'pruned' ORDER BY seq DESC LIMIT 1"
_STEP = 1000


class Audit:
    """The port ``AuditRows``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def append(self, entry: AuditEntry) -> None:
        """Chain and insert a row; while the writer holds its lock no other can come between."""
        previous = self._newest_hash()
        self._connection.execute(
            "INSERT INTO audit (project_guid, subject, body, hash) VALUES (?, ?, ?, ?)",
            (entry.project_guid, entry.subject, text(entry), entry.chained(previous)),
        )

    def _newest_hash(self) -> bytes:
        """Return the hash that the next row builds on; after a pruning of all rows a statement holds it."""
        for query in (_NEWEST, _NEWEST_PRUNED):
            row = self._connection.execute(query).fetchone()
            if row is not None:
                newest: bytes = row[0]
                return newest
        return GENESIS

    def page(self, page: Page, *, project_guid: str = "", subject: str = "") -> Listing[AuditEntry]:
        """Return a page, oldest first."""
        wanted = Filter("1 = 1")
        if project_guid:
            wanted.add("project_guid = ?", project_guid)
        if subject:
            wanted.add("subject = ?", subject)
        return wanted.page(self._connection, "SELECT seq, body FROM audit", page, make=_entry)

    def newest(
        self, *, project_guid: str, subject: str, before: int, most: int
    ) -> Sequence[tuple[int, AuditEntry]]:
        """Return rows about a subject with their numbers, the newest first; see the port."""
        rows = self._connection.execute(
            "SELECT seq, body FROM audit WHERE subject = ? AND project_guid = ? AND seq < ?"
            " ORDER BY seq DESC LIMIT ?",
            (subject, project_guid, before, most),
        )
        return tuple((seq, value(AuditEntry, body)) for seq, body in rows)

    def rows(self, *, after: int, most: int) -> Sequence[ChainedRow]:
        """Return rows as they stand in the chain; see the port."""
        rows = self._connection.execute(f"{_CHAINED} WHERE seq > ? ORDER BY seq LIMIT ?", (after, most))
        return tuple(_chained(row) for row in rows)

    def row(self, seq: int) -> ChainedRow | None:
        """Return one row."""
        row = self._connection.execute(f"{_CHAINED} WHERE seq = ?", (seq,)).fetchone()
        return _chained(row) if row else None

    def verify(self) -> int | None:
        """Walk the chain; return the number of the first row that does not fit, or is missing."""
        pruned = newest_pruned(self.statements())
        walk = Walk(after=pruned.seq, before=pruned.hash) if pruned else Walk()
        while step := self.rows(after=walk.place[0], most=_STEP):
            for row in step:
                if not walk.step(row):
                    return walk.report().seq
        walk.missing(self.ever_added(), "")
        return walk.report().seq if walk.problem else None

    def ever_added(self) -> int:
        """Return how many rows there once were: the database counts them beside the table."""
        row = self._connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'audit'").fetchone()
        return int(row[0]) if row else 0

    def state(self, statement: Statement) -> None:
        """Keep a statement; one that is there already stays."""
        self._connection.execute(
            "INSERT INTO audit_statements (seq, kind, first, before, hash, at, public_key, signature)"
            " VALUES (:seq, :kind, :first, :before, :hash, :at, :public_key, :signature)"
            " ON CONFLICT (seq, kind) DO NOTHING",
            _cells(statement),
        )

    def restate(self, statement: Statement) -> None:
        """Replace a statement; see the port. Signing it anew changes nothing about the rows."""
        self._connection.execute(
            "UPDATE audit_statements SET first = :first, before = :before, hash = :hash, at = :at,"
            " public_key = :public_key, signature = :signature WHERE seq = :seq AND kind = :kind",
            _cells(statement),
        )

    def drop_signer(self, public_key: str) -> None:
        """Let go of a signing key; see the port."""
        self._connection.execute("DELETE FROM audit_signers WHERE public_key = ?", (public_key,))

    def statements(self) -> Sequence[Statement]:
        """Return all statements in order of the rows that they end with."""
        rows = self._connection.execute(
            "SELECT kind, first, before, seq, hash, at, public_key, signature"
            " FROM audit_statements ORDER BY seq, kind"
        )
        return tuple(_statement(row) for row in rows)

    def prune(self, *, upto: int, most: int) -> int:
        """Delete the oldest rows; see the port."""
        found = self._connection.execute(
            "DELETE FROM audit WHERE seq IN (SELECT seq FROM audit WHERE seq <= ? ORDER BY seq LIMIT ?)",
            (upto, most),
        )
        self._connection.execute(
            "DELETE FROM audit_statements WHERE seq < ? AND kind IN ('head', 'pruned')", (upto,)
        )
        return found.rowcount

    def add_signer(self, public_key: str, sealed: bytes, *, at: datetime) -> None:
        """Keep a signing key, sealed."""
        key_id = noted_key(self._connection, sealed)
        self._connection.execute(
            "INSERT INTO audit_signers (public_key, created_at, sealed, key_id) VALUES (?, ?, ?, ?)",
            (public_key, micros(at), sealed, key_id),
        )

    def signers(self) -> Sequence[tuple[str, bytes]]:
        """Return all signing keys, the newest first: public, and private sealed."""
        rows = self._connection.execute(
            "SELECT public_key, sealed FROM audit_signers ORDER BY created_at DESC, public_key"
        )
        return tuple((public_key, sealed) for public_key, sealed in rows)


def _entry(row: Row) -> AuditEntry:
    return value(AuditEntry, row[1])


def _chained(row: Row) -> ChainedRow:
    seq, project_guid, subject, body, kept = row
    try:
        entry: AuditEntry | None = value(AuditEntry, body)
    except msgspec.DecodeError:
        entry = None
    if entry is not None and (entry.project_guid, entry.subject) != (project_guid, subject):
        entry = None
    return ChainedRow(seq, entry, kept)


def _cells(statement: Statement) -> dict[str, object]:
    return {
        "seq": statement.seq,
        "kind": statement.kind,
        "first": statement.first,
        "before": statement.before,
        "hash": statement.hash,
        "at": statement.at.isoformat(),
        "public_key": statement.public_key,
        "signature": statement.signature,
    }


def _statement(row: Row) -> Statement:
    kind, first, before, seq, digest, at, public_key, signature = row
    return Statement(
        kind, first, before, seq, digest, datetime.fromisoformat(at), public_key, signature=signature
    )
