"""What holds for all tests."""

import gc
from collections.abc import Iterator

import pytest
from hypothesis import settings

from parts import postgres
from parts.require import require
from towline.store.address import DatabaseAddress

# How long an example takes is the machine's affair; timings belong in bench.
settings.register_profile("towline", deadline=None)
settings.load_profile("towline")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Look for no garbage while tests are collected, nor ever among them: all of that stays."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.PostgresServer]:
    """A PostgreSQL server with the database ``model``, which has our tables."""
    require("PostgreSQL")
    with postgres.running_server() as server:
        server.make_model()
        yield server


@pytest.fixture
def postgres_address(postgres_server: postgres.PostgresServer) -> Iterator[DatabaseAddress]:
    """A database in PostgreSQL with our tables and nothing in them."""
    address = postgres_server.database(template="model")
    yield address
    postgres_server.leave(address)
