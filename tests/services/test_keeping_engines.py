"""The installation's engines: who may, what is refused, what is kept and what is not told."""

import json
from dataclasses import replace

import pytest

from parts.world import JANES_PASSWORD, World, package_draft
from towline.domain.account import TokenLevel
from towline.domain.causes import FindingCode
from towline.domain.credential import Password
from towline.domain.deployment import DeploymentDraft
from towline.domain.engine import EngineKeys, EngineKind, EngineRecord, EngineSpec, KeptImage
from towline.domain.errors import Conflict, EngineFailed, InvalidInput, NotAllowed, NotFound
from towline.domain.findings import Finding
from towline.domain.mirror import Mirror
from towline.services.bell import LocalBell
from towline.services.engine_following import EngineFollowing
from towline.services.engines import EngineDraft
from towline.services.fleet import Fleet
from towline.store.keyring import Keyring
from towline.store.vault import SealingVault

KEY = "-----BEGIN PRIVATE KEY-----\nobviously-a-test-key\n-----END PRIVATE KEY-----\n"
DOWN = Finding(FindingCode.ENGINE_UNREACHABLE, "nobody answers")


def draft(name: str = "rack1", address: str = "tcp://10.0.0.7:2376", **keys: object) -> EngineDraft:
    return EngineDraft(name, EngineSpec(EngineKind.DOCKER, address), EngineKeys(**keys))


async def added(world: World, name: str = "rack1", address: str = "tcp://10.0.0.7:2376", **keys: object):
    return await world.engines.add(world.access.principal, draft(name, address, **keys))


async def deployed(world: World, name: str, engine: str = "") -> str:
    package = package_draft(f"{name}-package")
    await world.packages.create(world.access, package)
    asked = DeploymentDraft(
        name, package.name, package_version=package.version, document=b"{}", engine=engine
    )
    return (await world.deployments.create(world.access, asked)).engine


async def names(world: World) -> list[str]:
    return [each.record.name for each in await world.engines.list(world.access.principal)]


async def test_the_own_engine_is_there_from_the_start_and_is_the_default(world: World) -> None:
    [own] = await world.engines.list(world.access.principal)
    assert (own.record.name, own.is_own, own.is_default, own.health.answers) == ("embedded", True, True, True)
    with pytest.raises(Conflict, match="own engine"):
        await world.engines.remove(world.access.principal, "embedded", force=True)


async def test_an_engine_that_was_added_is_in_use_at_once(world: World) -> None:
    view = await added(world)
    assert await names(world) == ["embedded", "rack1"]
    assert (view.health.version, view.deployments, view.is_default) == ("1.0", 0, False)
    assert await deployed(world, "talker", "rack1") == "rack1"
    assert (await world.engines.get(world.access.principal, "rack1")).deployments == 1


async def test_keys_are_sealed_and_come_back_after_a_restart(world: World) -> None:
    await added(world, ca="a ca", certificate="a certificate", key=Password(KEY))
    rows = await world.store.read(lambda tx: tx.engines.all())
    [(record, sealed)] = rows
    assert b"obviously-a-test-key" not in sealed
    assert "obviously" not in json.dumps(str(record))
    [(again, keys)] = await world.following.kept()
    assert again == record
    assert keys.key.reveal() == KEY
    assert (keys.ca, keys.certificate) == ("a ca", "a certificate")


async def test_what_is_done_to_engines_is_in_the_audit_trail_without_keys(world: World) -> None:
    await added(world, ca="a ca", certificate="a certificate", key=Password(KEY))
    await world.engines.set_default(world.access.principal, "rack1")
    await world.engines.remove(world.access.principal, "rack1")
    rows = [row for row in await world.rows() if row[1].startswith("engine.")]
    assert [row[1] for row in rows] == ["engine.added", "engine.default-set", "engine.removed"]
    assert rows[0][3] == {"kind": "docker", "address": "tcp://10.0.0.7:2376"}
    assert "a certificate" not in str(rows)


async def test_admins_of_other_organizations_and_members_may_nothing(world: World) -> None:
    await world.accounts.create_user(
        email="eve@example.org", password=Password(JANES_PASSWORD), organization="others", project="theirs"
    )
    await world.accounts.create_user(
        email="max@example.com", password=Password(JANES_PASSWORD), organization="acme"
    )
    for email in ("eve@example.org", "max@example.com"):
        token = await world.accounts.login(
            email, Password(JANES_PASSWORD), level=TokenLevel.LOW, peer="127.0.0.1"
        )
        principal = await world.accounts.authenticate(token)
        assert not await world.engines.may(principal)
        for refused in (
            world.engines.list(principal),
            world.engines.add(principal, draft()),
            world.engines.remove(principal, "embedded"),
            world.engines.set_default(principal, "embedded"),
            world.engines.collect(principal, "embedded"),
            world.engines.storage(principal, "embedded"),
        ):
            with pytest.raises(NotAllowed):
                await refused
    assert await names(world) == ["embedded"]


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (draft("Rack 1"), "metadata.name"),
        (draft("docker"), "metadata.name"),
        (draft(address=""), "spec.address"),
        (draft(certificate="a certificate", key=Password(KEY)), "spec.tls"),
        (draft(ca="a ca", certificate="a certificate"), "spec.tls"),
        (draft(kubeconfig=Password("x")), "spec.kubeconfig"),
        (EngineDraft("k", EngineSpec(EngineKind.KUBERNETES), EngineKeys()), "spec.kubeconfig"),
        (EngineDraft("k", EngineSpec(EngineKind.EMBEDDED), EngineKeys()), "spec.kind"),
    ],
)
async def test_what_is_missing_or_too_much_is_named(world: World, wanted: EngineDraft, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await world.engines.add(world.access.principal, wanted)
    assert refused.value.field == field
    assert await names(world) == ["embedded"]


async def test_an_engine_that_does_not_answer_is_not_added(world: World) -> None:
    world.house.at("tcp://10.0.0.7:2376").trouble = DOWN
    with pytest.raises(EngineFailed):
        await added(world)
    assert await names(world) == ["embedded"]
    assert await world.store.read(lambda tx: tx.engines.all()) == ()


async def test_the_same_engine_is_not_added_under_a_second_name_nor_a_name_twice(world: World) -> None:
    await added(world)
    world.house.at("tcp://other:2376").identities = world.house.at("tcp://10.0.0.7:2376").identities
    with pytest.raises(Conflict, match="under the name 'rack1'"):
        await added(world, "rack2", "tcp://other:2376")
    with pytest.raises(Conflict, match="exists"):
        await added(world, "rack1", "tcp://third:2376")
    world.engine.identities = ("fake:tcp://fourth:2376",)
    with pytest.raises(Conflict, match="own engine"):
        await added(world, "rack4", "tcp://fourth:2376")


async def test_a_deployment_takes_what_it_names_its_projects_default_or_the_installations(
    world: World,
) -> None:
    jane, project = world.access.principal, world.access.project.guid
    await added(world)
    await added(world, "rack2", "tcp://10.0.0.8:2376")
    assert await deployed(world, "one") == "embedded"
    await world.engines.set_default(jane, "rack1")
    assert await deployed(world, "two") == "rack1"
    view = await world.engines.set_default(jane, "rack2", project_guid=project)
    assert view.default_of == {project: "demo"}
    assert await deployed(world, "three") == "rack2"
    assert await deployed(world, "four", "embedded") == "embedded"
    assert await world.engines.choices(world.access) == (["embedded", "rack1", "rack2"], "rack2")
    await world.engines.unset_default(jane, "rack2", project_guid=project)
    assert await deployed(world, "five") == "rack1"
    with pytest.raises(Conflict):
        await world.engines.unset_default(jane, "rack2", project_guid=project)
    with pytest.raises(NotFound):
        await world.engines.set_default(jane, "rack2", project_guid="project-nobody")


async def test_an_unknown_engine_is_refused_with_the_list(world: World) -> None:
    await added(world)
    with pytest.raises(InvalidInput, match="use one of embedded, rack1"):
        await deployed(world, "talker", "rack9")


async def test_a_deployment_keeps_its_engine(world: World) -> None:
    await added(world)
    await deployed(world, "talker", "rack1")
    asked = DeploymentDraft("talker", "talker-package", package_version="1", document=b"{}")
    present = await world.deployments.get(world.access, "talker")
    asked = DeploymentDraft(
        "talker", "talker-package", package_version=present.wish.package_version, document=b"{}"
    )
    updated = await world.deployments.update(world.access, "talker", asked)
    assert (updated.engine, updated.generation) == ("rack1", 2)
    elsewhere = DeploymentDraft(
        "talker",
        "talker-package",
        package_version=present.wish.package_version,
        document=b"{}",
        engine="embedded",
    )
    with pytest.raises(InvalidInput, match="keeps its engine"):
        await world.deployments.update(world.access, "talker", elsewhere)


async def test_an_engine_with_deployments_goes_only_by_force_and_takes_its_defaults_along(
    world: World,
) -> None:
    jane, project = world.access.principal, world.access.project.guid
    await added(world)
    await world.engines.set_default(jane, "rack1")
    await world.engines.set_default(jane, "rack1", project_guid=project)
    await deployed(world, "talker")
    with pytest.raises(Conflict, match="1 deployment"):
        await world.engines.remove(jane, "rack1")
    await world.engines.remove(jane, "rack1", force=True)
    assert await names(world) == ["embedded"]
    assert world.house.closed == ["rack1", "rack1"]
    """Once after it was tried, once for good."""
    assert await deployed(world, "next") == "embedded"
    with pytest.raises(EngineFailed, match="was removed"):
        await world.deployments.logs(world.access, "talker")


async def test_an_engine_into_which_secrets_are_mirrored_goes_only_by_force(world: World) -> None:
    jane = world.access.principal
    await added(world)
    there = Mirror("mirror-a", "project-a", "secret-a", "pull", created_at=world.clock(), engine="rack1")
    here = replace(there, guid="mirror-b", engine="")
    for each in (there, here):
        await world.store.write(lambda tx, mirror=each: tx.mirrors.put(mirror))
    with pytest.raises(Conflict, match="secrets are mirrored into engine 'rack1'"):
        await world.engines.remove(jane, "rack1")
    await world.engines.remove(jane, "rack1", force=True)
    assert await world.store.read(lambda tx: tx.mirrors.all()) == (here,)


async def test_what_is_to_be_ended_on_an_engine_still_counts(world: World) -> None:
    await added(world)
    await deployed(world, "talker", "rack1")
    await world.deployments.delete(world.access, "talker")
    with pytest.raises(Conflict, match="1 deployment"):
        await world.engines.remove(world.access.principal, "rack1")


async def test_only_our_unused_images_are_collected(world: World) -> None:
    await added(world)
    host = world.house.at("tcp://10.0.0.7:2376")
    foreign = KeptImage("somebody/elses:1", 7, is_used=False, is_ours=False)
    used = KeptImage("registry.example.com/a@sha256:1", 5, is_used=True, is_ours=True)
    host.images = (
        foreign,
        used,
        KeptImage("registry.example.com/b@sha256:2", 3, is_used=False, is_ours=True),
    )
    assert await world.engines.collect(world.access.principal, "rack1") == 1
    assert (await world.engines.storage(world.access.principal, "rack1")).images == (foreign, used)


async def test_health_tells_since_when_and_another_engine_is_recognised(world: World) -> None:
    jane = world.access.principal
    before = (await added(world)).health
    host = world.house.at("tcp://10.0.0.7:2376")
    world.clock.advance(seconds=60)
    assert (await world.engines.check(jane, "rack1")).health.since == before.since
    host.trouble = DOWN
    lost = (await world.engines.check(jane, "rack1")).health
    assert (lost.trouble, lost.since, lost.version) == (DOWN, world.clock(), "1.0")
    host.trouble, host.identities = None, ("fake:somebody else",)
    world.clock.advance(seconds=60)
    stranger = (await world.engines.check(jane, "rack1")).health
    assert stranger.trouble is not None
    assert "another engine" in stranger.trouble.detail


async def test_what_another_server_adds_and_removes_is_followed(world: World) -> None:
    """One store, two fleets: that of this world, and another server's."""
    bell = LocalBell()
    there = Fleet(world.house, own="embedded", bell=bell, clock=world.clock)
    await there.open_own(EngineRecord("", "embedded", EngineSpec(EngineKind.EMBEDDED)), EngineKeys())
    following = EngineFollowing(store=world.store, vault=world.vault, doors=there)
    await added(world, key=Password(KEY), ca="a ca", certificate="a certificate")
    await following.look()
    await following.look()
    assert list(there.all()) == ["embedded", "rack1"]
    assert world.house.keys["rack1"].key.reveal() == KEY
    await world.engines.remove(world.access.principal, "rack1")
    await added(world, address="tcp://10.0.0.9:2376")
    await following.look()
    assert there.record("rack1").spec.address == "tcp://10.0.0.9:2376"
    await world.engines.remove(world.access.principal, "rack1")
    await following.look()
    assert list(there.all()) == ["embedded"]
    await there.close_all()


async def test_an_engine_whose_keys_do_not_open_says_so_and_keeps_nothing_from_starting(
    world: World,
) -> None:
    await added(world)
    there = Fleet(world.house, own="embedded", bell=world.bell, clock=world.clock)
    await there.open_own(EngineRecord("", "embedded", EngineSpec(EngineKind.EMBEDDED)), EngineKeys())
    other = SealingVault(Keyring.fresh())
    await there.open_all(await EngineFollowing(store=world.store, vault=other, doors=there).kept())
    trouble = there.all()["rack1"].health.trouble
    assert trouble is not None
    assert "does not open" in trouble.detail
    with pytest.raises(EngineFailed, match="does not open"):
        await there.all()["rack1"].engine.remove("dep-1")
    await there.close_all()
