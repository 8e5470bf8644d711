"""The bell that servers on one PostgreSQL share."""

import asyncio

import pytest

from parts.postgres import connected
from towline.services.bell import LocalBell
from towline.store.postgres.bell import PostgresBell

KILL_OTHERS = b"""
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@pytest.fixture
async def bells(postgres_address):
    made = [PostgresBell(postgres_address, LocalBell()) for _ in range(2)]
    yield made
    for bell in made:
        await bell.close()


async def quiet(listener):
    """Wait until the ring of the new connection was heard."""
    assert await listener.heard(30)


async def test_a_ring_is_heard_by_every_server_and_at_once_by_its_own(bells):
    here, there = (bell.listen() for bell in bells)
    await quiet(here)
    await quiet(there)
    bells[0].ring()
    assert await here.heard(0)
    assert await there.heard(30)


async def test_many_rings_at_once_are_all_heard_as_one_or_more(bells):
    there = bells[1].listen()
    await quiet(there)
    for _ in range(10_000):
        bells[0].ring()
    assert await there.heard(30)


async def test_whoever_lost_the_connection_rings_for_itself_and_hears_again(bells, postgres_address):
    there = bells[1].listen()
    await quiet(there)
    with connected(postgres_address) as killer:
        await asyncio.to_thread(killer.execute, KILL_OTHERS)
    assert await there.heard(30)
    bells[0].ring()
    assert await there.heard(30)


async def test_words_reach_the_other_servers_and_ring_nothing(bells):
    heard, there = asyncio.Queue(), bells[1].listen()
    await quiet(there)
    bells[1].on("people", heard.put_nowait)
    bells[0].on("people", lambda text: pytest.fail(f"it heard itself: {text}"))
    bells[0].tell("people", "")
    bells[0].tell("other", "nobody listens")
    bells[0].tell("people", "two words")
    async with asyncio.timeout(30):
        assert [await heard.get(), await heard.get()] == ["", "two words"]
    assert not await there.heard(0)


async def test_what_was_told_before_the_end_is_told(bells, postgres_address):
    heard, leaving = asyncio.Queue(), PostgresBell(postgres_address, LocalBell())
    await quiet(bells[0].listen())
    bells[0].on("people", heard.put_nowait)
    leaving.tell("people", "farewell")
    await leaving.close()
    async with asyncio.timeout(30):
        assert await heard.get() == "farewell"
