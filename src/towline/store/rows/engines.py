"""Rows of engines and of defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from towline.domain.engine import EngineRecord
from towline.store.rows.codec import text, value
from towline.store.rows.connection import Connection
from towline.store.rows.keys import noted_key
from towline.store.rows.settings import Settings
from towline.store.rows.uniqueness import unique

_DEFAULT = "default-engine"
"""The installation's default is a setting; each project's is a row that goes with the project."""


class Engines:
    """The port ``EngineRows``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, record: EngineRecord, sealed: bytes) -> None:
        """Insert an engine with its keys; raise Conflict if the name is taken."""
        key_id = noted_key(self._connection, sealed)
        with unique(f"an engine {record.name!r} exists"):
            self._connection.execute(
                "INSERT INTO engines (guid, name, body, sealed, key_id) VALUES (?, ?, ?, ?, ?)",
                (record.guid, record.name, text(record), sealed, key_id),
            )

    def all(self) -> Sequence[tuple[EngineRecord, bytes]]:
        """Return all engines with their sealed keys, by name."""
        rows = self._connection.execute("SELECT body, sealed FROM engines ORDER BY name")
        return tuple((value(EngineRecord, body), sealed) for body, sealed in rows)

    def remove(self, name: str) -> None:
        """Delete an engine, and the defaults that name it."""
        self._connection.execute("DELETE FROM engines WHERE name = ?", (name,))
        self._connection.execute("DELETE FROM engine_defaults WHERE engine = ?", (name,))
        if self.default() == name:
            self.set_default("")

    def default(self, project_guid: str = "") -> str:
        """Return a project's default, or the installation's; empty where none was set."""
        if not project_guid:
            return Settings(self._connection).get(_DEFAULT) or ""
        row = self._connection.execute(
            "SELECT engine FROM engine_defaults WHERE project_guid = ?", (project_guid,)
        ).fetchone()
        return row[0] if row else ""

    def set_default(self, name: str, project_guid: str = "") -> None:
        """Set a default, or take it back with an empty name."""
        if not project_guid:
            Settings(self._connection).put(_DEFAULT, name or None)
            return
        self._connection.execute("DELETE FROM engine_defaults WHERE project_guid = ?", (project_guid,))
        if name:
            self._connection.execute(
                "INSERT INTO engine_defaults (project_guid, engine) VALUES (?, ?)", (project_guid, name)
            )

    def defaults_of_projects(self) -> Mapping[str, str]:
        """Return the default engine of each project that has one."""
        return dict(self._connection.execute("SELECT project_guid, engine FROM engine_defaults").fetchall())
