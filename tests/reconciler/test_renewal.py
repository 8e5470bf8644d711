"""Engines that keep credentials are given changed ones; what others changed is applied again."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from structlog.testing import capture_logs
from test_reconciler import REGISTRY, deploy, reconciling, running, secret, seen, until, world

from parts.world import mint_draft
from towline.domain.causes import FindingCode
from towline.domain.credential import Credential, Password
from towline.domain.errors import EngineFailed
from towline.domain.findings import Finding

__all__ = ["world"]


def passwords(world) -> list[Password]:
    """Return with what the engine was asked to pull, each time."""
    given = [applied.executables[0].access.credential for applied in world.engine.applied]
    return [each.password for each in given if isinstance(each, Credential)]


async def test_a_changed_secret_reaches_an_engine_that_keeps_it_once(world):
    world.engine.keeps_credentials = True
    await secret(world, "right")
    await deploy(world)
    async with reconciling(world):
        await seen(world, running)
        world.prover.registry(REGISTRY, jane="new").has("team/app:1")
        await secret(world, "new", replace=True)
        await until(lambda: len(world.engine.applied) == 2)
        deployment = await seen(world, lambda status: running(status) and status.credentials.endswith(":2"))
        assert passwords(world) == [Password("right"), Password("new")]
        await world.store.write(lambda tx: tx.deployments.wake(now=world.clock(), guids=[deployment.guid]))
        world.bell.ring()
        await seen(world, running)
    assert len(world.engine.applied) == 2
    assert set(world.engine.started.values()) == {1}, "what runs is not started again"


async def test_an_engine_that_keeps_none_is_left_alone(world):
    await secret(world, "right")
    await deploy(world)
    async with reconciling(world):
        await seen(world, running)
        await secret(world, "right", replace=True)
        await seen(world, running)
    assert len(world.engine.applied) == 1


async def test_a_secret_that_does_not_prove_stays_out_of_what_runs(world):
    world.engine.keeps_credentials = True
    await secret(world, "right")
    await deploy(world)
    async with reconciling(world):
        await seen(world, running)
        with capture_logs() as told:
            await secret(world, "wrong", replace=True)
            await until(lambda: any(each["event"] == "deployment.not_renewed" for each in told))
        await seen(world, running)
        assert passwords(world) == [Password("right")]
        await secret(world, "right", replace=True)
        await until(lambda: len(world.engine.applied) == 2)
    assert passwords(world) == [Password("right"), Password("right")]


async def test_a_minted_login_reaches_an_engine_that_keeps_it_before_the_old_one_ends(world):
    world.engine.keeps_credentials = True
    world.mint.registry = world.prover.registries[REGISTRY]
    await world.secrets.create(world.access, mint_draft(registry=REGISTRY))
    await deploy(world)
    async with reconciling(world) as reconciler:
        await seen(world, running)
        while reconciler.walks:  # noqa: ASYNC110  (a walk that ends tells nobody)
            await asyncio.sleep(0.005)
        world.clock.advance(seconds=world.mint.life.total_seconds() * 0.7)
        assert await world.renewals.round() == 1
        await until(lambda: len(world.engine.applied) == 2)
        await seen(world, lambda status: running(status) and status.credentials.endswith(":1+2"))
    assert passwords(world) == [Password("minted-1"), Password("minted-2")]
    assert set(world.engine.started.values()) == {1}, "what runs is not started again"


async def test_a_renewal_that_the_engine_could_not_do_is_tried_again(world):
    world.engine.keeps_credentials = True
    await secret(world, "right")
    await deploy(world)
    async with reconciling(world) as reconciler:
        await seen(world, running)
        world.engine.fails(EngineFailed(Finding(FindingCode.ENGINE_UNREACHABLE)))
        await secret(world, "right", replace=True)
        await until(lambda: len(world.engine.applied) >= 2)  # a walk that was under way leaves no pause

        def in_time(status) -> bool:
            if not reconciler.walks:  # the time of a walk stands still, or its lease would end
                world.clock.advance(seconds=6)
                world.bell.ring()
            return status.credentials.endswith(":2")

        await seen(world, in_time)
    assert len(world.engine.applied) == 3


async def test_what_the_engine_calls_outdated_is_applied_again_without_a_stop(world):
    await secret(world, "right")
    made = await deploy(world)
    async with reconciling(world):
        await seen(world, running)
        (fact,) = await world.engine.inventory()
        world.engine.push(replace(fact, outdated=True, at=world.clock()))
        await until(lambda: len(world.engine.applied) >= 2)  # again as long as it is called so
        assert len(world.engine.running(made.guid)) == 1
        world.engine.push(replace(fact, at=world.clock()))
        await seen(world, running)
