"""The bell of one process: who listens hears a ring once, and can always be cancelled."""

import asyncio

import pytest

from towline.services.bell import LocalBell

LONG, SHORT = 60.0, 0.01


async def test_a_ring_before_the_wait_is_heard_once():
    bell = LocalBell()
    listener = bell.listen()
    bell.ring()
    assert await listener.heard(LONG)
    assert not await listener.heard(SHORT)


async def test_a_ring_ends_the_wait_of_every_listener():
    bell = LocalBell()
    listeners = [bell.listen(), bell.listen()]
    waits = [asyncio.create_task(each.heard(LONG)) for each in listeners]
    await asyncio.sleep(0)
    bell.ring()
    assert await asyncio.gather(*waits) == [True, True]


async def test_a_listener_cancelled_as_it_rings_is_cancelled():
    bell = LocalBell()
    listener = bell.listen()
    wait = asyncio.create_task(listener.heard(LONG))
    for _ in range(3):
        await asyncio.sleep(0)
    bell.ring()
    wait.cancel()
    with pytest.raises(asyncio.CancelledError):
        await wait
