"""The store on SQLite."""

from towline.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
