"""DISKS: made, mounted, shown and deleted by forms as people send them, no scripts."""

import pytest

from parts.world import package_draft
from towline.domain.account import ProjectRole
from towline.domain.disk import DiskDraft
from towline.domain.errors import NotFound

MADE = {"name": "data", "capacity": "8", "engine": ""}


@pytest.fixture
async def packed(world):
    """A world with a package to mount disks with."""
    await world.packages.create(world.access, package_draft())
    return world


async def mounts(jane, **changes):
    """Deploy the package with the disk as the form does."""
    fields = {"package": "talker v1", "name": "keeper", "disk": "data", "mountPath": "/data", "execName": ""}
    return await jane.send("/new/deployment", {**fields, **changes})


async def test_a_disk_is_made_from_the_form_and_listed(jane, world):
    assert "No disks yet" in await jane.see("/disks")
    assert "64 GiB" in await jane.see("/new/disk")
    assert (await jane.send("/new/disk", MADE)).status_code == 303
    assert (await world.disks.get(world.access, "data")).disk.capacity == 8
    listed = await jane.see("/disks")
    assert "Disk data was created." in listed
    assert "Available" in listed
    assert "no deployment" in listed
    shown = await jane.see("/disks/data")
    assert "8 GiB" in shown
    assert "not known" in shown


async def test_what_is_wrong_stands_beside_its_field(jane, world):
    await world.disks.create(world.access, DiskDraft("data", 4))
    for changes, status, said in (
        ({"name": "data"}, 409, "exists in this project"),
        ({"name": "no/name"}, 400, "is not a legal name"),
        ({"capacity": "5"}, 400, "even number of GiB"),
        ({"engine": "nowhere"}, 400, "is no engine of this installation"),
    ):
        answer = await jane.send("/new/disk", {**MADE, "name": "other", **changes})
        assert (answer.status_code, said in answer.text) == (status, True), answer.text


async def test_a_deployment_mounts_a_disk_and_both_pages_say_so(jane, packed):
    await packed.disks.create(packed.access, DiskDraft("data", 4))
    answer = await mounts(jane, mountPath="data")
    assert answer.status_code == 400
    assert "is not absolute" in answer.text
    assert (await mounts(jane)).status_code == 303
    page = await jane.see("/deployments/keeper")
    assert "/data" in page
    assert "all of it" in page
    assert "keeper" in await jane.see("/disks")
    assert "Its disks stay" in await jane.see("/deployments/keeper/delete")
    taken = await mounts(jane, name="other")
    assert taken.status_code == 409
    assert "is used by deployment" in taken.text


async def test_a_restart_keeps_the_disk(jane, packed):
    await packed.disks.create(packed.access, DiskDraft("data", 4))
    await mounts(jane)
    assert (await jane.send("/deployments/keeper/update", {"package": "talker v1"})).status_code == 303
    again = await packed.deployments.get(packed.access, "keeper")
    assert again.generation == 2
    assert [volume.mount_path for volume in again.wish.volumes] == ["/data"]


async def test_deleting_asks_for_the_name_and_is_refused_while_the_disk_is_used(jane, packed):
    await packed.disks.create(packed.access, DiskDraft("data", 4))
    await mounts(jane)
    assert "All that is on the disk is deleted" in await jane.see("/disks/data/delete")
    assert (await jane.send("/disks/data/delete", {"confirm": "dta"})).status_code == 400
    refused = await jane.send("/disks/data/delete", {"confirm": "data"})
    assert refused.status_code == 409
    assert "keeper" in refused.text
    await packed.deployments.delete(packed.access, "keeper")
    assert (await jane.send("/disks/data/delete", {"confirm": "data"})).status_code == 303
    with pytest.raises(NotFound):
        await packed.disks.get(packed.access, "data")


async def test_a_viewer_sees_disks_and_may_not_change_them(visitor, world):
    await world.disks.create(world.access, DiskDraft("data", 4))
    await world.member("ann@example.com", role=ProjectRole.VIEWER)
    await visitor.sign_in("ann@example.com")
    page = await visitor.see("/disks")
    assert "data" in page
    assert "CREATE DISK" not in page
    await visitor.see("/disks/data/delete", status=403)
