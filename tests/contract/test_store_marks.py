"""What all servers count together: marks, and the throttle of logins on them."""

from datetime import timedelta

import pytest
from store_samples import later

from parts.fakes import ManualClock
from towline.domain.errors import Throttled
from towline.ports.record_rows import Held
from towline.services.throttle import MOST_PER_ACCOUNT, WINDOW, SharedThrottle

PEER = "192.0.2.1"


async def mark(store, key, *, at, lasts=10):
    await store.write(lambda tx: tx.marks.add("try", key, at=later(at), until=later(at + lasts)))


async def counted(store, key, *, at):
    return await store.read(lambda tx: tx.marks.counted("try", key, now=later(at)))


async def test_marks_count_by_kind_and_key_until_they_run_out(bare_store):
    for at in (2, 0, 1):
        await mark(bare_store, "a", at=at)
    await mark(bare_store, "b", at=0)
    assert await counted(bare_store, "a", at=5) == (later(0), later(1), later(2))
    assert await counted(bare_store, "a", at=11) == (later(2),)
    assert await bare_store.write(lambda tx: tx.marks.expire(later(11))) == 3
    assert await counted(bare_store, "a", at=5) == (later(2),)


async def test_the_newest_or_all_marks_of_a_key_are_removed(bare_store):
    for at in (0, 1, 2):
        await mark(bare_store, "a", at=at)
    await mark(bare_store, "b", at=0)
    await bare_store.write(lambda tx: tx.marks.remove("try", "a", newest=1))
    assert await counted(bare_store, "a", at=3) == (later(0), later(1))
    await bare_store.write(lambda tx: tx.marks.remove("try", "a"))
    assert await counted(bare_store, "a", at=3) == ()
    assert await counted(bare_store, "b", at=3) == (later(0),)


async def test_two_servers_give_no_more_tries_than_one(shared):
    clock = ManualClock()
    one, other = [SharedThrottle(store=await shared.open(), clock=clock) for _ in range(2)]
    for _ in range(MOST_PER_ACCOUNT // 2):
        await one.enter("a@example.com", PEER)
        await other.enter("a@example.com", PEER)
    for server in (one, other):
        with pytest.raises(Throttled, match="too many failed logins; try again in 300 s"):
            await server.enter("a@example.com", PEER)
    await one.enter("a@example.com", "198.51.100.1")
    clock.advance(seconds=WINDOW.total_seconds())
    await other.enter("a@example.com", PEER)


async def test_what_succeeds_is_forgiven_for_all_servers_and_nobodys_address_is_kept(shared):
    clock = ManualClock()
    store = await shared.open()
    one, other = [SharedThrottle(store=each, clock=clock) for each in (store, await shared.open())]
    for _ in range(MOST_PER_ACCOUNT * 6):  # more than a peer may fail: each is forgiven
        await one.enter("typed-by-mistake", PEER)
        await other.forgive("typed-by-mistake", PEER)
    for _ in range(MOST_PER_ACCOUNT):
        await one.enter("b@example.com", PEER)
    await other.take_back("b@example.com", PEER)
    await one.enter("b@example.com", PEER)
    with pytest.raises(Throttled):
        await one.enter("b@example.com", PEER)


async def test_leases_are_told_by_their_beginning_while_they_last(bare_store):
    def change(tx):
        for name, owner in (("server/a", "a"), ("server/b", "b"), ("other", "a")):
            tx.leases.take(name, owner, now=later(0), until=later(10))
        tx.leases.take("server/c", "c", now=later(0), until=later(1))

    await bare_store.write(change)
    found = await bare_store.read(lambda tx: tx.leases.holders("server/", now=later(5)))
    assert found == {"a": Held("a", later(10)), "b": Held("b", later(10))}
    await bare_store.write(lambda tx: tx.leases.drop("server/a", "b"))
    await bare_store.write(lambda tx: tx.leases.drop("server/b", "b"))
    left = await bare_store.read(lambda tx: tx.leases.holders("server/", now=later(5)))
    assert list(left) == ["a"]
    again = await bare_store.write(
        lambda tx: tx.leases.take("server/b", "x", now=later(5), until=later(5) + timedelta(seconds=1))
    )
    assert again == 1
