"""Turns at a registry that several servers share: each on a store and a bell of its own, as processes are."""

import asyncio
from datetime import timedelta

import pytest

from towline.services.bell import LocalBell
from towline.services.registry_turns import RegistryTurnsOfAll
from towline.store.postgres import PostgresStore
from towline.store.postgres.bell import PostgresBell
from towline.wiring import utc_now

MOST = 3
PLACE = "https://registry.example.com"


class Registry:
    """Counts who asks at once, and how often each server did."""

    def __init__(self):
        self.inside = self.most = 0
        self.asked = {}
        self.met = asyncio.Event()
        """Set once two servers were here."""

    async def ask(self, turns, name):
        """Ask a question that takes as long as a short way through a network."""
        async with turns.at(PLACE):
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.asked[name] = self.asked.get(name, 0) + 1
            if len(self.asked) > 1:
                self.met.set()
            await asyncio.sleep(0.005)
            self.inside -= 1


@pytest.fixture
async def servers(postgres_address):
    made, closing = {}, []
    for name in ("a", "b", "c", "d"):
        store = await PostgresStore.open(postgres_address, connections=2)
        bell = PostgresBell(postgres_address, LocalBell())
        made[name] = RegistryTurnsOfAll(store=store, bell=bell, clock=utc_now, owner=name, most=MOST)
        closing += [made[name].close, bell.close, store.close]
    made["store"] = store
    yield made
    for close in closing:
        await close()


async def leases(store):
    return await store.read(lambda tx: tx.leases.holders("registry ", now=utc_now()))


async def test_four_servers_ask_as_much_at_once_as_one_may_and_each_gets_its_turn(servers):
    registry, stop = Registry(), asyncio.Event()

    async def busy(name):
        while not stop.is_set():
            await registry.ask(servers[name], name)

    early = [asyncio.create_task(busy(name)) for name in "aaaaabbbbb"]
    await registry.met.wait()
    async with asyncio.timeout(60):  # though there are always some who wait at the other two
        await asyncio.gather(*(registry.ask(servers[name], name) for name in "cd" * 5))
    stop.set()
    await asyncio.gather(*early)
    assert registry.most == MOST


async def test_what_nobody_uses_is_given_back_and_the_turns_of_who_died_run_out(servers):
    store, end = servers["store"], utc_now() + timedelta(seconds=0.5)
    for number in range(MOST):
        name = f"registry {PLACE} {number}"
        await store.write(lambda tx, name=name: tx.leases.take(name, "dead", now=utc_now(), until=end))
    registry = Registry()
    await registry.ask(servers["a"], "a")
    assert utc_now() >= end
    async with asyncio.timeout(60):
        while await leases(store):  # noqa: ASYNC110  (rows in a database ring no bell)
            await asyncio.sleep(0.05)


async def test_who_gives_up_waiting_leaves_the_turn_to_the_next(servers):
    turns, registry = servers["a"], Registry()
    async with turns.at(PLACE), turns.at(PLACE), turns.at(PLACE):
        gone = asyncio.create_task(registry.ask(turns, "gone"))
        next_one = asyncio.create_task(registry.ask(turns, "next"))
        await asyncio.sleep(0)
        gone.cancel()
    await next_one
    assert registry.asked == {"next": 1}
