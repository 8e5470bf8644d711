"""Opens the database that the settings name: a SQLite file, or PostgreSQL where its library is installed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from towline.domain.errors import Conflict, InvalidInput
from towline.ports import Bell, HearingBell, Store
from towline.store.address import DatabaseAddress
from towline.store.moving import BACKUP, MOVED, UNFINISHED
from towline.store.sqlite import SqliteStore


async def opened(file: Path, address: DatabaseAddress | None, *, connections: int) -> Store:
    """Return the store at ``address``, else in ``file``; see their ``open``.

    Raises Conflict for one that was moved elsewhere or into which a move is not finished.
    """
    if address is None:
        store: Store = await SqliteStore.open(file)
    else:
        with needing_postgresql():
            from towline.store.postgres import PostgresStore  # noqa: PLC0415  (loaded when used)
        store = await PostgresStore.open(address, connections=connections)
    try:
        await _check_moves(store)
    except BaseException:
        await store.close()
        raise
    return store


@contextmanager
def needing_postgresql() -> Iterator[None]:
    """Say what is missing where an import inside fails."""
    try:
        yield
    except ImportError as error:
        raise InvalidInput(
            "database",
            problem=f"PostgreSQL needs the library {error.name}",
            rule="install it: pip install 'towline[postgresql]'",
        ) from error


@asynccontextmanager
async def hung(local: HearingBell, address: DatabaseAddress | None) -> AsyncIterator[Bell]:
    """Yield the bell that is heard by every server on the database: ``local`` where there is one server."""
    if address is None:
        yield local
        return
    with needing_postgresql():
        from towline.store.postgres.bell import PostgresBell  # noqa: PLC0415  (loaded when used)
    bell = PostgresBell(address, local)
    try:
        yield bell
    finally:
        await bell.close()


async def _check_moves(store: Store) -> None:
    source, target = await store.read(lambda tx: (tx.settings.get(UNFINISHED), tx.settings.get(MOVED)))
    if source is not None and source.startswith(BACKUP):
        raise Conflict(
            f"this database holds a restoration that was not finished, of {source}: run towline admin restore"
            " with the same backup again, or empty the database"
        )
    if source is not None:
        raise Conflict(f"this database holds an unfinished move of {source}: run admin migrate-store again")
    if target is not None:
        raise Conflict(f"everything in this database was moved to {target}: start with that one")
