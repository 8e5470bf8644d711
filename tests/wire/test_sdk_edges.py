"""The official SDK at the contract's edges: people, permissions, filters, odd names, what is absent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from rapyuta_io_sdk_v2 import AsyncClient, Client, exceptions
from rapyuta_io_sdk_v2.exceptions import HttpNotFoundError, MethodNotAllowedError

from parts.live import Live
from parts.sdk import configuration, deployment, opaque_secret, package
from parts.world import JANE, person
from towline.domain.account import Permission, ProjectRole
from towline.domain.actions import IN_PROJECT

VIEWER = "viewer@example.com"
ABSENT: type[Exception] = getattr(exceptions, "NotImplemented" + "Error")
"""What the SDK raises for 501; the house forbids its name."""


@pytest.fixture(scope="module")
def viewer(live: Live) -> Iterator[Client]:
    """A member of Jane's organization who only looks at her project."""
    token = live.member(VIEWER, role=ProjectRole.VIEWER)
    user = live.run(live.world.accounts.authenticate(token)).user
    members = {person(JANE): ("rio-org_admin",), person(user.guid): ("rio-org_member",)}
    live.run(
        live.world.organizations.replace_members(live.world.access.principal, live.organization, members)
    )
    made = Client(configuration(live, auth_token=token))
    yield made
    made.c.close()


# --- people -------------------------------------------------------------------------------------------


def test_a_colleague_is_found_by_address_and_a_stranger_is_not(
    live: Live, client: Client, viewer: Client
) -> None:
    found = client.get_user(VIEWER)
    assert found.spec.email_id == VIEWER
    assert [each.guid for each in found.spec.organizations] == [live.organization]
    assert viewer.get_user(JANE.upper()).spec.email_id == JANE
    live.stranger("far@example.org")
    for nobody in ("far@example.org", "nobody@example.com", "nobody"):
        with pytest.raises(HttpNotFoundError, match="not found"):
            client.get_user(nobody)


def test_names_are_changed_by_their_owner_alone(client: Client, viewer: Client) -> None:
    myself = client.get_myself()
    myself.spec.last_name = "Dee"
    assert client.update_user(JANE, myself).spec.last_name == "Dee"
    with pytest.raises(MethodNotAllowedError, match="by their owner alone"):
        viewer.update_user(JANE, myself)
    with pytest.raises(MethodNotAllowedError):
        client.delete_user(VIEWER)


def test_users_are_listed_by_guid_whatever_page_they_are_on(client: Client, viewer: Client) -> None:
    guid = viewer.get_myself().metadata.guid
    listed = client.list_users(guid=guid, limit=1)
    assert [each.metadata.guid for each in listed.items] == [guid]


def test_one_asks_for_ones_own_permissions(live: Live, client: Client, viewer: Client) -> None:
    mine = client.get_user_permissions(user_guid="")
    assert mine.organization["organization"]["update"] == [".*"]
    assert mine.projects[live.project]["secret"]["delete"] == [".*"]
    theirs = viewer.get_user_permissions(user_guid="")
    assert "update" not in theirs.organization["organization"]
    assert theirs.projects[live.project]["secret"] == {"list": [".*"], "get": [".*"]}


def test_an_admin_asks_for_those_of_others_and_nobody_else_does(
    live: Live, client: Client, viewer: Client
) -> None:
    guids = {each.spec.email_id: each.metadata.guid for each in client.list_users().items}
    asked = client.get_user_permissions(user_guid=guids[VIEWER])
    assert asked.projects == viewer.get_user_permissions(user_guid="").projects
    with pytest.raises(MethodNotAllowedError, match="not authorized"):
        viewer.get_user_permissions(user_guid=guids[JANE])
    with pytest.raises(HttpNotFoundError):
        client.get_user_permissions(user_guid="nobody")
    with pytest.raises(HttpNotFoundError):
        client.get_user_permissions(user_guid="", organization_guid="org-elsewhere")


def test_what_permissions_say_is_what_the_routes_ask(live: Live) -> None:
    words = {"POST": "create", "PUT": "update", "PATCH": "update", "DELETE": "delete"}
    asked: dict[tuple[str, str], Permission] = {}
    for each in live.table.operations:
        parts = each.path.removeprefix("/v2/").strip("/").split("/")
        kind = parts[0].removesuffix("s")
        if kind not in IN_PROJECT or each.permission < Permission.VIEW:
            continue
        last = parts[-1] if len(parts) > 2 else ""
        action = last or words.get(each.method) or ("get" if len(parts) == 2 else "list")
        if action in IN_PROJECT[kind]:
            asked[kind, action] = each.permission
    told = {(kind, action): wanted for kind, rows in IN_PROJECT.items() for action, wanted in rows.items()}
    assert asked == told


# --- lists --------------------------------------------------------------------------------------------


def test_nothing_is_on_a_device_or_in_a_region(client: Client) -> None:
    client.create_secret(opaque_secret("anywhere"))
    client.create_package(package("anywhere"))
    client.create_deployment(deployment("anywhere", "anywhere"))
    assert client.list_deployments(device_name="rover").items == []
    assert client.list_deployments(regions=["jp"]).items == []
    assert client.list_secrets(regions=["jp"]).items == []
    assert [each.metadata.name for each in client.list_secrets().items] == ["anywhere"]
    assert [each.metadata.name for each in client.list_deployments().items] == ["anywhere"]


@pytest.mark.parametrize("kind", ["secrets", "packages", "deployments", "projects", "users"])
def test_an_old_client_walks_until_a_page_is_empty(live: Live, client: Client, kind: str) -> None:
    """Clients of old ask for ``metadata.continue`` on every page that holds something."""
    token, seen = 0, 0
    while True:
        query = f"continue={token}&limit=1&labelSelector=&name=&names=&phases=&regions=&deviceName=&status="
        page = client.c.get(f"{live.url}/v2/{kind}/?{query}", headers=live.headers()).json()
        if not page["items"]:
            break
        token, seen = page["metadata"]["continue"], seen + len(page["items"])
        assert isinstance(token, int)
    assert seen >= 1
    assert "continue" not in page["metadata"]


# --- names that rio takes for identifiers --------------------------------------------------------------


@pytest.mark.parametrize("name", ["pkg-talker", "pkg-1"])
def test_a_package_is_not_called_like_an_identifier(client: Client, name: str) -> None:
    with pytest.raises(MethodNotAllowedError, match="would be taken for an identifier"):
        client.create_package(package(name))


@pytest.mark.parametrize("name", ["dep-talker", "inst-1"])
def test_a_deployment_is_not_called_like_an_identifier(client: Client, name: str) -> None:
    with pytest.raises(MethodNotAllowedError, match="would be taken for an identifier"):
        client.create_deployment(deployment(name, "anywhere"))


def test_what_only_looks_a_bit_like_one_is_a_name(client: Client) -> None:
    made = client.create_deployment(deployment("dep-of-talker", "anywhere"))
    assert client.update_deployment(made.model_dump(by_alias=True)).metadata.generation == 2
    client.delete_deployment("dep-of-talker")


# --- an object sent back as it was read -----------------------------------------------------------------


def test_a_deployment_is_sent_back_whole_with_status_nulls_and_read_only_fields(client: Client) -> None:
    read = client.get_deployment("anywhere").model_dump(by_alias=True)
    assert read["status"]["phase"]
    assert read["metadata"]["shortGUID"] is None
    again = client.update_deployment({**read, "status": {**read["status"], "phase": "Stopped"}})
    assert again.metadata.guid == read["metadata"]["guid"]
    assert again.metadata.generation == read["metadata"]["generation"] + 1
    assert again.status.phase != "Stopped"


def test_a_secret_value_beside_a_reference_is_never_answered(live: Live, client: Client) -> None:
    body = package("refers")
    body["spec"]["environmentVars"][1]["valueFrom"]["secretKeyRef"]["value"] = "leaked-by-hand"
    client.create_package(body)
    answer = client.c.get(f"{live.url}/v2/packages/refers/?version=", headers=live.headers())
    assert "leaked-by-hand" not in answer.text
    assert "null" not in answer.text


# --- what is absent --------------------------------------------------------------------------------------

LISTED = ("networks", "staticroutes", "roles", "configtrees")


@pytest.mark.parametrize("kind", LISTED)
def test_what_towline_does_not_have_is_named(live: Live, kind: str) -> None:
    for method, path, status in (
        ("GET", f"/v2/{kind}/", 501),
        ("POST", f"/v2/{kind}/", 501),
        ("GET", f"/v2/{kind}/one/", 404),
        ("DELETE", f"/v2/{kind}/one/", 404),
        ("PUT", f"/v2/{kind}/one/", 501),
        ("GET", f"/v2/{kind}/one/two/", 501),
    ):
        answer = httpx.request(method, live.url + path, headers=live.headers())
        assert answer.status_code == status, (method, path)
        assert answer.json()["error"].startswith("Towline has no ")
    assert httpx.get(f"{live.url}/v2/{kind}-of-mine/").status_code == 404


def test_the_sdk_hears_what_is_absent(client: Client) -> None:
    with pytest.raises(ABSENT, match="Towline has no ROS networks"):
        client.list_networks()
    with pytest.raises(HttpNotFoundError, match="Towline has no ROS networks"):
        client.delete_network("one")
    with pytest.raises(ABSENT, match="no owner"):
        client.update_project_owner({"guid": "somebody"})


async def test_the_asynchronous_client_hears_the_same(live: Live, viewer: Client) -> None:
    client: Any = AsyncClient(configuration(live))
    try:
        assert (await client.get_user(VIEWER)).spec.email_id == VIEWER
        mine = await client.get_user_permissions(user_guid="")
        assert mine.projects[live.project]["deployment"]["create"] == [".*"]
        assert (await client.list_deployments(device_name="rover")).items == []
        with pytest.raises(ABSENT, match="Towline has no ROS networks"):
            await client.list_networks()
    finally:
        await client.c.aclose()
        client.sync_client.close()
