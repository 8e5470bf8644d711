"""Facts about the installation."""

from __future__ import annotations

from towline.store.rows.connection import Connection


class Settings:
    """The port ``SettingRows``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, name: str) -> str | None:
        """Return a setting."""
        row = self._connection.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def put(self, name: str, value: str | None) -> None:
        """Set it, or delete it with None."""
        if value is None:
            self._connection.execute("DELETE FROM settings WHERE name = ?", (name,))
            return
        self._connection.execute(
            "INSERT INTO settings (name, value) VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, value),
        )
