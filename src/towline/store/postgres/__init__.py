"""The store on PostgreSQL; imported only where it is used, as its library is an extra."""

from towline.store.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
