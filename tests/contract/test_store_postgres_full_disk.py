"""PostgreSQL whose disk is full: a tablespace of its own on a small one."""

import os
import pwd
import shutil
from pathlib import Path
from tempfile import mkdtemp

import pytest
from psycopg import sql
from store_samples import settle_in

from parts.disks import fill, small_disk
from parts.postgres import connected
from towline.domain.errors import StoreFull
from towline.store.postgres import PostgresStore

MEGABYTES = 32


@pytest.fixture
def place():
    """A small disk that PostgreSQL may use."""
    folder = Path(mkdtemp(prefix="towline-disk-"))
    folder.chmod(0o755)
    with small_disk(folder / "small", MEGABYTES):
        if os.geteuid() == 0:
            shutil.chown(folder / "small", pwd.getpwnam("nobody").pw_uid)
        yield folder / "small"
    shutil.rmtree(folder)


@pytest.fixture
def address(postgres_server, place):
    """A database on it."""
    postgres_server.run(sql.SQL("CREATE TABLESPACE small LOCATION {}").format(str(place)))
    made = postgres_server.database(template="model")
    with connected(postgres_server.address()) as connection:
        name = sql.Identifier(made.url.rpartition("/")[2])
        connection.execute(sql.SQL("ALTER DATABASE {} SET TABLESPACE small").format(name))
    yield made
    postgres_server.drop(made)
    postgres_server.run(b"DROP TABLESPACE small")


async def test_reads_go_on_writes_say_so_and_nothing_is_lost_when_there_is_room_again(address, place):
    store = await PostgresStore.open(address, connections=2)
    await store.write(settle_in)
    await store.write(lambda tx: tx.settings.put("before", "kept"))
    filler = fill(place)

    async def keep(number):
        await store.write(lambda tx: tx.settings.put(f"n{number}", "v" * 7_000))

    kept = 0

    async def keep_on():
        nonlocal kept
        while True:  # there is room left in the pages that it has
            await keep(kept)
            kept += 1

    with pytest.raises(StoreFull) as told:
        await keep_on()
    assert "Make room" in str(told.value)
    assert await store.read(lambda tx: tx.settings.get("before")) == "kept"
    with pytest.raises(StoreFull):  # and the same change again is refused again, not half kept
        await keep(kept)
    assert await store.read(lambda tx: tx.settings.get(f"n{kept}")) is None
    filler.unlink()
    await keep(kept)
    for number in range(kept + 1):
        assert await store.read(lambda tx, name=f"n{number}": tx.settings.get(name)), number
    await store.close()
