"""An update that takes the place of what runs, and ends itself: what ran runs again, and is told."""

import asyncio

import pytest
from test_reconciler import IMAGE, REGISTRY, failing, reconciling, running, secret, seen, until

from parts.world import mint_draft, small_world
from towline.domain.causes import FindingCode
from towline.domain.deployment import DeploymentDraft, Phase, Status
from towline.domain.errors import EngineFailed
from towline.domain.events import EventKind
from towline.domain.findings import Finding
from towline.domain.listing import Page
from towline.domain.package import Executable, PackageDraft, PackageSpec, Runtime
from towline.domain.workload import ReplicaState

STABLE = 2.0


@pytest.fixture
async def world():
    async with small_world() as made:
        made.prover.registry(REGISTRY, jane="right").has("team/app:1")
        yield made


def draft(version: str) -> DeploymentDraft:
    return DeploymentDraft("talker", "talker", package_version=version, document=b"{}")


async def one_that_runs(world, *, ports=(8080,)):
    """Deploy a package with ports, and let it become stable."""
    await secret(world, "right")
    for version in ("1", "2"):
        run = Executable("app", IMAGE, pull_secret="pull")
        spec = PackageSpec(Runtime.CLOUD, (run,), ports=ports)
        await world.packages.create(world.access, PackageDraft("talker", version, spec=spec, document=b"{}"))
    made = await world.deployments.create(world.access, draft("1"))
    await until(lambda: world.engine.running(made.guid))
    await stable(world)
    return made


async def stable(world, generation: int = 1):
    """Let the stable window pass."""
    await seen(world, lambda status: status.generation == generation and status.status is Status.PENDING)
    world.clock.advance(seconds=STABLE)
    world.bell.ring()
    return await seen(world, lambda status: running(status) and status.serving == generation)


async def updated_and_ended(world, made, **how):
    """Update, and let the new process end at once; return what is told then."""
    await world.deployments.update(world.access, "talker", draft("2"))
    await until(lambda: generations(world, made) >= {2})
    world.engine.ends(made.guid, "app", exit_code=3, **how)
    return await seen(world, failing)


def generations(world, made) -> set[int]:
    return {key[1] for key in world.engine.running(made.guid)}


def starts(world, made, generation: int) -> int:
    return world.engine.started[made.guid, generation, "app", 0]


async def waiting(world) -> int:
    return await world.store.read(lambda tx: tx.deployments.waiting(world.clock()))


@pytest.mark.parametrize("state", [ReplicaState.BACKING_OFF, ReplicaState.EXITED])
async def test_what_ran_runs_again_and_status_and_event_say_why(world, state):
    async with reconciling(world, stable=STABLE):
        made = await one_that_runs(world)
        told = await updated_and_ended(world, made, state=state)
        assert generations(world, made) == {1}
        assert [each.code for each in told.status.findings] == [
            FindingCode.EXITED,
            FindingCode.UPDATE_ROLLED_BACK,
        ]
        assert (told.status.phase, told.status.serving, told.generation) == (Phase.PROVISIONING, 1, 2)
        events = (await world.webhooks.events(world.access, Page(), kind=EventKind.ROLLED_BACK)).items
        assert [each.headline for each in events] == [
            "Deployment talker: generation 2 was taken back (exited), generation 1 runs again."
        ]


async def test_no_clock_and_no_news_tries_it_again_but_the_next_wish_does(world):
    async with reconciling(world, stable=STABLE):
        made = await one_that_runs(world)
        await updated_and_ended(world, made)
        world.engine.ends(made.guid, "app", exit_code=1)  # what runs again ends, and comes back
        both = await seen(world, lambda status: len(status.findings) == 3)
        assert both.status.findings[2].detail == "exit code 1"
        world.engine.restarts(made.guid, "app")
        await seen(world, lambda status: len(status.findings) == 2)
        world.clock.advance(seconds=600)
        world.bell.ring()
    async with reconciling(world, owner="two", stable=STABLE):
        await seen(world, failing)
        assert starts(world, made, 2) == 1
        await world.deployments.update(world.access, "talker", draft("2"))
        await until(lambda: generations(world, made) == {3})
        assert (await stable(world, 3)).status.findings == ()
    assert await generations_held(world) == {3}


async def test_a_changed_secret_is_reason_to_try_again(world):
    async with reconciling(world, stable=STABLE):
        made = await one_that_runs(world)
        await updated_and_ended(world, made)
        await secret(world, "right", replace=True)
        await until(lambda: generations(world, made) == {2})
        await stable(world, 2)
    assert await generations_held(world) == {2}


async def test_a_renewed_login_is_none_and_a_new_parent_credential_is(world):
    world.mint.registry = world.prover.registries[REGISTRY]
    async with reconciling(world, stable=STABLE) as reconciler:
        made = await one_that_runs(world)
        await world.secrets.replace(world.access, "pull", mint_draft(registry=REGISTRY))
        await updated_and_ended(world, made)
        guid = (await world.secrets.get(world.access, "pull")).metadata.guid
        await world.renewals.renew(world.access.project.guid, guid, actor="test")
        while reconciler.walks or await waiting(world):  # noqa: ASYNC110  (a walk that ends tells nobody)
            await asyncio.sleep(0.005)
        assert starts(world, made, 2) == 1
        assert generations(world, made) == {1}
        await world.secrets.replace(world.access, "pull", mint_draft(registry=REGISTRY, key="AKIA-NEW-TEST"))
        await until(lambda: generations(world, made) == {2})
        await stable(world, 2)


async def test_an_engine_that_cannot_is_asked_again(world):
    async with reconciling(world, stable=STABLE):
        made = await one_that_runs(world)
        world.engine.stuck = EngineFailed(Finding(FindingCode.ENGINE_UNREACHABLE, "no answer"))
        await world.deployments.update(world.access, "talker", draft("2"))
        await until(lambda: generations(world, made) >= {2})
        world.engine.ends(made.guid, "app", exit_code=3)
        told = await seen(world, failing)
        assert told.status.error_codes == ("DEP_E155", "DEP_E201")
        world.engine.stuck = None
        world.clock.advance(seconds=6)
        world.bell.ring()
        await seen(world, lambda status: status.error_codes == ("DEP_E155",))
        assert generations(world, made) == {1}
        assert starts(world, made, 2) == 1


async def test_generations_without_ports_run_side_by_side_and_nothing_is_taken_back(world):
    async with reconciling(world, stable=STABLE):
        made = await one_that_runs(world, ports=())
        told = await updated_and_ended(world, made)
        assert [each.code for each in told.status.findings] == [FindingCode.EXITED]
        assert (told.status.phase, told.status.serving) == (Phase.PROVISIONING, 1)
        assert generations(world, made) == {1}
        world.engine.restarts(made.guid, "app")
        world.clock.advance(seconds=STABLE)
        world.bell.ring()
        await seen(world, lambda status: running(status) and status.serving == 2)


async def test_what_was_stable_is_not_taken_back(world):
    async with reconciling(world, stable=STABLE):
        made = await one_that_runs(world)
        await world.deployments.update(world.access, "talker", draft("2"))
        await until(lambda: generations(world, made) == {2})
        await stable(world, 2)
        world.engine.ends(made.guid, "app", exit_code=3)
        told = await seen(world, failing)
        assert [each.code for each in told.status.findings] == [FindingCode.EXITED]
        assert told.status.phase is Phase.SUCCEEDED
    assert await generations_held(world) == {2}


async def generations_held(world) -> set[int]:
    return {fact.generation for fact in await world.engine.inventory()}
