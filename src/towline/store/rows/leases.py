"""Rows of leases: work that one server at a time does for all."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from towline.ports.record_rows import Held
from towline.store.rows.codec import micros, moment
from towline.store.rows.connection import Connection

_TAKE = """
INSERT INTO leases (name, owner, expires_at, epoch) VALUES (:name, :owner, :until, 1)
ON CONFLICT (name) DO UPDATE SET
  epoch      = CASE WHEN leases.owner = excluded.owner THEN leases.epoch ELSE leases.epoch + 1 END,
  owner      = excluded.owner,
  expires_at = excluded.expires_at
WHERE leases.owner = excluded.owner OR leases.expires_at <= :now
RETURNING epoch
"""


class Leases:
    """The port ``LeaseRows``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def take(self, name: str, owner: str, *, now: datetime, until: datetime) -> int | None:
        """Take or renew a lease; see the port."""
        wanted = {"name": name, "owner": owner, "now": micros(now), "until": micros(until)}
        rows = self._connection.execute(_TAKE, wanted).fetchall()
        return int(rows[0][0]) if rows else None

    def end(self, name: str) -> datetime | None:
        """Return when a lease runs out; see the port."""
        row = self._connection.execute("SELECT expires_at FROM leases WHERE name = ?", (name,)).fetchone()
        return moment(row[0]) if row else None

    def give_back(self, name: str, owner: str) -> None:
        """Let others take it at once; see the port."""
        self._connection.execute(
            "UPDATE leases SET expires_at = 0 WHERE name = ? AND owner = ?", (name, owner)
        )

    def drop(self, name: str, owner: str) -> None:
        """Give it back and forget it; see the port."""
        self._connection.execute("DELETE FROM leases WHERE name = ? AND owner = ?", (name, owner))

    def holders(self, prefix: str, *, now: datetime) -> Mapping[str, Held]:
        """Return who has the leases whose names begin so; see the port."""
        rows = self._connection.execute(
            "SELECT name, owner, expires_at FROM leases"
            " WHERE substr(name, 1, ?) = ? AND expires_at > ? ORDER BY name",
            (len(prefix), prefix, micros(now)),
        ).fetchall()
        return {name[len(prefix) :]: Held(owner, moment(until)) for name, owner, until in rows}
