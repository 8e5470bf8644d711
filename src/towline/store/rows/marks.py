"""Rows of marks: what all servers count together, for a while."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from towline.store.rows.codec import micros, moment
from towline.store.rows.connection import Connection


class Marks:
    """The port ``MarkRows``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, kind: str, key: str, *, at: datetime, until: datetime) -> None:
        """Insert one; see the port."""
        self._connection.execute(
            "INSERT INTO marks (kind, key, at, expires_at) VALUES (?, ?, ?, ?)",
            (kind, key, micros(at), micros(until)),
        )

    def counted(self, kind: str, key: str, *, now: datetime) -> Sequence[datetime]:
        """Return when those that count were made, the oldest first; see the port."""
        rows = self._connection.execute(
            "SELECT at FROM marks WHERE kind = ? AND key = ? AND expires_at > ? ORDER BY at, seq",
            (kind, key, micros(now)),
        ).fetchall()
        return tuple(moment(at) for (at,) in rows)

    def remove(self, kind: str, key: str, *, newest: int | None = None) -> None:
        """Delete those of a key; see the port."""
        if newest is None:
            self._connection.execute("DELETE FROM marks WHERE kind = ? AND key = ?", (kind, key))
            return
        self._connection.execute(
            "DELETE FROM marks WHERE seq IN"
            " (SELECT seq FROM marks WHERE kind = ? AND key = ? ORDER BY at DESC, seq DESC LIMIT ?)",
            (kind, key, newest),
        )

    def expire(self, now: datetime) -> int:
        """Delete what counts no more; see the port."""
        return self._connection.execute("DELETE FROM marks WHERE expires_at <= ?", (micros(now),)).rowcount
