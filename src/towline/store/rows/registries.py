"""Rows of registries' settings."""

from __future__ import annotations

from collections.abc import Sequence

from towline.domain.registry import RegistrySettings
from towline.store.rows.codec import text, value
from towline.store.rows.connection import Connection


class Registries:
    """The port ``RegistryRows``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, project_guid: str, settings: RegistrySettings) -> None:
        """Insert or replace."""
        self._connection.execute(
            "INSERT INTO registries (project_guid, netloc, body) VALUES (?, ?, ?)"
            " ON CONFLICT (project_guid, netloc) DO UPDATE SET body = excluded.body",
            (project_guid, settings.netloc, text(settings)),
        )

    def get(self, project_guid: str, netloc: str) -> RegistrySettings | None:
        """Return what was set for a registry."""
        row = self._connection.execute(
            "SELECT body FROM registries WHERE project_guid = ? AND netloc = ?", (project_guid, netloc)
        ).fetchone()
        return value(RegistrySettings, row[0]) if row else None

    def remove(self, project_guid: str, netloc: str) -> bool:
        """Delete; return whether there was anything."""
        removed = self._connection.execute(
            "DELETE FROM registries WHERE project_guid = ? AND netloc = ?", (project_guid, netloc)
        )
        return removed.rowcount > 0

    def all(self, project_guid: str) -> Sequence[RegistrySettings]:
        """Return all of a project, by host."""
        rows = self._connection.execute(
            "SELECT body FROM registries WHERE project_guid = ? ORDER BY netloc", (project_guid,)
        )
        return tuple(value(RegistrySettings, body) for (body,) in rows)
