"""Rows of mirrors and of how they fare."""

from __future__ import annotations

from collections.abc import Sequence

from towline.domain.mirror import Mirror, MirrorPlace
from towline.store.rows.codec import text, value
from towline.store.rows.connection import Connection


class Mirrors:
    """The port ``MirrorRows``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, mirror: Mirror) -> None:
        """Insert or replace."""
        self._connection.execute(
            "INSERT INTO mirrors (guid, project_guid, secret_guid, body) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (guid) DO UPDATE SET body = excluded.body",
            (mirror.guid, mirror.project_guid, mirror.secret_guid, text(mirror)),
        )

    def get(self, guid: str) -> Mirror | None:
        """Return one."""
        row = self._connection.execute("SELECT body FROM mirrors WHERE guid = ?", (guid,)).fetchone()
        return value(Mirror, row[0]) if row else None

    def all(self) -> Sequence[Mirror]:
        """Return every mirror there is; see the port."""
        rows = self._connection.execute("SELECT body FROM mirrors ORDER BY guid")
        return tuple(value(Mirror, body) for (body,) in rows)

    def of_secret(self, secret_guid: str) -> Sequence[Mirror]:
        """Return a secret's mirrors; see the port."""
        rows = self._connection.execute(
            "SELECT body FROM mirrors WHERE secret_guid = ? ORDER BY guid", (secret_guid,)
        )
        return tuple(value(Mirror, body) for (body,) in rows)

    def remove(self, guid: str) -> None:
        """Forget a mirror and its places."""
        self._connection.execute("DELETE FROM mirrors WHERE guid = ?", (guid,))

    def places(self, guid: str) -> Sequence[MirrorPlace]:
        """Return how a mirror fares, by namespace."""
        rows = self._connection.execute(
            "SELECT body FROM mirror_places WHERE mirror_guid = ? ORDER BY namespace", (guid,)
        )
        return tuple(value(MirrorPlace, body) for (body,) in rows)

    def set_places(self, guid: str, places: Sequence[MirrorPlace]) -> None:
        """Put how a mirror fares in place, as a whole; of one that is gone nothing is kept."""
        self._connection.execute("DELETE FROM mirror_places WHERE mirror_guid = ?", (guid,))
        if self.get(guid) is None:
            return
        self._connection.executemany(
            "INSERT INTO mirror_places (mirror_guid, namespace, body) VALUES (?, ?, ?)",
            [(guid, place.namespace, text(place)) for place in places],
        )
