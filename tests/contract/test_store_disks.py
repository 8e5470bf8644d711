"""Rows of disks: names, order, who has which, and what is left once one was deleted."""

from dataclasses import replace

import pytest
from store_samples import ALPHA, BETA, JANE, all_pages, deployment, later

from parts.fakes import NOON
from towline.domain.deployment import Deployment, DeploymentStatus, Phase, Status
from towline.domain.disk import Disk, DiskUser, Volume
from towline.domain.errors import Conflict
from towline.domain.listing import LabelSelector, Page
from towline.ports import EVERYWHERE, Claim, Part, Store, Transaction


def disk(name: str, *, project_guid: str = ALPHA.guid, **changes: object) -> Disk:
    made = Disk(f"disk-{name}", name, project_guid, JANE.guid, created_at=NOON, capacity=8)
    return replace(made, **changes)  # type: ignore[arg-type]


def mounting(name: str, *disks: str) -> Deployment:
    made = deployment(name)
    volumes = tuple(Volume(each, "run-0", f"/{each}", uid=7, disk_guid=f"disk-{each}") for each in disks)
    return replace(made, wish=replace(made.wish, volumes=volumes))


async def keep(store: Store, *disks: Disk) -> None:
    def change(tx: Transaction) -> None:
        for each in disks:
            tx.disks.add(each)

    await store.write(change)


async def get(store: Store, name: str) -> Disk | None:
    return await store.read(lambda tx: tx.disks.get(ALPHA.guid, name))


async def users(store: Store, name: str) -> tuple[DiskUser, ...]:
    found = await get(store, name)
    assert found is not None
    return found.users


async def claimed(store: Store, *, at: float = 1) -> Claim:
    (claim,) = await store.write(
        lambda tx: tx.deployments.claim("one", now=later(at), until=later(30), most=9)
    )
    return claim


async def settle(store: Store, claim: Claim, status: DeploymentStatus, *, at_rest: bool = True) -> None:
    due = None if at_rest else later(5)
    assert await store.write(
        lambda tx: tx.deployments.settle(claim, status, due=due, release=True, until=later(30))
    )


async def test_a_disk_is_found_by_name_and_guid_in_its_project_alone(store: Store) -> None:
    kept = disk("data", labels={"team": "a"}, engine="docker", machine="here")
    await keep(store, kept, disk("other", project_guid=BETA.guid))
    assert await get(store, "data") == await get(store, kept.guid) == kept
    assert await get(store, "other") is None
    with pytest.raises(Conflict, match="disk 'data' exists"):
        await keep(store, replace(kept, guid="disk-second"))


async def test_pages_are_in_order_of_creation_and_follow_names_and_labels(store: Store) -> None:
    await keep(store, *(disk(name, labels={"n": name}) for name in ("c", "a", "b")))

    def question(tx: Transaction) -> list[list[object]]:
        return all_pages(lambda page: tx.disks.page(ALPHA.guid, page, selector=LabelSelector()), limit=2)

    pages = await store.read(question)
    assert [[each.name for each in page] for page in pages] == [["c", "a"], ["b"]]  # type: ignore[attr-defined]
    named = await store.read(
        lambda tx: tx.disks.page(ALPHA.guid, Page(), selector=LabelSelector(), names=("b", "c"))
    )
    assert [each.name for each in named.items] == ["c", "b"]
    labelled = await store.read(
        lambda tx: tx.disks.page(ALPHA.guid, Page(), selector=LabelSelector.parse(["n=a"]))
    )
    assert [each.name for each in labelled.items] == ["a"]


async def test_a_deployment_has_its_disks_until_its_containers_are_gone(store: Store) -> None:
    await keep(store, disk("data"), disk("logs"))
    made = mounting("app", "data", "logs")
    await store.write(lambda tx: tx.deployments.add(made, due=NOON))
    assert await users(store, "data") == (DiskUser("dep-app", "app"),)
    held = await store.read(lambda tx: tx.disks.of_deployment("dep-app"))
    assert [each.name for each in held] == ["data", "logs"]

    await store.write(lambda tx: tx.deployments.wish(made.stopped(at=later(1)), due=later(1)))
    assert await users(store, "data") == (DiskUser("dep-app", "app", is_ending=True),)
    claim = await claimed(store)
    await settle(store, claim, claim.deployment.status, at_rest=False)
    assert await users(store, "data") != (), "it could not be ended yet"
    claim = await claimed(store, at=9)
    await settle(store, claim, claim.deployment.status)
    assert await users(store, "data") == ()


async def test_a_disk_that_an_update_drops_is_free_once_the_update_serves(store: Store) -> None:
    await keep(store, disk("data"))
    made = mounting("app", "data")
    await store.write(lambda tx: tx.deployments.add(made, due=NOON))
    update = made.wished_again(replace(made.wish, volumes=()), labels={}, at=later(1))
    await store.write(lambda tx: tx.deployments.wish(update, due=later(1)))
    assert await users(store, "data") == (DiskUser("dep-app", "app"),), "the old generation writes still"
    claim = await claimed(store)
    serving = DeploymentStatus(Phase.SUCCEEDED, Status.RUNNING, generation=2, serving=2)
    await settle(store, claim, serving)
    assert await users(store, "data") == ()


async def test_a_deleted_disk_frees_its_name_and_is_doomed_once_nobody_has_it(store: Store) -> None:
    await keep(store, disk("data", engine="docker"), disk("elsewhere", engine="embedded", machine="far"))
    made = mounting("app", "data")
    await store.write(lambda tx: tx.deployments.add(made, due=NOON))
    await store.write(lambda tx: tx.disks.doom("disk-data", at=later(1)))
    await store.write(lambda tx: tx.disks.doom("disk-elsewhere", at=later(1)))
    assert await get(store, "data") is None
    await keep(store, disk("data", guid="disk-next"))

    async def doomed(part: Part = EVERYWHERE) -> list[str]:
        found = await store.read(lambda tx: tx.disks.doomed(part))
        return [each.guid for each in found]

    assert await doomed() == []
    assert await doomed(Part("far")) == ["disk-elsewhere"]
    await store.write(lambda tx: tx.deployments.wish(made.stopped(at=later(1)), due=later(1)))
    claim = await claimed(store)
    await settle(store, claim, claim.deployment.status)
    assert await doomed() == await doomed(Part(engine="docker")) == ["disk-data"]
    assert await doomed(Part(engine="embedded")) == await doomed(Part(but=("docker",))) == []
    await store.write(lambda tx: tx.disks.forget("disk-data"))
    await store.write(lambda tx: tx.disks.forget("disk-next"))
    assert await doomed() == []
    assert await get(store, "data") is not None, "only what was deleted is forgotten"


async def test_disks_are_placed_and_counted(store: Store) -> None:
    await keep(store, disk("one"), disk("two", engine="embedded"))
    await store.write(lambda tx: tx.disks.place("disk-one", engine="embedded", machine=""))
    assert await store.write(lambda tx: tx.deployments.place_on("here", engine="embedded")) == 0
    found = await get(store, "one")
    assert found is not None
    assert (found.engine, found.machine) == ("embedded", "here")
    assert await store.read(lambda tx: tx.disks.on_engine("embedded")) == 2
    assert await store.read(lambda tx: tx.disks.on_engine("docker")) == 0
