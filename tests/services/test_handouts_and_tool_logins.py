"""Exports, pull tokens, and what `docker login` stores and `docker logout` erases."""

from __future__ import annotations

import pytest

from parts.world import IMAGE, REGISTRY, World, docker_draft, opaque_draft
from towline.domain.account import Access
from towline.domain.causes import FindingCode
from towline.domain.credential import Password
from towline.domain.doors import STORED_BY, ExportFormat
from towline.domain.errors import Conflict, InvalidInput, NotAllowed, NotFound, PullRefused
from towline.domain.findings import Finding
from towline.domain.listing import LabelSelector, Page

PEER = "192.0.2.7"


async def export(world: World, access: Access, name: str = "pull", **more: object) -> object:
    asked = {"confirm": "pull", "form": ExportFormat.CONFIG_JSON, "peer": PEER, **more}
    return await world.handouts.export(access, name, **asked)


async def keep(world: World, access: Access, server: str = REGISTRY, username: str = "jane") -> str:
    return await world.tool_logins.keep(
        access, server, username=username, password=Password("typed"), peer=PEER
    )


async def names(world: World) -> list[str]:
    listing = await world.secrets.list(world.access, Page(limit=100), selector=LabelSelector())
    return [each.metadata.name for each in listing.items]


async def test_an_export_is_confirmed_by_name_and_written_down(world: World) -> None:
    await world.secrets.create(world.access, docker_draft("pull"))
    with pytest.raises(InvalidInput) as wrong:
        await export(world, world.access, confirm="yes")
    assert wrong.value.field == "confirm"
    assert "secret.opened" not in await world.actions()
    made = await export(world, world.access)
    assert made.resolved.credential.password == Password("hunter2")
    detail = (await world.rows())[-1][3]
    assert (detail["door"], detail["format"], detail["peer"]) == ("export", "config.json", PEER)


async def test_an_export_by_guid_still_wants_the_name(world: World) -> None:
    await world.secrets.create(world.access, docker_draft("pull"))
    guid = (await world.secrets.get(world.access, "pull")).metadata.guid
    with pytest.raises(InvalidInput):
        await export(world, world.access, guid, confirm=guid)
    assert (await export(world, world.access, guid)).name == "pull"


async def test_using_is_not_exporting(world: World) -> None:
    await world.secrets.create(world.access, docker_draft("pull"))
    with pytest.raises(NotAllowed, match="secrets:export:pull"):
        await export(world, await world.scoped("secrets:use:*", "secrets:write"))
    assert (await world.rows())[-1][1:3] == ("credential.refused", "not-allowed")
    assert (await export(world, await world.scoped("secrets:export:pu*"))).name == "pull"


@pytest.mark.parametrize("form", [ExportFormat.KUBERNETES, ExportFormat.DOCKERCFG])
async def test_an_identity_token_is_exported_only_where_it_can_be_read(
    world: World, form: ExportFormat
) -> None:
    await world.secrets.create(world.access, docker_draft("pull", username="<token>"))
    with pytest.raises(InvalidInput, match="identity token"):
        await export(world, world.access, form=form)
    assert (await export(world, world.access)).name == "pull"


async def test_what_is_not_a_docker_secret_is_not_exported(world: World) -> None:
    await world.secrets.create(world.access, opaque_draft("pull"))
    with pytest.raises(InvalidInput, match="Opaque"):
        await export(world, world.access)
    with pytest.raises(NotFound):
        await export(world, world.access, "absent")


async def test_a_pull_token_is_asked_for_with_the_secret_and_given_without_it(world: World) -> None:
    await world.secrets.create(world.access, docker_draft("pull"))
    for wanted in ({"image": IMAGE}, {"repository": "team/app"}):
        made = await world.handouts.pull_token(world.access, "pull", peer=PEER, **wanted)
        assert (made.token.scope, made.version) == ("repository:team/app:pull", 1)
    [image, access] = world.pull_tokens.asked[-1]
    assert image.name == f"{REGISTRY}/team/app"
    assert access.credential.password == Password("hunter2")
    assert (await world.rows())[-1][3]["door"] == "bearer"
    assert world.pull_tokens.gives not in repr(await world.rows())


async def test_a_pull_token_for_another_registry_is_refused_before_the_secret_is_opened(world: World) -> None:
    await world.secrets.create(world.access, docker_draft("pull"))
    with pytest.raises(InvalidInput) as wrong:
        await world.handouts.pull_token(world.access, "pull", image="evil.example.com/team/app", peer=PEER)
    assert wrong.value.field == "image"
    assert (await world.rows())[-1][1:3] == ("secret.not-opened", "secret-registry-mismatch")
    assert world.pull_tokens.asked == []


@pytest.mark.parametrize("wanted", [{}, {"image": IMAGE, "repository": "team/app"}])
async def test_one_of_image_and_repository_is_wanted(world: World, wanted: dict[str, str]) -> None:
    await world.secrets.create(world.access, docker_draft("pull"))
    with pytest.raises(InvalidInput):
        await world.handouts.pull_token(world.access, "pull", peer=PEER, **wanted)


async def test_a_registry_that_speaks_basic_gives_no_token(world: World) -> None:
    await world.secrets.create(world.access, docker_draft("pull"))
    world.pull_tokens.gives = ""
    with pytest.raises(Conflict, match="gives no tokens"):
        await world.handouts.pull_token(world.access, "pull", image=IMAGE, peer=PEER)


async def test_a_registrys_refusal_comes_with_its_finding(world: World) -> None:
    await world.secrets.create(world.access, docker_draft("pull"))
    world.pull_tokens.refuses = Finding(FindingCode.WRONG_CREDENTIALS, "it said no")
    with pytest.raises(PullRefused):
        await world.handouts.pull_token(world.access, "pull", image=IMAGE, peer=PEER)


async def test_a_pull_token_needs_the_secret_in_a_scope(world: World) -> None:
    await world.secrets.create(world.access, docker_draft("pull"))
    access = await world.scoped("secrets:use:other")
    with pytest.raises(NotAllowed, match="secrets:use:pull"):
        await world.handouts.pull_token(access, "pull", image=IMAGE, peer=PEER)
    assert world.pull_tokens.asked == []


async def test_a_login_becomes_a_secret_that_the_same_token_takes_out_again(world: World) -> None:
    await world.secrets.create(world.access, docker_draft("pull"))
    access = await world.scoped("credentials:store", "secrets:use:*")
    name = await keep(world, access)
    assert name == "registry-example-com"
    kept = await world.secrets.get(world.access, name)
    assert kept.metadata.labels[STORED_BY] == access.principal.token_guid
    taken = await world.doors.for_registry(access, REGISTRY, peer=PEER)
    assert (taken.name, taken.resolved.credential.password) == (name, Password("typed"))
    assert (await world.doors.for_registry(world.access, REGISTRY, peer=PEER)).name in ("pull", name)
    assert "credential.stored" in await world.actions()


async def test_a_second_login_replaces_the_first_and_nobody_elses(world: World) -> None:
    access = await world.scoped("credentials:store", "secrets:use:*")
    other = await world.scoped("credentials:store", "secrets:use:*", name="other")
    assert await keep(world, access) == await keep(world, access, username="joan")
    assert (await world.secrets.get(world.access, "registry-example-com")).username == "joan"
    assert await keep(world, other) == "registry-example-com-2"
    assert await names(world) == ["registry-example-com", "registry-example-com-2"]


@pytest.mark.parametrize(
    ("scope", "name"), [("secrets:use:ci-*", "ci-registry-example-com"), ("secrets:use:mine", "mine")]
)
async def test_a_login_is_named_so_that_its_token_may_use_it(world: World, scope: str, name: str) -> None:
    access = await world.scoped("credentials:store", scope)
    assert await keep(world, access) == name
    assert (await world.doors.for_registry(access, REGISTRY, peer=PEER)).name == name


async def test_a_login_never_replaces_what_a_team_made(world: World) -> None:
    await world.secrets.create(world.access, docker_draft("mine"))
    with pytest.raises(Conflict, match="was not stored with this token"):
        await keep(world, await world.scoped("credentials:store", "secrets:use:mine"))
    assert (await world.secrets.get(world.access, "mine")).username == "robot"


async def test_an_identity_token_is_kept_and_given_back_as_such(world: World) -> None:
    access = await world.scoped("credentials:store", "secrets:use:*")
    await keep(world, access, username="<token>")
    taken = await world.doors.for_registry(access, REGISTRY, peer=PEER)
    assert taken.resolved.credential.is_identity_token
    assert taken.resolved.credential.password == Password("typed")


async def test_a_logout_erases_what_its_token_stored_and_nothing_else(world: World) -> None:
    access = await world.scoped("credentials:store", "secrets:use:*")
    await world.secrets.create(world.access, docker_draft("pull"))
    with pytest.raises(NotFound):
        await world.tool_logins.erase(access, REGISTRY, peer=PEER)
    assert (await world.rows())[-1][1:3] == ("credential.refused", "not-found")
    name = await keep(world, access)
    assert await world.tool_logins.erase(access, f"https://{REGISTRY}", peer=PEER) == name
    assert await names(world) == ["pull"]
    assert (await world.rows())[-1][1] == "credential.erased"


async def test_a_logout_does_not_take_from_a_deployment_what_it_uses(world: World) -> None:
    access = await world.scoped("credentials:store", "secrets:use:*")
    name = await keep(world, access)
    await world.deployed("talker", secret=name)
    with pytest.raises(Conflict, match="used by deployments \\(talker\\)"):
        await world.tool_logins.erase(access, REGISTRY, peer=PEER)
    assert await names(world) == [name]
    assert (await world.rows())[-1][1:3] == ("credential.refused", "in-use")
