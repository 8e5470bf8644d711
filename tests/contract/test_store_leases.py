import asyncio
from dataclasses import replace

import pytest
from store_samples import ALPHA, BETA, deployment, later, settle_in, spec

from towline.domain.deployment import DeploymentStatus, Phase, Status

RUNNING = DeploymentStatus(Phase.SUCCEEDED, Status.RUNNING, generation=1)
LEASE = 30


@pytest.fixture
async def one(store):
    """The store with one deployment, due at once."""
    await store.write(lambda tx: tx.deployments.add(deployment("one"), due=later(0)))
    return store


async def claim(store, *, at=0.0, owner="a", most=16):
    return await store.write(
        lambda tx: tx.deployments.claim(owner, now=later(at), until=later(at + LEASE), most=most)
    )


async def settle(store, held, *, at=0.0, status=RUNNING, due=None, release=True):
    return await store.write(
        lambda tx: tx.deployments.settle(
            held,
            status,
            due=None if due is None else later(due),
            release=release,
            until=later(at + LEASE),
        )
    )


async def wake(store, *, at, **which):
    return await store.write(lambda tx: tx.deployments.wake(now=later(at), **which))


async def status_of(store, guid="dep-one"):
    found = await store.read(lambda tx: tx.deployments.get(ALPHA.guid, "", guid=guid))
    return found.status


async def next_due(store):
    return await store.read(lambda tx: tx.deployments.next_due())


async def delete(store, *, at):
    found = await store.read(lambda tx: tx.deployments.get(ALPHA.guid, "one"))
    await store.write(lambda tx: tx.deployments.wish(found.stopped(at=later(at)), due=later(at)))


async def test_what_is_due_is_claimed_by_one_owner_only(one):
    (held,) = await claim(one, owner="a")
    assert (held.deployment, held.expires_at) == (deployment("one"), later(LEASE))
    assert await claim(one, owner="b") == ()
    assert await claim(one, owner="a") == ()


async def test_what_is_due_later_is_claimed_later(store):
    await store.write(lambda tx: tx.deployments.add(deployment("one"), due=later(10)))
    assert await next_due(store) == later(10)
    assert await claim(store, at=9.999999) == ()
    assert len(await claim(store, at=10)) == 1


async def test_the_oldest_due_come_first_and_no_more_than_asked_for(store):
    def change(tx):
        for name, due in (("c", 3), ("a", 1), ("d", 4), ("b", 2)):
            tx.deployments.add(deployment(name), due=later(due))

    await store.write(change)
    claimed = [[held.deployment.name for held in await claim(store, at=5, most=2)] for _ in range(3)]
    assert claimed == [["a", "b"], ["c", "d"], []]


async def test_a_lease_that_ran_out_is_taken_over_and_its_old_holder_saves_nothing(one):
    (lost,) = await claim(one, owner="a")
    (held,) = await claim(one, owner="b", at=LEASE)
    assert held.epoch > lost.epoch
    assert not await settle(one, lost, at=LEASE)
    assert await status_of(one) == DeploymentStatus()
    assert await settle(one, held, at=LEASE)
    assert await status_of(one) == RUNNING


async def test_a_renewed_lease_holds_for_as_long_as_was_said(one):
    (held,) = await claim(one, owner="a")
    assert await settle(one, held, at=20, due=20, release=False)
    assert await claim(one, owner="b", at=20 + LEASE - 1) == ()
    assert await next_due(one) == later(20 + LEASE)
    assert len(await claim(one, owner="b", at=20 + LEASE)) == 1


async def test_a_lease_given_back_cannot_be_used_again(one):
    (held,) = await claim(one)
    assert await settle(one, held)
    assert not await settle(one, held, status=DeploymentStatus())
    assert await status_of(one) == RUNNING


async def test_a_deployment_at_rest_is_claimed_again_only_once_it_is_woken(one):
    (held,) = await claim(one)
    await settle(one, held, due=None)
    assert await next_due(one) is None
    assert await claim(one, at=10_000) == ()
    assert await wake(one, at=10_000, guids=["dep-one"]) == 1
    assert await next_due(one) == later(10_000)
    assert len(await claim(one, at=10_000)) == 1


async def test_a_settled_deployment_is_due_again_when_it_was_said(one):
    (held,) = await claim(one)
    await settle(one, held, due=7)
    assert await next_due(one) == later(7)
    assert await claim(one, at=6) == ()
    assert len(await claim(one, at=7)) == 1


async def test_a_wake_during_a_claim_is_not_lost_though_the_lease_was_renewed_since(one):
    (held,) = await claim(one)
    assert await wake(one, at=1, guids=["dep-one"]) == 1
    assert await settle(one, held, at=2, due=2, release=False)
    assert await settle(one, held, at=3, due=None)
    assert await next_due(one) <= later(1)
    (again,) = await claim(one, at=3)
    await settle(one, again, at=3, due=None)
    assert await next_due(one) is None


async def test_a_wish_during_a_claim_is_not_lost(one):
    (held,) = await claim(one)
    wished = held.deployment.wished_again(held.deployment.wish, labels={}, at=later(1))
    await one.write(lambda tx: tx.deployments.wish(wished, due=later(1)))
    assert await settle(one, held, at=2, due=100)
    (again,) = await claim(one, at=2)
    assert (again.deployment.generation, again.deployment.status) == (2, RUNNING)


async def test_a_wake_leaves_the_lease_with_its_holder(one):
    (held,) = await claim(one, owner="a")
    await wake(one, at=1, guids=["dep-one"])
    assert await claim(one, owner="b", at=1) == ()
    assert await settle(one, held, at=1)


async def test_waking_what_waits_already_does_not_put_it_at_the_end_of_the_line(store):
    def change(tx):
        tx.deployments.add(deployment("first"), due=later(0))
        tx.deployments.add(deployment("second"), due=later(1))

    await store.write(change)
    await wake(store, at=5, guids=["dep-first"])
    assert [held.deployment.name for held in await claim(store, at=5)] == ["first", "second"]


async def test_a_deleted_deployment_is_claimed_for_its_containers_and_stays_stopped(one):
    (held,) = await claim(one)
    await delete(one, at=1)
    assert await settle(one, held, at=2, due=None)
    assert (await status_of(one)).phase is Phase.STOPPED
    (again,) = await claim(one, at=2)
    assert again.deployment.deleted_at == later(1)
    assert await settle(one, again, at=3, due=None)
    assert (await status_of(one)).status is Status.STOPPED
    assert await next_due(one) is None


async def test_a_deleted_deployment_is_woken_while_its_containers_are_there_and_never_after(one):
    await delete(one, at=1)
    assert await wake(one, at=2, guids=["dep-one"]) == 1
    (held,) = await claim(one, at=2)
    assert await wake(one, at=3, guids=["dep-one"]) == 1
    await settle(one, held, at=3, due=None)
    (held,) = await claim(one, at=3)
    await settle(one, held, at=3, due=None)
    assert await wake(one, at=4, guids=["dep-one"]) == 0
    assert await claim(one, at=5) == ()


async def test_a_changed_secret_wakes_those_of_its_project_that_name_it_each_once(store):
    def change(tx):
        for each in (
            deployment("both", plan=spec(secrets=["pull", "secret-guid"], values_of=["pull"])),
            deployment("env", plan=spec(values_of=["pull"])),
            deployment("other", plan=spec(secrets=["other"])),
            deployment("elsewhere", project_guid=BETA.guid, plan=spec(secrets=["pull"])),
        ):
            tx.deployments.add(each, due=later(1000))

    await store.write(change)
    woken = await wake(
        store, at=1, guids=["dep-both"], project_guid=ALPHA.guid, secrets=["pull", "secret-guid"]
    )
    assert woken == 2
    assert {held.deployment.name for held in await claim(store, at=1)} == {"both", "env"}


async def test_waking_nobody_wakes_nobody(one):
    (held,) = await claim(one)
    await settle(one, held)
    assert await wake(one, at=1) == 0
    assert await wake(one, at=1, guids=["dep-none"], project_guid=ALPHA.guid, secrets=["none"]) == 0


async def test_a_deployment_that_is_gone_with_its_project_cannot_be_settled(one):
    (held,) = await claim(one)
    await one.write(lambda tx: tx.tenants.remove_project(ALPHA.guid))
    assert not await settle(one, held)


async def test_the_newest_status_of_the_wish_is_what_the_next_owner_sees(one):
    (held,) = await claim(one)
    provisioning = replace(RUNNING, phase=Phase.PROVISIONING, status=Status.PENDING)
    await settle(one, held, at=1, due=1, status=provisioning, release=False)
    (taken,) = await claim(one, owner="b", at=100)
    assert taken.deployment.status == provisioning


async def test_two_servers_on_one_database_never_hold_the_same_deployment(shared):
    stores = [await shared.open() for _ in range(2)]

    def fill(tx):
        settle_in(tx)
        for number in range(60):
            tx.deployments.add(deployment(f"d{number}"), due=later(0))

    async def take_all(store, owner):
        taken = []
        while claims := await claim(store, owner=owner, most=3):
            taken += [held.deployment.name for held in claims]
        return taken

    await stores[0].write(fill)
    taken = await asyncio.gather(*(take_all(store, f"owner-{n}") for n, store in enumerate(stores)))
    assert sorted(taken[0] + taken[1]) == sorted(f"d{number}" for number in range(60))
