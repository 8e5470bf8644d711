"""Disks and the reconciler: mounted, waited for, cleared away."""

from dataclasses import replace

import pytest
from test_reconciler import deploy, draft, failing, reconciling, running, secret, seen, until, world

from towline.domain.causes import FindingCode
from towline.domain.deployment import DeploymentDraft
from towline.domain.disk import DiskDraft, Volume
from towline.domain.errors import EngineFailed
from towline.domain.findings import Finding

__all__ = ["world"]


def wants(**changes: object) -> DeploymentDraft:
    made = replace(draft(), volumes=(Volume("data", "app", "/data", sub_path="db", uid=7),))
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.fixture
async def disk(world):
    await secret(world, "right")
    await deploy(world)
    await world.deployments.delete(world.access, "talker")
    return (await world.disks.create(world.access, DiskDraft("data", 8))).disk.guid


async def test_a_deployment_is_given_its_disks_and_is_exclusive_for_them(world, disk):
    async with reconciling(world):
        await world.deployments.create(world.access, wants())
        await seen(world, running)
    workload = world.engine.applied[-1]
    (mount,) = workload.executables[0].mounts
    assert (mount.disk, mount.path, mount.sub_path, mount.uid, mount.capacity) == (disk, "/data", "db", 7, 8)
    assert workload.exclusive
    assert workload.disks == {disk: 8}


async def test_a_disk_that_is_still_in_use_is_dep_e210_and_the_wait_ends_by_itself(world, disk):
    async with reconciling(world):
        first = await world.deployments.create(world.access, wants())
        await seen(world, running)
        world.engine.held = EngineFailed(Finding(FindingCode.ENGINE_ERROR, "it does not end"))
        await world.deployments.delete(world.access, "talker")
        await world.deployments.create(world.access, wants(name="next"))
        waiting = await seen(world, failing, name="next")
        assert waiting.status.error_codes == ("DEP_E210",)
        assert "deployment 'talker', which is ending" in waiting.status.findings[0].detail
        world.engine.held = None
        world.clock.advance(seconds=6)
        world.bell.ring()
        await seen(world, running, name="next")
    assert not world.engine.running(first.guid)


async def test_a_deleted_disk_is_cleared_away_once_its_containers_are_gone(world, disk):
    async with reconciling(world):
        await world.deployments.create(world.access, wants())
        await seen(world, running)
        assert disk in world.engine.disks
        await world.deployments.delete(world.access, "talker")
        await world.disks.delete(world.access, "data")
        await until(lambda: disk not in world.engine.disks)
        await world.disks.create(world.access, DiskDraft("data", 8))
    assert [each for each in await world.actions() if each.startswith("disk")] == [
        "disk.created",
        "disk.deleted",
        "disk.created",
    ]
