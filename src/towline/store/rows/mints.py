"""Rows of parent credentials, and of when the logins minted from them are renewed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from towline.ports import Binding, DueRenewal, MintRecord
from towline.store.rows.codec import micros, moment
from towline.store.rows.connection import Connection
from towline.store.rows.keys import noted_key
from towline.store.rows.paging import counted


class Mints:
    """The port ``MintRows``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, record: MintRecord, *, due: datetime) -> None:
        """Insert or replace; see the port."""
        binding, key_id = record.binding, noted_key(self._connection, record.sealed)
        self._connection.execute(
            "INSERT INTO mints (secret_guid, project_guid, guid, sealed, key_id, due_at)"
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (secret_guid) DO UPDATE SET guid = excluded.guid,"
            " sealed = excluded.sealed, key_id = excluded.key_id, due_at = excluded.due_at",
            (
                record.secret_guid,
                binding.project_guid,
                binding.secret_guid,
                record.sealed,
                key_id,
                micros(due),
            ),
        )

    def get(self, secret_guid: str) -> MintRecord | None:
        """Return a parent credential; see the port."""
        row = self._connection.execute(
            "SELECT project_guid, guid, sealed FROM mints WHERE secret_guid = ?", (secret_guid,)
        ).fetchone()
        if row is None:
            return None
        project_guid, guid, sealed = row
        return MintRecord(secret_guid, Binding(project_guid, guid, version=1), sealed)

    def due(self, secret_guid: str, due: datetime) -> None:
        """Set when a login is renewed."""
        self._connection.execute(
            "UPDATE mints SET due_at = ? WHERE secret_guid = ?", (micros(due), secret_guid)
        )

    def remove(self, secret_guid: str) -> None:
        """Forget a parent credential."""
        self._connection.execute("DELETE FROM mints WHERE secret_guid = ?", (secret_guid,))

    def claim(self, *, now: datetime, until: datetime, most: int) -> Sequence[DueRenewal]:
        """Take renewals that are due; see the port."""
        rows = self._connection.execute(
            "UPDATE mints SET due_at = ?1 WHERE secret_guid IN"
            " (SELECT secret_guid FROM mints WHERE due_at <= ?2 ORDER BY due_at LIMIT ?3)"
            " RETURNING project_guid, secret_guid",
            (micros(until), micros(now), most),
        )
        return tuple(DueRenewal(project_guid, guid) for project_guid, guid in rows)

    def waiting(self, now: datetime) -> int:
        """Return how many renewals are due."""
        return counted(self._connection, "SELECT count(*) FROM mints WHERE due_at <= ?", micros(now))

    def next_due(self) -> datetime | None:
        """Return when the next renewal is due."""
        (due,) = self._connection.execute("SELECT min(due_at) FROM mints").fetchone()
        return None if due is None else moment(due)
