"""Every implementation of the port Store, one after the other."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from store_samples import settle_in

from towline.ports import Store
from towline.store.address import DatabaseAddress
from towline.store.postgres import PostgresStore
from towline.store.sqlite import SqliteStore


@dataclass
class Database:
    """A place that any number of stores can be opened on; None is a fresh one in memory for each."""

    place: Path | DatabaseAddress | None
    closing: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def open(self) -> Store:
        """Return a further store on it."""
        if isinstance(self.place, DatabaseAddress):
            store: Store = await PostgresStore.open(self.place, connections=4)
        else:
            store = await SqliteStore.open(self.place)
        self.closing.push_async_callback(store.close)
        return store


@pytest.fixture(params=["memory", "file", "postgresql"])
async def database(request, tmp_path) -> AsyncIterator[Database]:
    """A database of each kind."""
    places = {"memory": lambda: None, "file": lambda: tmp_path / "towline.db"}
    lasting = {"postgresql": lambda: request.getfixturevalue("postgres_address")}
    made = Database({**places, **lasting}[request.param]())
    async with made.closing:
        yield made


@pytest.fixture(params=["file", "postgresql"])
async def shared(request, tmp_path) -> AsyncIterator[Database]:
    """A database of each kind that several processes can use."""
    lasting = request.param == "postgresql"
    made = Database(request.getfixturevalue("postgres_address") if lasting else tmp_path / "towline.db")
    async with made.closing:
        yield made


@pytest.fixture(params=["memory", "file"])
async def sqlite_store(request, tmp_path) -> AsyncIterator[SqliteStore]:
    """A store with users and projects on SQLite, for what is so there alone."""
    made = await SqliteStore.open(tmp_path / "towline.db" if request.param == "file" else None)
    await made.write(settle_in)
    yield made
    await made.close()


@pytest.fixture
async def postgres_store(postgres_address) -> AsyncIterator[PostgresStore]:
    """A store with users and projects on PostgreSQL, for what is so there alone."""
    made = await PostgresStore.open(postgres_address, connections=4)
    await made.write(settle_in)
    yield made
    await made.close()


@pytest.fixture
async def bare_store(database: Database) -> Store:
    """A store with nothing in it."""
    return await database.open()


@pytest.fixture
async def store(bare_store: Store) -> Store:
    """A store with two users, an organization and two projects."""
    await bare_store.write(settle_in)
    return bare_store
