"""What a secret opened, when, for whom and from where."""

import pytest

from parts.world import REGISTRY, docker_draft, opaque_draft, small_world
from towline.domain.account import Permission, TokenLevel
from towline.domain.audit import Door
from towline.domain.credential import Password
from towline.domain.errors import InvalidInput, NotFound, PullRefused
from towline.domain.image import ImageReference
from towline.domain.uses import UseFilter, moment_of


@pytest.fixture
async def used():
    """A world with a secret that was used at three doors, refused once, and another that was used too."""
    async with small_world() as world:
        world.prover.registry(REGISTRY, robot="hunter2")
        project, image = world.access.project.guid, ImageReference.parse(f"{REGISTRY}/team/app:1")
        await world.secrets.create(world.access, docker_draft())
        await world.secrets.create(world.access, docker_draft("other"))
        await world.secrets.create(world.access, opaque_draft())
        for door, actor, peer in (
            (Door.ENGINE_PULL, "deployment:dep-1", ""),
            (Door.KUBELET, "node-7", "192.0.2.7"),
            (Door.EXPORT, "jane@example.com", "192.0.2.8"),
        ):
            world.clock.advance(seconds=3600)
            facts = (("peer", peer),) if peer else ()
            await world.keychain.resolve(project, "pull", image, door=door, actor=actor, facts=facts)
        await world.keychain.login(project, "other", door=Door.EXPORT, actor="jane@example.com")
        with pytest.raises(PullRefused):
            await world.keychain.resolve(
                project, "pull", ImageReference.parse("elsewhere.example.com/x"), door=Door.BEARER, actor="ci"
            )
        yield world


async def doors(world, name="pull", *, before=0, most=50, **wanted):
    found, following = await world.secret_uses.page(
        world.access, name, UseFilter(**wanted), before=before, most=most
    )
    return [use.fact("door") for use in found], following


async def test_all_uses_are_told_the_newest_first(used):
    assert await doors(used) == (["bearer", "export", "kubelet", "engine-pull"], None)
    (_, export, *_), _ = await used.secret_uses.page(used.access, "pull", UseFilter())
    assert (export.row.actor, export.fact("peer"), export.fact("version")) == (
        "jane@example.com",
        "192.0.2.8",
        "1",
    )


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"door": "kubelet"}, ["kubelet"]),
        ({"outcome": "refused"}, ["bearer"]),
        ({"outcome": "ok"}, ["export", "kubelet", "engine-pull"]),
        ({"text": "192.0.2.7"}, ["kubelet"]),
        ({"text": "NODE-"}, ["kubelet"]),
        ({"text": "nothing"}, []),
    ],
)
async def test_uses_are_filtered(used, wanted, found):
    assert (await doors(used, **wanted))[0] == found


async def test_uses_of_a_time_are_found(used):
    (_, _, kubelet, pull), _ = await used.secret_uses.page(used.access, "pull", UseFilter())
    assert (await doors(used, since=kubelet.row.at))[0] == ["bearer", "export", "kubelet"]
    assert (await doors(used, until=kubelet.row.at))[0] == ["engine-pull"]
    assert (await doors(used, since=pull.row.at, until=kubelet.row.at))[0] == ["engine-pull"]


async def test_uses_come_in_pages(used):
    first, following = await doors(used, most=3)
    assert first == ["bearer", "export", "kubelet"]
    assert await doors(used, most=3, before=following) == (["engine-pull"], None)


async def test_a_deleted_secret_is_found_by_its_guid(used):
    guid = (await used.secrets.get(used.access, "pull")).metadata.guid
    await used.secrets.delete(used.access, "pull")
    assert len((await doors(used, guid))[0]) == 4
    with pytest.raises(NotFound):
        await doors(used, "pull")


async def test_uses_of_another_project_are_not_told(used):
    guid = (await used.secrets.get(used.access, "pull")).metadata.guid
    await used.accounts.create_user(
        email="eve@example.com", password=Password("open sesame 1"), organization="other", project="other"
    )
    token = await used.accounts.login(
        "eve@example.com", Password("open sesame 1"), level=TokenLevel.MEDIUM, peer="127.0.0.1"
    )
    principal = await used.accounts.authenticate(token)
    project = (await used.accounts.me(principal)).projects[0][0]
    access = await used.accounts.access(principal, project.guid, permission=Permission.VIEW)
    with pytest.raises(NotFound):
        await used.secret_uses.page(access, guid, UseFilter())


@pytest.mark.parametrize("wanted", [{"door": "window"}, {"outcome": "maybe"}])
def test_a_filter_that_is_none_is_refused_in_words(wanted):
    with pytest.raises(InvalidInput, match="use "):
        UseFilter(**wanted)
    with pytest.raises(InvalidInput, match="since"):
        moment_of("yesterday", field="since")
