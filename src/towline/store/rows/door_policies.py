"""Rows of what projects allow at their doors."""

from __future__ import annotations

from towline.domain.doors import DoorPolicy
from towline.store.rows.codec import text, value
from towline.store.rows.connection import Connection


class DoorPolicies:
    """The port ``DoorPolicyRows``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, project_guid: str) -> DoorPolicy:
        """Return a project's policy; the default where none was set."""
        row = self._connection.execute(
            "SELECT body FROM door_policies WHERE project_guid = ?", (project_guid,)
        ).fetchone()
        return value(DoorPolicy, row[0]) if row else DoorPolicy()

    def put(self, project_guid: str, policy: DoorPolicy) -> None:
        """Insert or replace."""
        self._connection.execute(
            "INSERT INTO door_policies (project_guid, body) VALUES (?, ?)"
            " ON CONFLICT (project_guid) DO UPDATE SET body = excluded.body",
            (project_guid, text(policy)),
        )
