"""The doors for tools: who gets which credential, what is refused, and what the audit trail says of both."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from parts.world import IMAGE, REGISTRY, World, docker_draft, opaque_draft
from towline.domain.account import Access, Permission
from towline.domain.credential import Password
from towline.domain.doors import DoorPolicy
from towline.domain.errors import Conflict, InvalidInput, NotAllowed, NotFound, NotSignedIn
from towline.domain.image import ImageReference
from towline.domain.scopes import parse_scopes

PEER = "192.0.2.7"
APP = ImageReference.parse(IMAGE)


async def for_image(world: World, access: Access, image: ImageReference = APP, token: str = "") -> object:
    return await world.doors.for_image(access, image, peer=PEER, service_account_token=Password(token))


async def test_the_credential_leaves_with_its_name_and_version_and_a_row(world: World) -> None:
    await world.secrets.create(world.access, docker_draft("pull"))
    taken = await world.doors.for_registry(await world.scoped("secrets:use:pull"), REGISTRY, peer=PEER)
    assert (taken.name, taken.resolved.secret_version) == ("pull", 1)
    assert taken.resolved.credential.password == Password("hunter2")
    assert taken.offline_minutes == 0
    actor, action, outcome, detail = (await world.rows())[-1]
    assert (actor, action, outcome) == ("jane@example.com", "secret.opened", "ok")
    assert detail == {
        "name": "pull",
        "version": "1",
        "door": "credential-helper",
        "registry": REGISTRY,
        "token": "robot",
        "peer": PEER,
    }
    assert "hunter2" not in repr(await world.rows())


@pytest.mark.parametrize("server", [f"https://{REGISTRY}", f"{REGISTRY}:443", f"https://{REGISTRY}/v2/"])
async def test_a_registry_is_known_under_every_way_of_writing_it(world: World, server: str) -> None:
    await world.secrets.create(world.access, docker_draft("pull"))
    assert (await world.doors.for_registry(world.access, server, peer=PEER)).name == "pull"


@pytest.mark.parametrize(
    "server",
    [
        f"{REGISTRY}.evil.example",
        f"evil-{REGISTRY}",
        f"{REGISTRY}:5000",
        f"http://{REGISTRY}",
        f"{REGISTRY}:80",
        "docker.io",
    ],
)
async def test_another_registry_gets_nothing_and_the_refusal_is_a_row(world: World, server: str) -> None:
    await world.secrets.create(world.access, docker_draft("pull"))
    with pytest.raises(NotFound):
        await world.doors.for_registry(world.access, server, peer=PEER)
    _, action, outcome, detail = (await world.rows())[-1]
    assert (action, outcome) == ("credential.refused", "not-found")
    assert detail["peer"] == PEER


async def test_a_scope_that_names_another_secret_opens_nothing(world: World) -> None:
    await world.secrets.create(world.access, docker_draft("pull"))
    access = await world.scoped("secrets:use:other", "secrets:write")
    with pytest.raises(NotFound, match="what this token may use"):
        await world.doors.for_registry(access, REGISTRY, peer=PEER)
    _, action, outcome, detail = (await world.rows())[-1]
    assert (action, outcome) == ("credential.refused", "not-allowed")
    assert detail == {"door": "credential-helper", "registry": REGISTRY, "token": "robot", "peer": PEER}
    assert "secret.opened" not in await world.actions()


async def test_what_is_no_registry_is_named(world: World) -> None:
    with pytest.raises(InvalidInput) as refused:
        await world.doors.for_registry(world.access, "https://user:pass@host", peer=PEER)
    assert refused.value.field == "serverURL"


async def test_a_secret_for_a_path_is_not_given_for_the_whole_registry(world: World) -> None:
    await world.secrets.create(world.access, docker_draft("team", registry=f"{REGISTRY}/team"))
    with pytest.raises(NotFound):
        await world.doors.for_registry(world.access, REGISTRY, peer=PEER)
    assert (await world.doors.for_registry(world.access, f"{REGISTRY}/team", peer=PEER)).name == "team"


async def test_a_list_names_what_would_be_given_and_nothing_else(world: World) -> None:
    await world.secrets.create(world.access, docker_draft("ci-1", username="first"))
    await world.secrets.create(world.access, docker_draft("prod", registry="other.example.com:5000"))
    await world.secrets.create(world.access, docker_draft("team", registry="third.example.com/team"))
    await world.secrets.create(world.access, docker_draft("hub", registry=""))
    await world.secrets.create(world.access, opaque_draft("ci-keys"))
    assert await world.doors.registries(await world.scoped("secrets:use:ci-*")) == {REGISTRY: "first"}
    assert await world.doors.registries(world.access) == {
        REGISTRY: "first",
        "other.example.com:5000": "robot",
        "https://index.docker.io/v1/": "robot",
    }


async def test_a_secret_that_a_scope_names_is_found_behind_a_hundred_others(world: World) -> None:
    await world.secrets.create(world.access, docker_draft("old"))
    for number in range(101):
        await world.secrets.create(world.access, docker_draft(f"new-{number}"))
    access = await world.scoped("secrets:use:old")
    assert (await world.doors.for_registry(access, REGISTRY, peer=PEER)).name == "old"
    other = await world.scoped("secrets:use:hub")
    await world.secrets.create(world.access, docker_draft("hub", registry=""))
    with pytest.raises(NotFound):
        await world.doors.for_registry(other, REGISTRY, peer=PEER)


async def test_how_long_a_tool_may_keep_it_is_what_the_project_says(world: World) -> None:
    await world.secrets.create(world.access, docker_draft("pull"))
    await world.handouts.set_policy(world.access, DoorPolicy(offline_minutes=90))
    assert (await world.doors.for_registry(world.access, REGISTRY, peer=PEER)).offline_minutes == 90
    assert (await world.rows())[-2][1:] == ("doors.set", "ok", {"offline-minutes": "90"})


async def test_a_kubelet_gets_what_the_registry_takes_under_the_registrys_key(world: World) -> None:
    await world.secrets.create(world.access, docker_draft("pull"))
    found = await for_image(world, world.access)
    assert (found.pattern, found.by_image, found.by_service_account) == (REGISTRY, False, False)
    detail = (await world.rows())[-1][3]
    assert (detail["door"], detail["image"]) == ("kubelet", IMAGE)


async def test_where_a_path_decides_the_key_is_the_repository(world: World) -> None:
    await world.secrets.create(world.access, docker_draft("all"))
    await world.secrets.create(world.access, docker_draft("team", registry=f"{REGISTRY}/team"))
    found = await for_image(world, world.access)
    assert (found.taken.name, found.pattern, found.by_image) == ("team", f"{REGISTRY}/team/app", True)
    other = await for_image(world, world.access, ImageReference.parse(f"{REGISTRY}/teamwork/app"))
    assert (other.taken.name, other.pattern, other.by_image) == ("all", f"{REGISTRY}/teamwork/app", True)


async def test_a_hub_image_is_matched_under_the_name_that_kubelets_use(world: World) -> None:
    await world.secrets.create(world.access, docker_draft("hub", registry=""))
    found = await for_image(world, world.access, ImageReference.parse("jane/app"))
    assert found.pattern == "docker.io"


async def test_a_service_accounts_token_is_not_believed_without_a_trusted_issuer(world: World) -> None:
    await world.secrets.create(world.access, docker_draft("pull"))
    with pytest.raises(NotAllowed, match="trusts no issuer"):
        await for_image(world, world.access, token="eyJhbGciOiJub25lIn0.e30.")
    _, action, outcome, _ = (await world.rows())[-1]
    assert (action, outcome) == ("credential.refused", "service-account-refused")


async def test_a_secret_that_moves_meanwhile_lets_nothing_out(world: World) -> None:
    """Between choosing a secret and opening it somebody may give it another registry."""
    await world.secrets.create(world.access, docker_draft("pull"))
    moved = docker_draft("pull", registry="elsewhere.example.com")
    opened = world.keychain.login

    async def login(*words: object, **more: object) -> object:
        await world.secrets.replace(world.access, "pull", moved)
        return await opened(*words, **more)

    doors = type(world.doors)(
        store=world.store,
        keychain=_Keychain(login),
        service_accounts=world.doors._service_accounts,
        clock=world.clock,
    )
    with pytest.raises(Conflict, match="changed meanwhile"):
        await doors.for_registry(world.access, REGISTRY, peer=PEER)


class _Keychain:
    """A keychain in front of which something happens."""

    def __init__(self, login: object) -> None:
        self.login = login


async def test_many_ask_at_once_and_each_use_is_a_row(world: World) -> None:
    await world.secrets.create(world.access, docker_draft("pull"))
    asked = (world.doors.for_registry(world.access, REGISTRY, peer=PEER) for _ in range(20))
    taken = await asyncio.gather(*asked)
    assert {each.name for each in taken} == {"pull"}
    assert (await world.actions()).count("secret.opened") == 20


async def test_a_token_for_one_project_sees_no_other(world: World) -> None:
    other, _ = await world.projects.create(
        world.access.principal, name="other", organization_guid="", labels={}
    )
    access = await world.scoped("secrets:use:*")
    with pytest.raises(NotFound):
        await world.accounts.access(access.principal, other.guid, permission=Permission.VIEW)
    with pytest.raises(NotFound):
        await world.projects.get(access.principal, other.guid)


async def test_a_scope_beyond_its_makers_role_is_refused_when_it_is_made(world: World) -> None:
    eve = await world.member("eve@example.com", role="project_developer")
    with pytest.raises(NotAllowed, match="secrets:use:pull needs a greater role"):
        await world.accounts.create_scoped_token(
            eve.principal,
            name="mine",
            scopes=parse_scopes(["secrets:use:pull"]),
            project_guid=eve.project.guid,
            days=1,
        )


async def test_a_token_with_scopes_makes_no_other_and_keeps_them_when_renewed(world: World) -> None:
    access = await world.scoped("secrets:use:*")
    with pytest.raises(NotAllowed):
        await world.accounts.create_scoped_token(
            access.principal, name="more", scopes=parse_scopes(["secrets:write"]), project_guid="", days=1
        )
    _, text = await world.accounts.create_scoped_token(
        world.access.principal,
        name="renewed",
        scopes=parse_scopes(["secrets:read"]),
        project_guid=world.access.project.guid,
        days=1,
    )
    before = await world.accounts.authenticate(text)
    after = await world.accounts.authenticate(await world.accounts.refresh(text))
    assert replace(after, expires_at=before.expires_at) == before
    with pytest.raises(NotSignedIn):
        await world.accounts.authenticate(text)
