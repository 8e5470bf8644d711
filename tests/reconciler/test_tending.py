"""The reconciler with several engines, in memory: who is asked for what, and who is told of what."""

import asyncio
from dataclasses import replace

import pytest
from test_reconciler import IMAGE, PATIENCE, REGISTRY, failing, reconciling, running, secret, seen, until

from parts.fakes import FakeEngine
from parts.world import World, small_world
from towline.domain.causes import FindingCode
from towline.domain.deployment import DeploymentDraft
from towline.domain.engine import EngineKeys, EngineKind, EngineRecord, EngineSpec
from towline.domain.findings import Finding
from towline.domain.package import Executable, PackageDraft, PackageSpec, Runtime
from towline.domain.proof import Platform
from towline.services.engine_following import binding_of
from towline.services.engines import EngineDraft

DOWN = Finding(FindingCode.ENGINE_UNREACHABLE, "nobody answers")


@pytest.fixture
async def world():
    async with small_world() as made:
        made.prover.registry(REGISTRY, jane="right").has("team/app:1")
        await secret(made, "right")
        run = Executable("app", IMAGE, pull_secret="pull")
        spec = PackageSpec(Runtime.CLOUD, (run,), replicas=1)
        await made.packages.create(made.access, PackageDraft("app", "1", spec=spec, document=b"{}"))
        for name in ("one", "two"):
            await added(made, name)
        yield made


async def added(world: World, name: str) -> None:
    spec = EngineSpec(EngineKind.DOCKER, f"unix:///{name}")
    await world.engines.add(world.access.principal, EngineDraft(name, spec, EngineKeys()))


def at(world: World, name: str) -> FakeEngine:
    return world.house.at(f"unix:///{name}")


async def deploy(world: World, name: str, engine: str) -> str:
    draft = DeploymentDraft(name, "app", package_version="1", document=b"{}", engine=engine)
    return (await world.deployments.create(world.access, draft)).guid


async def at_rest(world: World) -> None:
    """Wait until nothing is due any more."""

    async def look() -> None:
        while await world.store.read(lambda tx: tx.deployments.next_due()) is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.005)

    await asyncio.wait_for(look(), PATIENCE)


async def test_each_engine_is_asked_for_its_own_and_their_logs_are_theirs(world: World) -> None:
    first, second = await deploy(world, "first", "one"), await deploy(world, "second", "two")
    async with reconciling(world):
        await seen(world, running, name="first")
        await seen(world, running, name="second")
        assert [each.deployment_guid for each in at(world, "one").applied] == [first]
        assert [each.deployment_guid for each in at(world, "two").applied] == [second]
        assert world.engine.applied == []
        at(world, "two").says(second, "app", b"hello\n")
        chunks = await world.deployments.logs(world.access, "second")
        assert b"".join([chunk async for chunk in chunks]) == b"hello\n"
        await world.deployments.delete(world.access, "first")
        await until(lambda: not at(world, "one").running(first))
        assert len(at(world, "two").running(second)) == 1


async def test_one_that_is_out_of_reach_is_told_by_its_own_deployments_alone(world: World) -> None:
    await deploy(world, "first", "one")
    await deploy(world, "second", "two")
    async with reconciling(world):
        await seen(world, running, name="first")
        await seen(world, running, name="second")
        at(world, "two").trouble = DOWN
        await world.engines.check(world.access.principal, "two")
        told = await seen(world, failing, name="second")
        assert [each.code for each in told.status.findings] == [FindingCode.ENGINE_UNREACHABLE]
        third = await deploy(world, "third", "one")
        await seen(world, running, name="third")
        assert running((await world.deployments.get(world.access, "first")).status)
        asked = len(world.prover.asked)
        await deploy(world, "fourth", "two")
        await seen(world, failing, name="fourth")
        assert len(world.prover.asked) == asked
        """No registry is asked for what cannot be started."""
        at(world, "two").trouble = None
        await world.engines.check(world.access.principal, "two")
        await seen(world, running, name="second")
        await seen(world, running, name="fourth")
        assert len(at(world, "one").running(third)) == 1


async def test_what_lives_on_another_engine_is_no_orphan_and_what_lives_nowhere_is(world: World) -> None:
    """Two names for one machine: each sees the other's containers."""
    guid = await deploy(world, "first", "one")
    async with reconciling(world):
        await seen(world, running, name="first")
    workload = at(world, "one").applied[0]
    await at(world, "two").apply(workload)
    await at(world, "two").apply(replace(workload, deployment_guid="dep-nobodys"))
    async with reconciling(world):
        await until(lambda: at(world, "two").removed == [("dep-nobodys", None)])
        await seen(world, running, name="first")
    assert len(at(world, "two").running(guid)) == 1
    assert at(world, "one").removed == []


async def test_an_engine_that_comes_and_goes_is_followed_without_a_restart(world: World) -> None:
    async with reconciling(world):
        await added(world, "three")
        await deploy(world, "first", "three")
        await seen(world, running, name="first")
        await world.engines.remove(world.access.principal, "three", force=True)
        lost = await seen(world, failing, name="first")
        assert "was removed" in lost.status.findings[0].detail
        await added(world, "three")
        await seen(world, running, name="first")
        assert len(at(world, "three").applied) == 1
        await world.engines.remove(world.access.principal, "three", force=True)
        await seen(world, failing, name="first")
        await world.deployments.delete(world.access, "first")
        await at_rest(world)
        assert at(world, "three").removed == []


async def test_images_are_proved_for_the_platform_of_the_engine(world: World) -> None:
    at(world, "two").platform = Platform("linux", "arm64")
    await deploy(world, "first", "one")
    await deploy(world, "second", "two")
    async with reconciling(world):
        await seen(world, running, name="first")
        refused = await seen(world, failing, name="second")
    assert [each.code for each in refused.status.findings] == [FindingCode.PLATFORM_NOT_AVAILABLE]


async def test_an_engine_that_another_server_added_is_waited_for(world: World) -> None:
    spec = EngineSpec(EngineKind.DOCKER, "unix:///elsewhere")
    record = EngineRecord("engine-elsewhere", "elsewhere", spec)
    sealed = await world.vault.seal(EngineKeys().sealed(), binding_of(record))
    await world.store.write(lambda tx: tx.engines.add(record, sealed))
    guid = await deploy(world, "first", "elsewhere")
    async with reconciling(world):
        await deploy(world, "second", "one")
        await seen(world, running, name="second")
        waiting = (await world.deployments.get(world.access, "first")).status
        assert waiting.findings == ()
        await world.following.look()
        await seen(world, running, name="first")
    assert len(at(world, "elsewhere").running(guid)) == 1
