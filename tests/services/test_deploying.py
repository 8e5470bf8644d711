from dataclasses import replace

import pytest

from parts.world import IMAGE, World, deployment_draft, package_draft
from towline.domain.deployment import Dependency, Phase, Status
from towline.domain.errors import Conflict, InvalidInput, NotFound
from towline.domain.image import ImageReference
from towline.domain.listing import LabelSelector, Page
from towline.domain.package import RestartPolicy, Runtime
from towline.domain.registry import RegistrySettings
from towline.domain.workload import PullAccess, Workload, WorkloadExecutable
from towline.ports import DeploymentQuery


@pytest.fixture
async def packed(world: World) -> World:
    """A world with the package ``talker v1``."""
    await world.packages.create(world.access, package_draft())
    return world


async def test_a_new_deployment_is_due_at_once_and_rings_the_bell(packed: World) -> None:
    listener = packed.bell.listen()
    deployment = await packed.deployments.create(packed.access, deployment_draft())
    assert (deployment.generation, deployment.wish.plan.executables[0].image) == (1, IMAGE)
    assert await listener.heard(0)
    assert await packed.due() == {"talker-1"}


async def test_an_unknown_package_is_not_found_and_named(packed: World) -> None:
    with pytest.raises(NotFound, match="package 'talker v2'") as caught:
        await packed.deployments.create(packed.access, deployment_draft(version="v2"))
    assert caught.value.kind == "package"


async def test_a_package_without_a_version_is_refused(packed: World) -> None:
    with pytest.raises(InvalidInput) as caught:
        await packed.deployments.create(packed.access, deployment_draft(version=""))
    assert caught.value.field == "metadata.depends.version"


async def test_a_device_package_is_stored_but_not_deployed(world: World) -> None:
    await world.packages.create(world.access, package_draft("edge", runtime=Runtime.DEVICE))
    with pytest.raises(InvalidInput, match="no device engine") as caught:
        await world.deployments.create(world.access, deployment_draft(package="edge"))
    assert caught.value.field == "spec.runtime"


async def test_a_package_that_wants_the_hosts_processes_is_stored_but_not_deployed(world: World) -> None:
    draft = package_draft("nosy")
    await world.packages.create(world.access, replace(draft, spec=replace(draft.spec, host_pid=True)))
    with pytest.raises(InvalidInput, match="other programs' processes") as caught:
        await world.deployments.create(world.access, deployment_draft(package="nosy"))
    assert caught.value.field == "spec.hostPID"


async def test_a_live_name_is_a_conflict_and_a_deleted_one_is_free(packed: World) -> None:
    first = await packed.deployments.create(packed.access, deployment_draft())
    with pytest.raises(Conflict):
        await packed.deployments.create(packed.access, deployment_draft())
    await packed.deployments.delete(packed.access, "talker-1")
    second = await packed.deployments.create(packed.access, deployment_draft())
    assert first.guid != second.guid


async def test_a_deployment_does_not_depend_on_itself(packed: World) -> None:
    draft = deployment_draft(dependencies=(Dependency("talker-1"),))
    with pytest.raises(InvalidInput) as caught:
        await packed.deployments.create(packed.access, draft)
    assert caught.value.field == "spec.depends"


async def test_an_update_is_the_next_generation_and_due(packed: World) -> None:
    created = await packed.deployments.create(packed.access, deployment_draft())
    await packed.packages.create(packed.access, package_draft(version="v2", image=f"{IMAGE}-next"))
    await packed.due()
    packed.clock.advance(minutes=1)
    listener = packed.bell.listen()
    updated = await packed.deployments.update(
        packed.access, "talker-1", deployment_draft(version="v2", labels={"team": "a"})
    )
    assert (updated.guid, updated.generation, updated.wish.package_version) == (created.guid, 2, "v2")
    assert updated.labels == {"team": "a"}
    assert await packed.deployments.get(packed.access, "talker-1") == updated
    assert await listener.heard(0)
    assert await packed.due() == {"talker-1"}


async def test_an_update_keeps_the_name_and_needs_a_live_deployment(packed: World) -> None:
    await packed.deployments.create(packed.access, deployment_draft())
    with pytest.raises(InvalidInput):
        await packed.deployments.update(packed.access, "talker-1", deployment_draft("other"))
    with pytest.raises(NotFound):
        await packed.deployments.update(packed.access, "other", deployment_draft("other"))


async def test_a_deleted_deployment_is_stopped_at_once_and_kept_as_a_record(packed: World) -> None:
    created = await packed.deployments.create(packed.access, deployment_draft())
    await packed.due()
    stopped = await packed.deployments.delete(packed.access, "talker-1")
    assert (stopped.status.phase, stopped.status.status) == (Phase.STOPPED, Status.STOPPED)
    assert stopped.deleted_at == packed.clock()
    assert await packed.due() == {"talker-1"}
    with pytest.raises(NotFound):
        await packed.deployments.get(packed.access, "talker-1")
    assert await packed.deployments.get(packed.access, "talker-1", created.guid) == stopped


async def test_a_deployment_outlives_its_package(packed: World) -> None:
    await packed.deployments.create(packed.access, deployment_draft())
    await packed.packages.delete(packed.access, "talker", "v1")
    deployment = await packed.deployments.get(packed.access, "talker-1")
    assert deployment.executables[0].image == IMAGE


async def test_lists_follow_the_query(packed: World) -> None:
    for name in ("one", "two"):
        await packed.deployments.create(packed.access, deployment_draft(name))
    await packed.deployments.delete(packed.access, "two")
    live = await packed.deployments.list(packed.access, Page(), DeploymentQuery())
    stopped = await packed.deployments.list(packed.access, Page(), DeploymentQuery(phases=(Phase.STOPPED,)))
    assert [deployment.name for deployment in live.items] == ["one"]
    assert [deployment.name for deployment in stopped.items] == ["two"]


async def test_logs_come_from_the_engine_and_default_to_the_first_executable(packed: World) -> None:
    deployment = await packed.deployments.create(packed.access, deployment_draft())
    run = WorkloadExecutable("app", ImageReference.parse(IMAGE), PullAccess(RegistrySettings.default("x")))
    await packed.engine.apply(
        Workload(deployment.guid, deployment.name, deployment.project_guid, generation=1, executables=(run,))
    )
    packed.engine.says(deployment.guid, "app", b"hello\n")
    logs = await packed.deployments.logs(packed.access, "talker-1")
    assert [chunk async for chunk in logs] == [b"hello\n"]


async def test_an_unknown_executable_or_replica_is_refused_before_anything_is_streamed(packed: World) -> None:
    await packed.deployments.create(packed.access, deployment_draft())
    with pytest.raises(NotFound, match="app"):
        await packed.deployments.logs(packed.access, "talker-1", executable="other")
    with pytest.raises(InvalidInput):
        await packed.deployments.logs(packed.access, "talker-1", replica=1)


async def test_history_tells_the_changes_of_this_deployment_only(packed: World) -> None:
    await packed.deployments.create(packed.access, deployment_draft())
    await packed.deployments.create(packed.access, deployment_draft("other"))
    await packed.deployments.update(packed.access, "talker-1", deployment_draft())
    history = await packed.deployments.history(packed.access, "talker-1")
    assert [row.action for row in history] == ["deployment.created", "deployment.updated"]
    assert dict(history[1].detail)["generation"] == "2"


async def test_the_graph_names_what_is_there_and_what_is_missing(packed: World) -> None:
    needs = (Dependency("database", wait=True), Dependency("absent"))
    await packed.deployments.create(packed.access, deployment_draft("database"))
    await packed.deployments.create(packed.access, deployment_draft(dependencies=needs))
    graph = await packed.deployments.graph(packed.access, "talker-1")
    deployment, found = graph.deployment, graph.needs
    assert deployment.name == "talker-1"
    assert [(need.deployment, other and other.name) for need, other in found] == [
        ("database", "database"),
        ("absent", None),
    ]


# --- packages ------------------------------------------------------------------------------------


async def test_a_package_is_identified_by_name_and_version(packed: World) -> None:
    with pytest.raises(Conflict):
        await packed.packages.create(packed.access, package_draft())
    packed.clock.advance(seconds=1)
    newest = await packed.packages.create(packed.access, package_draft(version="v0"))
    assert await packed.packages.get(packed.access, "talker") == newest
    assert (await packed.packages.get(packed.access, "talker", "v1")).version == "v1"


async def test_a_package_may_name_a_secret_that_does_not_exist_yet(world: World) -> None:
    assert await world.packages.create(world.access, package_draft(secret="later"))


async def test_deleting_one_version_leaves_the_others(packed: World) -> None:
    await packed.packages.create(packed.access, package_draft(version="v2"))
    await packed.packages.delete(packed.access, "talker", "v1")
    listing = await packed.packages.list(packed.access, Page(), selector=LabelSelector(), name="talker")
    assert [package.version for package in listing.items] == ["v2"]
    with pytest.raises(NotFound):
        await packed.packages.delete(packed.access, "talker", "v1")


async def test_what_shall_end_is_refused_and_not_passed_over(packed: World) -> None:
    wanted = replace(deployment_draft(), restart=RestartPolicy.NEVER)
    with pytest.raises(InvalidInput, match="always started again") as caught:
        await packed.deployments.create(packed.access, wanted)
    assert caught.value.field == "spec.restart"
