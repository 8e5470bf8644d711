"""Leases on shared work, and deployments that live on one machine."""

import asyncio
import contextlib
from dataclasses import replace

import pytest
from store_samples import deployment, later

from parts.fakes import NOON
from towline.ports import Part
from towline.services.leading import Leading


async def take(store, owner, *, at=0.0, name="work", lasts=10):
    return await store.write(lambda tx: tx.leases.take(name, owner, now=later(at), until=later(at + lasts)))


async def test_a_lease_is_had_by_one_until_it_runs_out_and_its_epoch_grows_with_the_owner(store):
    assert await take(store, "a") == 1
    assert await take(store, "b", at=9.9) is None
    assert await take(store, "a", at=9.9) == 1
    assert await take(store, "b", at=19.8) is None
    assert await take(store, "b", at=19.9) == 2
    assert await take(store, "a", at=20) is None
    assert await take(store, "a", name="other", at=20) == 1


async def test_a_lease_that_is_given_back_is_free_at_once_and_only_its_owner_can(store):
    await take(store, "a")
    await store.write(lambda tx: tx.leases.give_back("work", "b"))
    assert await take(store, "b", at=1) is None
    await store.write(lambda tx: tx.leases.give_back("work", "a"))
    assert await take(store, "b", at=1) == 2


async def test_the_end_of_a_lease_can_be_asked_for(store):
    assert await store.read(lambda tx: tx.leases.end("work")) is None
    await take(store, "a")
    assert await store.read(lambda tx: tx.leases.end("work")) == later(10)


async def test_many_who_want_a_lease_at_once_are_one_who_gets_it(shared):
    stores = [await shared.open() for _ in range(3)]
    got = await asyncio.gather(*(take(store, f"owner-{n}") for n, store in enumerate(stores * 5)))
    owners = {n % 3 for n, epoch in enumerate(got) if epoch is not None}
    assert len({n for n, epoch in enumerate(got) if epoch is not None}) == 1, owners


def embedded(name):
    return replace(deployment(name), engine="embedded")


async def claimed(store, machine, *, at=0.0):
    claims = await store.write(
        lambda tx: tx.deployments.claim("o", now=later(at), until=later(at + 30), most=9, part=Part(machine))
    )
    return [each.deployment.name for each in claims]


async def test_deployments_are_claimed_on_the_machine_where_they_live(store):
    await store.write(lambda tx: tx.deployments.add(embedded("here"), due=later(5), machine="m1"))
    await store.write(lambda tx: tx.deployments.add(deployment("anywhere"), due=later(7)))
    assert await store.read(lambda tx: tx.deployments.next_due(Part("m1"))) == later(5)
    assert await store.read(lambda tx: tx.deployments.next_due()) == later(7)
    assert await store.read(lambda tx: tx.deployments.next_due(Part("m2"))) is None
    assert await store.read(lambda tx: tx.deployments.live_guids(engine="docker", machine="m1")) == set()
    assert await store.read(lambda tx: tx.deployments.live_guids(engine="embedded", machine="m1")) == {
        "dep-here"
    }
    assert await store.read(lambda tx: tx.deployments.live_guids()) == {"dep-here", "dep-anywhere"}
    assert [await claimed(store, machine, at=9) for machine in ("m2", "m1", "")] == [
        [],
        ["here"],
        ["anywhere"],
    ]


async def test_deployments_that_live_nowhere_are_adopted_once(store):
    await store.write(lambda tx: tx.deployments.add(embedded("one"), due=later(0)))
    assert await store.write(lambda tx: tx.deployments.place_on("m0", engine="docker")) == 0
    assert await store.write(lambda tx: tx.deployments.place_on("m1", engine="embedded")) == 1
    assert await store.write(lambda tx: tx.deployments.place_on("m2", engine="embedded")) == 0
    assert await claimed(store, "m2") == []
    assert await claimed(store, "m1") == ["one"]


class Worker:
    """Somebody who leads, and work that tells when it began and ended."""

    def __init__(self, store, owner, clock, *, lease=0.5):
        self.began, self.ended = asyncio.Event(), asyncio.Event()
        self.task = asyncio.create_task(
            Leading(store=store, clock=clock, owner=owner, lease=lease).lead("work", self.work)
        )

    async def work(self):
        self.began.set()
        self.ended.clear()
        try:
            await asyncio.Event().wait()
        finally:
            self.began.clear()
            self.ended.set()

    async def stop(self):
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


async def test_one_works_and_another_takes_over_when_it_leaves(store):
    loop = asyncio.get_running_loop()
    began = loop.time()

    def clock():
        return later(loop.time() - began)

    one = Worker(store, "one", clock)
    await one.began.wait()
    other = Worker(store, "other", clock)
    await take(store, "third", name="elsewhere")
    assert not other.began.is_set()
    await one.stop()
    await other.began.wait()
    assert one.ended.is_set()
    await other.stop()


async def test_work_ends_when_somebody_else_got_the_lease(store):
    loop = asyncio.get_running_loop()
    began = loop.time()
    worker = Worker(store, "slow", lambda: later(loop.time() - began))
    await worker.began.wait()
    await take(store, "thief", at=1000, lasts=1)
    await worker.ended.wait()
    assert not worker.began.is_set()
    await worker.stop()


async def test_what_the_work_raises_is_raised(store):
    async def fails():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await Leading(store=store, clock=lambda: NOON, owner="a").lead("work", fails)
    assert await take(store, "b", at=1) == 2
