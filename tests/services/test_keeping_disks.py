"""Disks of a project, and which deployments may mount them."""

from dataclasses import replace

import pytest

from parts.world import World, deployment_draft, package_draft
from towline.domain.causes import FindingCode
from towline.domain.deployment import DeploymentDraft
from towline.domain.disk import DiskDraft, DiskState, Volume, checked_capacity, mount_path, sub_path
from towline.domain.engine import EngineKind, EngineRecord, EngineSpec
from towline.domain.errors import Conflict, InvalidInput, NotFound
from towline.domain.findings import Finding
from towline.domain.listing import LabelSelector, Page
from towline.domain.package import Executable
from towline.ports import Transaction
from towline.services.disks import refuse_disks_of


@pytest.fixture
async def packed(world: World) -> World:
    """A world with a package, a disk ``data`` and a second engine, ``far``."""
    await world.packages.create(world.access, package_draft())
    await world.disks.create(world.access, DiskDraft("data", 8))
    record = EngineRecord("engine-far", "far", EngineSpec(EngineKind.DOCKER))
    await world.store.write(lambda tx: tx.engines.add(record, b""))
    return world


def wants(
    *volumes: Volume, name: str = "talker-1", engine: str = "", package: str = "talker"
) -> DeploymentDraft:
    return replace(deployment_draft(name, package=package), volumes=volumes, engine=engine)


def at(path: str = "/data", *, disk: str = "data", executable: str = "app") -> Volume:
    return Volume(disk, executable, path)


async def state(world: World, name: str = "data") -> DiskState:
    return (await world.disks.get(world.access, name)).state


@pytest.mark.parametrize("number", [4, 8, 10, 512])
def test_capacities_are_those_that_the_clients_take(number: int) -> None:
    assert checked_capacity(number) == number


@pytest.mark.parametrize("number", [-4, 0, 2, 5, 514])
def test_other_capacities_are_refused(number: int) -> None:
    with pytest.raises(InvalidInput, match="even number of GiB from 4 to 512"):
        checked_capacity(number)


@pytest.mark.parametrize(
    ("text", "path"), [("/data", "/data"), ("//data/", "/data"), ("/srv/./app//db", "/srv/app/db")]
)
def test_mount_paths_are_kept_in_their_shortest_form(text: str, path: str) -> None:
    assert mount_path(text, field="f") == path


@pytest.mark.parametrize(
    "text",
    [
        "",
        "data",
        "./data",
        "/",
        "/.",
        "/proc",
        "/sys/kernel",
        "/dev/shm",
        "/a/../b",
        "/a:b",
        "/a\nb",
        "/" + "a" * 1024,
    ],
)
def test_other_mount_paths_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        mount_path(text, field="f")


@pytest.mark.parametrize(
    ("text", "path"), [("", ""), ("app", "app"), ("./app//db/", "app/db"), ("a..b", "a..b")]
)
def test_sub_paths_are_kept_in_their_shortest_form(text: str, path: str) -> None:
    assert sub_path(text, field="f") == path


@pytest.mark.parametrize("text", ["/app", "..", "app/../../etc", "a:b", "a\0b", "a" * 256])
def test_other_sub_paths_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        sub_path(text, field="f")


async def test_a_disk_is_kept_shown_and_told_by_the_audit_trail(world: World) -> None:
    made = await world.disks.create(world.access, DiskDraft("data", 8, labels={"team": "a"}))
    assert (made.state, made.disk.engine) == (DiskState.AVAILABLE, "")
    assert await world.disks.get(world.access, made.disk.guid) == made
    listing = await world.disks.list(world.access, Page(), selector=LabelSelector())
    assert [view.disk.name for view in listing.items] == ["data"]
    none = await world.disks.list(world.access, Page(), selector=LabelSelector(), states=[DiskState.BOUND])
    assert none.items == ()
    with pytest.raises(Conflict):
        await world.disks.create(world.access, DiskDraft("data", 4))
    await world.disks.delete(world.access, "data")
    with pytest.raises(NotFound):
        await world.disks.get(world.access, "data")
    assert [each for each in await world.actions() if each.startswith("disk")] == [
        "disk.created",
        "disk.deleted",
    ]


async def test_an_engine_that_is_not_there_is_refused(world: World) -> None:
    with pytest.raises(InvalidInput, match="use one of embedded"):
        await world.disks.create(world.access, DiskDraft("data", 4, engine="nowhere"))


async def test_the_first_deployment_that_mounts_a_disk_decides_where_it_lives(packed: World) -> None:
    await packed.deployments.create(packed.access, wants(at(), engine="far"))
    view = await packed.disks.get(packed.access, "data")
    assert (view.state, view.disk.engine) == (DiskState.BOUND, "far")
    assert view.disk.holder is not None
    assert view.disk.holder.name == "talker-1"
    graph = await packed.deployments.graph(packed.access, "talker-1")
    assert [each.disk.name for each in graph.disks] == ["data"]


async def test_a_deployment_that_names_no_engine_lives_where_its_disks_are(packed: World) -> None:
    await packed.disks.create(packed.access, DiskDraft("there", 4, engine="far"))
    made = await packed.deployments.create(packed.access, wants(at(disk="there")))
    assert made.engine == "far"


async def test_a_disk_on_another_engine_is_refused_and_nothing_is_bound(packed: World) -> None:
    await packed.disks.create(packed.access, DiskDraft("there", 4, engine="far"))
    with pytest.raises(InvalidInput, match="is on the engine 'far'") as caught:
        await packed.deployments.create(packed.access, wants(at(), at("/b", disk="there"), engine="embedded"))
    assert caught.value.field == "spec.volumes[1].depends"
    assert await state(packed) is DiskState.AVAILABLE
    assert (await packed.disks.get(packed.access, "data")).disk.engine == ""


async def test_a_disk_serves_one_deployment_which_is_named(packed: World) -> None:
    await packed.deployments.create(packed.access, wants(at()))
    with pytest.raises(Conflict, match="disk 'data' is used by deployment 'talker-1'"):
        await packed.deployments.create(packed.access, wants(at(), name="talker-2"))
    with pytest.raises(Conflict, match="disk 'data' is used by deployment 'talker-1'"):
        await packed.disks.delete(packed.access, "data")
    again = await packed.deployments.update(packed.access, "talker-1", wants(at("/other")))
    assert again.generation == 2


async def test_a_disk_is_free_for_the_next_at_once_when_its_deployment_is_deleted(packed: World) -> None:
    await packed.deployments.create(packed.access, wants(at()))
    await packed.deployments.delete(packed.access, "talker-1")
    assert await state(packed) is DiskState.RELEASED
    await packed.deployments.create(packed.access, wants(at()))
    assert await state(packed) is DiskState.BOUND


async def test_volumes_must_fit_the_package(packed: World) -> None:
    access, package = packed.access, package_draft("pair")
    runs = (Executable("a", "r/a:1"), Executable("b", "r/b:1"))
    await packed.packages.create(access, replace(package, spec=replace(package.spec, executables=runs)))
    await packed.packages.create(
        access, replace(package, name="many", spec=replace(package.spec, replicas=2))
    )
    refused = [
        (wants(at(executable="other")), "execName", "use one of app"),
        (wants(at(executable=""), package="pair"), "execName", "name one of a, b"),
        (wants(at(), at(executable="")), "mountPath", "is there twice"),
        (wants(at(), package="many"), "spec.volumes", "2 replicas"),
    ]
    for draft, field, text in refused:
        with pytest.raises(InvalidInput, match=text) as caught:
            await packed.deployments.create(access, draft)
        assert caught.value.field.endswith(field)
    with pytest.raises(NotFound, match="disk 'absent'"):
        await packed.deployments.create(access, wants(at(disk="absent")))
    made = await packed.deployments.create(access, wants(at(executable="")))
    assert made.wish.volumes[0].executable == "app", "it is the only one"


async def test_a_disk_whose_engine_was_taken_away_has_failed(packed: World) -> None:
    await packed.disks.create(packed.access, DiskDraft("there", 4, engine="far"))
    with pytest.raises(Conflict, match="engine 'far' still has 1 disk"):
        await packed.engines.remove(packed.access.principal, "far")
    await packed.engines.remove(packed.access.principal, "far", force=True)
    view = await packed.disks.get(packed.access, "there")
    assert (view.state, view.error_code) == (DiskState.FAILED, "DEP_E210")


async def test_what_is_on_a_disk_is_told_as_far_as_the_engine_does(packed: World) -> None:
    made = await packed.disks.create(packed.access, DiskDraft("here", 4, engine="embedded"))
    packed.engine.disks[made.disk.guid] = 4096
    assert (await packed.disks.get(packed.access, "here")).used == 4096
    packed.engine.trouble = Finding(FindingCode.ENGINE_UNREACHABLE)
    assert (await packed.disks.get(packed.access, "here")).used is None


async def test_a_project_with_disks_is_not_deleted(packed: World) -> None:
    with pytest.raises(Conflict, match="still has disks"):
        await packed.projects.delete(packed.access.principal, packed.access.project.guid)


async def test_a_page_of_disks_in_a_state_is_full_while_there_are_more(packed: World) -> None:
    for name in ("b", "c", "d"):
        await packed.disks.create(packed.access, DiskDraft(name, 4))
    await packed.deployments.create(packed.access, wants(at(disk="b")))

    async def page(after: int, state: DiskState) -> tuple[list[str], int | None]:
        asked = Page(after=after, limit=2)
        listing = await packed.disks.list(packed.access, asked, selector=LabelSelector(), states=[state])
        return [view.disk.name for view in listing.items], listing.next

    names, following = await page(0, DiskState.AVAILABLE)
    assert names == ["data", "c"]
    assert following is not None
    assert (await page(following, DiskState.AVAILABLE))[0] == ["d"]
    assert (await page(0, DiskState.BOUND))[0] == ["b"]
    assert await page(0, DiskState.FAILED) == ([], None)


async def test_a_deployment_lives_on_the_machine_of_its_disks(packed: World) -> None:
    for name, machine in (("one", "there"), ("two", "elsewhere")):
        guid = (await packed.disks.create(packed.access, DiskDraft(name, 4))).disk.guid

        def place(tx: Transaction, guid: str = guid, machine: str = machine) -> None:
            tx.disks.place(guid, engine="embedded", machine=machine)

        await packed.store.write(place)
    with pytest.raises(InvalidInput, match="is on the machine 'elsewhere'"):
        await packed.deployments.create(packed.access, wants(at("/a", disk="one"), at("/b", disk="two")))
    made = await packed.deployments.create(packed.access, wants(at(disk="one"), at("/new", disk="data")))
    assert await packed.store.read(lambda tx: tx.deployments.machine_of(made.guid)) == "there"
    assert (await packed.disks.get(packed.access, "data")).disk.machine == "there"
    with pytest.raises(InvalidInput, match="is on the machine 'elsewhere'"):
        await packed.deployments.update(packed.access, "talker-1", wants(at(disk="two")))


async def test_the_own_engine_is_not_changed_while_disks_are_there(packed: World) -> None:
    await packed.disks.create(packed.access, DiskDraft("here", 4, engine="embedded"))
    with pytest.raises(InvalidInput, match="was embedded, and 1 disk lives there"):
        await packed.store.read(lambda tx: refuse_disks_of(tx, "embedded"))
    await packed.store.read(lambda tx: refuse_disks_of(tx, "docker"))
