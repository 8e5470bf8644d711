"""Opens the database that the settings name: a SQLite file, or PostgreSQL where its library is installed."""

from __future__ import annotations

from pathlib import Path

from towline.domain.errors import InvalidInput
from towline.ports import Store
from towline.store.address import DatabaseAddress
from towline.store.sqlite import SqliteStore


async def opened(file: Path, address: DatabaseAddress | None, *, connections: int) -> Store:
    """Return the store at ``address``, else in ``file``; see their ``open``."""
    if address is None:
        return await SqliteStore.open(file)
    try:
        from towline.store.postgres import PostgresStore  # noqa: PLC0415  (an extra, loaded when used)
    except ImportError as error:
        raise InvalidInput(
            "database",
            problem=f"PostgreSQL needs the library {error.name}",
            rule="install it: pip install 'towline[postgresql]'",
        ) from error
    return await PostgresStore.open(address, connections=connections)
