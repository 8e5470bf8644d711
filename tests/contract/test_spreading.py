"""Work of many names that servers on one database share out among themselves."""

import asyncio
import contextlib
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from towline.services.bell import LocalBell
from towline.services.leading import Leading
from towline.services.spreading import Spreading

LEASE = 1.0
PIECES = ("a", "b", "c", "d", "e", "f", "g")


class Land:
    """Who does what, and whether two ever did the same."""

    def __init__(self):
        self.names = set(PIECES)
        self.done_by = {}
        self.changed = asyncio.Event()
        self.doubled = []

    def work(self, owner, name):
        async def run():
            if name in self.done_by:
                self.doubled.append((name, owner, self.done_by[name]))
            self.done_by[name] = owner
            self.changed.set()
            try:
                await asyncio.Event().wait()
            finally:
                del self.done_by[name]
                self.changed.set()

        return run

    async def until(self, *counts):
        """Wait until servers do so many pieces each."""
        async with asyncio.timeout(60):
            while sorted(Counter(self.done_by.values()).values()) != sorted(counts):
                self.changed.clear()
                await self.changed.wait()


class Server:
    """One that takes its share."""

    def __init__(self, land, store, owner):
        self.bell = LocalBell()
        self.spreading = Spreading(
            "piece",
            leading=Leading(store=store, clock=lambda: datetime.now(UTC), owner=owner, lease=LEASE),
            store=store,
            bell=self.bell,
            clock=lambda: datetime.now(UTC),
            named=lambda: land.names,
            work=lambda name: land.work(owner, name),
        )
        self.task = asyncio.create_task(self.spreading.run())

    async def leave(self):
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


@pytest.fixture
async def land():
    return Land()


async def test_work_is_shared_out_evenly_as_servers_and_names_come_and_go(shared, land):
    servers = [Server(land, await shared.open(), "one")]
    await land.until(7)
    servers.append(Server(land, await shared.open(), "two"))
    await land.until(3, 4)
    servers.append(Server(land, await shared.open(), "three"))
    await land.until(2, 2, 3)
    land.names -= {"a", "b"}
    await land.until(1, 2, 2)
    land.names.add("h")
    await land.until(2, 2, 2)
    assert land.done_by.keys() == land.names
    await servers.pop(0).leave()
    await land.until(3, 3)
    for server in servers:
        await server.leave()
    assert land.done_by == {}
    assert land.doubled == []


async def test_who_died_is_counted_until_its_leases_run_out_and_then_no_more(shared, land):
    store, end = await shared.open(), datetime.now(UTC) + timedelta(seconds=LEASE)

    def change(tx):
        for name in ("server dead", "piece a", "piece b", "piece c", "piece d"):
            tx.leases.take(name, "dead", now=datetime.now(UTC), until=end)

    await store.write(change)
    server = Server(land, store, "zoe")  # in order of names she comes second, and has the smaller half
    await land.until(3)
    assert land.done_by.keys() == {"e", "f", "g"}
    await land.until(7)
    assert datetime.now(UTC) >= end
    await server.leave()
