"""The rows of every table, once for all databases: SQL that SQLite and PostgreSQL both understand."""

from towline.store.rows.transaction import AllRows

__all__ = ["AllRows"]
