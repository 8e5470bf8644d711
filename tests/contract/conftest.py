"""Every implementation of the port Store, one after the other."""

from collections.abc import AsyncIterator

import pytest
from store_samples import settle_in

from towline.ports import Store
from towline.store.sqlite import SqliteStore


@pytest.fixture(params=["memory", "file"])
async def bare_store(request, tmp_path) -> AsyncIterator[Store]:
    """A store with nothing in it."""
    made = await SqliteStore.open(None if request.param == "memory" else tmp_path / "towline.db")
    yield made
    await made.close()


@pytest.fixture
async def store(bare_store: Store) -> Store:
    """A store with two users, an organization and two projects."""
    await bare_store.write(settle_in)
    return bare_store
