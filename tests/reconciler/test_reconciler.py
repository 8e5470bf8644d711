"""The reconciler on real services, store and vault; registry and engine in memory."""

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest

from parts.world import small_world
from towline.domain.causes import FindingCode
from towline.domain.deployment import DeploymentDraft, Phase, Status
from towline.domain.errors import EngineFailed
from towline.domain.findings import Finding
from towline.domain.package import Executable, PackageDraft, PackageSpec, Runtime
from towline.domain.secret import DockerDraft
from towline.domain.workload import ReplicaState
from towline.reconciler import Pace, Preparation, Reconciler

REGISTRY = "registry.example.com:5000"
IMAGE = f"{REGISTRY}/team/app:1"
PATIENCE = 10.0


@pytest.fixture
async def world():
    async with small_world() as made:
        made.prover.registry(REGISTRY, jane="right").has("team/app:1")
        yield made


@asynccontextmanager
async def reconciling(world, *, owner: str = "one", stable: float = 0.0):
    preparation = Preparation(
        store=world.store, proofs=world.proofs, keychain=world.keychain, clock=world.clock
    )
    reconciler = Reconciler(
        store=world.store,
        engines=world.fleet,
        preparation=preparation,
        bell=world.bell,
        clock=world.clock,
        jitter=lambda: 0.0,
        owner=owner,
        pace=Pace(stable=stable, lease=30.0, progress=0.02),
    )
    running = asyncio.create_task(reconciler.run())
    try:
        yield reconciler
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def secret(world, password: str, *, replace: bool = False) -> None:
    draft = DockerDraft.checked(
        "pull", registry=REGISTRY, username="jane", password=password, email="a@example.com", labels={}
    )
    if replace:
        await world.secrets.replace(world.access, "pull", draft)
    else:
        await world.secrets.create(world.access, draft)


async def deploy(world, *, replicas: int = 1):
    spec = PackageSpec(Runtime.CLOUD, (Executable("app", IMAGE, pull_secret="pull"),), replicas=replicas)
    await world.packages.create(world.access, PackageDraft("talker", "1", spec=spec, document=b"{}"))
    return await world.deployments.create(world.access, draft())


def draft() -> DeploymentDraft:
    return DeploymentDraft("talker", "talker", package_version="1", document=b"{}")


async def until(what) -> None:
    """Wait for something of the engine's that has no event."""

    async def look() -> None:
        while not what():  # noqa: ASYNC110  (the fake engine tells nobody of its removals)
            await asyncio.sleep(0.005)

    await asyncio.wait_for(look(), PATIENCE)


async def seen(world, what, *, name: str = "talker"):
    async def look():
        while True:
            deployment = await world.deployments.get(world.access, name)
            if what(deployment.status):
                return deployment
            await asyncio.sleep(0.005)

    return await asyncio.wait_for(look(), PATIENCE)


def running(status) -> bool:
    return (status.phase, status.status) == (Phase.SUCCEEDED, Status.RUNNING)


def failing(status) -> bool:
    return status.status is Status.ERROR


async def test_a_deployment_with_the_right_secret_runs_its_image_by_digest(world):
    await secret(world, "right")
    made = await deploy(world, replicas=2)
    async with reconciling(world):
        deployment = await seen(world, running)
    assert len(world.engine.running(made.guid)) == 2
    assert world.engine.applied[0].executables[0].image.digest.startswith("sha256:")
    assert deployment.status.executables[0].replicas_running == 2


async def test_a_wrong_password_is_dep_e153_and_a_corrected_one_goes_on_by_itself(world):
    await secret(world, "wrong")
    await deploy(world)
    async with reconciling(world):
        refused = await seen(world, failing)
        assert refused.status.error_codes == ("DEP_E153",)
        assert [each.code for each in refused.status.findings] == [FindingCode.WRONG_CREDENTIALS]
        assert refused.status.phase is Phase.PROVISIONING
        assert not world.engine.applied
        await secret(world, "right", replace=True)
        assert (await seen(world, running)).status.findings == ()


async def test_a_missing_secret_is_waited_for(world):
    await deploy(world)
    async with reconciling(world):
        refused = await seen(world, failing)
        assert [each.code for each in refused.status.findings] == [FindingCode.SECRET_MISSING]
        await secret(world, "right")
        await seen(world, running)


async def test_an_update_retires_the_old_generation_only_when_the_new_one_runs(world):
    await secret(world, "right")
    made = await deploy(world)
    async with reconciling(world):
        await seen(world, running)
        await world.deployments.update(world.access, "talker", draft())
        await seen(world, lambda status: running(status) and status.serving == 2)
    assert world.engine.removed == [(made.guid, 2)]
    assert {key[1] for key in world.engine.running(made.guid)} == {2}


async def test_a_deleted_deployment_leaves_nothing_on_the_engine(world):
    await secret(world, "right")
    made = await deploy(world)
    async with reconciling(world):
        await seen(world, running)
        await world.deployments.delete(world.access, "talker")
        await until(lambda: not world.engine.running(made.guid))
    assert (made.guid, None) in world.engine.removed


async def test_a_wish_that_changes_during_a_pull_is_followed_at_once(world):
    await secret(world, "right")
    await deploy(world)
    world.engine.hold()
    async with reconciling(world):
        await until(lambda: world.engine.applied)
        await world.deployments.update(world.access, "talker", draft())
        await until(lambda: len(world.engine.applied) == 2)
        world.engine.release()
        await seen(world, lambda status: running(status) and status.serving == 2)


async def test_a_process_that_ends_and_comes_back_is_told(world):
    await secret(world, "right")
    made = await deploy(world)
    async with reconciling(world):
        await seen(world, running)
        world.engine.ends(made.guid, "app", exit_code=1)
        ended = await seen(world, failing)
        assert (ended.status.phase, ended.status.error_codes) == (Phase.SUCCEEDED, ("DEP_E155",))
        world.engine.restarts(made.guid, "app")
        await seen(world, running)


async def test_engine_trouble_is_tried_again_after_a_pause_and_not_before(world):
    await secret(world, "right")
    await deploy(world)
    world.engine.fails(EngineFailed(Finding(FindingCode.ENGINE_ERROR, "no room", executable="app")))
    async with reconciling(world):
        refused = await seen(world, failing)
        assert refused.status.error_codes == ("DEP_E155",)
        assert len(world.engine.applied) == 1
        world.clock.advance(seconds=6)
        world.bell.ring()
        await seen(world, running)


async def test_what_a_dead_process_began_is_continued_and_orphans_are_ended(world):
    await secret(world, "right")
    made = await deploy(world)
    async with reconciling(world):
        await seen(world, running)
    starts = sum(world.engine.started.values())
    stray = world.engine.applied[0].__class__(
        "dep-stray", "stray", project_guid="p", generation=1, executables=world.engine.applied[0].executables
    )
    await world.engine.apply(stray)
    async with reconciling(world, owner="two"):
        await until(lambda: not world.engine.running("dep-stray"))
        await seen(world, running)
    assert len(world.engine.running(made.guid)) == 1
    assert sum(world.engine.started.values()) == starts + 1


async def test_two_reconcilers_start_nothing_twice(world):
    await secret(world, "right")
    await deploy(world, replicas=3)
    async with reconciling(world, owner="one"), reconciling(world, owner="two"):
        await seen(world, running)
    assert set(world.engine.started.values()) == {1}
    assert all(fact.state is ReplicaState.RUNNING for fact in await world.engine.inventory())


async def test_what_keeps_a_deleted_deployment_from_going_is_told_until_it_is_gone(world):
    await secret(world, "right")
    made = await deploy(world)
    async with reconciling(world):
        await seen(world, running)
        held = "its objects are held by the finalizers example.com/hold"
        world.engine.held = EngineFailed(Finding(FindingCode.ENGINE_ERROR, held))
        await world.deployments.delete(world.access, "talker")
        status = await recorded(world, made, lambda status: status.findings)
        assert (status.phase, status.findings[0].detail) == (Phase.STOPPED, held)
        world.engine.held = None
        world.clock.advance(seconds=6)
        world.bell.ring()
        status = await recorded(world, made, lambda status: not status.findings)
    assert (made.guid, None) in world.engine.removed
    assert status.phase is Phase.STOPPED


async def recorded(world, made, is_so):
    """Return the status of a deployment's record, deleted or not, once it is so."""
    project = world.access.project.guid
    async with asyncio.timeout(PATIENCE):
        while True:
            record = await world.store.read(lambda tx: tx.deployments.get(project, "", guid=made.guid))
            if is_so(record.status):
                return record.status
            await asyncio.sleep(0.005)
