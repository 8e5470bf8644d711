from datetime import timedelta

import pytest

from parts.world import IMAGE, REGISTRY, World
from towline.domain.account import Permission, ProjectRole, TokenLevel
from towline.domain.causes import FindingCode
from towline.domain.credential import Password
from towline.domain.errors import Conflict, InvalidInput, NotAllowed, NotFound
from towline.domain.findings import Finding
from towline.domain.listing import LabelSelector, Page
from towline.domain.registry import RegistrySettings
from towline.services.registries import checked_settings

_PASSWORD = Password("long enough")


async def test_who_makes_a_project_is_its_admin(world: World) -> None:
    await world.accounts.create_user(email="max@example.com", password=_PASSWORD, organization="acme")
    token = await world.accounts.login("max@example.com", _PASSWORD, level=TokenLevel.LOW, peer="x")
    principal = await world.accounts.authenticate(token)
    project, organization = await world.projects.create(
        principal, name="new", organization_guid="", labels={"a": "b"}
    )
    _, _, members, _ = await world.projects.get(principal, project.guid)
    assert organization.name == "acme"
    assert [(member.user.email, member.role_names) for member in members] == [
        ("max@example.com", (ProjectRole.ADMIN.value,))
    ]


async def test_a_project_name_is_taken_once_in_an_organization(world: World) -> None:
    with pytest.raises(Conflict):
        await world.projects.create(world.access.principal, name="demo", organization_guid="", labels={})


async def test_a_name_that_rio_would_take_for_an_identifier_is_refused(world: World) -> None:
    with pytest.raises(InvalidInput):
        await world.projects.create(world.access.principal, name="pkg-x", organization_guid="", labels={})


async def test_a_project_is_listed_by_its_exact_name(world: World) -> None:
    await world.projects.create(world.access.principal, name="demo-2", organization_guid="", labels={})
    listing = await world.projects.list(world.access.principal, Page(), selector=LabelSelector(), name="demo")
    assert [(project.name, owner.name) for project, owner in listing.items] == [("demo", "acme")]


async def test_an_update_replaces_labels_and_features_and_needs_an_admin(world: World) -> None:
    developer = await world.member("dora@example.com", role=ProjectRole.DEVELOPER)
    guid = world.access.project.guid
    with pytest.raises(NotAllowed):
        await world.projects.update(developer.principal, guid, labels={}, features=b"{}")
    project, *_ = await world.projects.update(
        world.access.principal, guid, labels={"x": "y"}, features=b'{"vpn":{}}'
    )
    assert (project.labels, project.features) == ({"x": "y"}, b'{"vpn":{}}')


async def test_a_project_with_live_deployments_is_not_deleted(world: World) -> None:
    await world.deployed("talker-1")
    with pytest.raises(Conflict, match="talker-1"):
        await world.projects.delete(world.access.principal, world.access.project.guid)
    await world.deployments.delete(world.access, "talker-1")
    await world.projects.delete(world.access.principal, world.access.project.guid)
    with pytest.raises(NotFound):
        await world.accounts.access(
            world.access.principal, world.access.project.guid, permission=Permission.VIEW
        )


async def test_a_foreign_project_is_not_found_rather_than_forbidden(world: World) -> None:
    await world.accounts.create_user(email="eve@example.com", password=_PASSWORD, organization="evil")
    token = await world.accounts.login("eve@example.com", _PASSWORD, level=TokenLevel.LOW, peer="x")
    eve = await world.accounts.authenticate(token)
    with pytest.raises(NotFound):
        await world.projects.get(eve, world.access.project.guid)
    with pytest.raises(NotFound):
        await world.projects.delete(eve, world.access.project.guid)
    with pytest.raises(NotFound):
        await world.projects.create(
            eve, name="x", organization_guid=world.access.organization.guid, labels={}
        )


# --- registries ----------------------------------------------------------------------------------


async def test_settings_are_kept_under_one_spelling(world: World) -> None:
    kept = await world.registries.put(
        world.access, RegistrySettings("https://Registry.Example.com/v2/", plain_http=True)
    )
    assert kept.netloc == REGISTRY
    assert await world.registries.get(world.access, REGISTRY.upper()) == kept
    assert await world.registries.list(world.access) == (kept,)
    await world.registries.delete(world.access, REGISTRY)
    with pytest.raises(NotFound):
        await world.registries.get(world.access, REGISTRY)
    with pytest.raises(NotFound):
        await world.registries.delete(world.access, REGISTRY)


@pytest.mark.parametrize(
    ("field", "settings"),
    [
        ("registry", RegistrySettings("host/path")),
        ("registry", RegistrySettings("")),
        ("realmHosts", RegistrySettings("host", realm_hosts=("ok.example.com", "not a host"))),
        ("ca", RegistrySettings("host", ca_pem="no certificate")),
        ("ca", RegistrySettings("host", ca_pem="-----BEGIN PRIVATE KEY-----\nx\n")),
        ("proxy", RegistrySettings("host", proxy="proxy.example.com")),
        ("proxy", RegistrySettings("host", proxy="http://user:word@proxy:3128")),
        ("proxy", RegistrySettings("host", proxy="http://proxy:99999")),
        ("proxy", RegistrySettings("host", proxy="http://proxy:3128/path")),
        ("proxy", RegistrySettings("host", proxy="socks5://proxy:1080")),
    ],
)
def test_bad_settings_name_their_field(field: str, settings: RegistrySettings) -> None:
    with pytest.raises(InvalidInput) as caught:
        checked_settings(settings)
    assert caught.value.field == field


def test_a_proxy_is_host_and_port() -> None:
    settings = RegistrySettings("host", proxy="http://proxy.example.com:3128")
    assert checked_settings(settings) == settings


async def test_new_settings_wake_the_deployments_that_wait_because_of_this_registry(world: World) -> None:
    for name, image in (("waiting", IMAGE), ("elsewhere", "other.example.net/app:1"), ("fine", IMAGE)):
        await world.deployed(name, image=image)
    await _fail(world, "waiting", "elsewhere")
    await world.registries.put(world.access, RegistrySettings(REGISTRY, plain_http=True))
    assert await world.due() == {"waiting"}


async def _fail(world: World, *names: str) -> None:
    now = world.clock()
    claims = await world.store.write(
        lambda tx: tx.deployments.claim("test", now=now, until=now + timedelta(seconds=30), most=10)
    )
    for claim in claims:
        status = claim.deployment.status
        if claim.deployment.name in names:
            status = status.failed((Finding(FindingCode.TLS_UNKNOWN_AUTHORITY),), at=now)
        settled = await world.store.write(
            lambda tx, claim=claim, status=status: tx.deployments.settle(  # type: ignore[misc]  # bound values
                claim, status, due=None, release=True, until=now
            )
        )
        assert settled
