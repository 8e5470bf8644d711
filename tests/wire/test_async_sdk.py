"""The official SDK's asynchronous client against the same live server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from rapyuta_io_sdk_v2 import AsyncClient
from rapyuta_io_sdk_v2.exceptions import (
    HttpAlreadyExistsError,
    HttpNotFoundError,
    MethodNotAllowedError,
    UnauthorizedAccessError,
)
from rapyuta_io_sdk_v2.models.secret import SecretCreate

from parts.live import Live
from parts.sdk import configuration, deployment, docker_secret, opaque_secret, package
from parts.world import JANE, JANES_PASSWORD


@pytest.fixture
async def client(live: Live) -> AsyncIterator[AsyncClient]:
    made = AsyncClient(configuration(live, auth_token=live.sign_in()))
    yield made
    await made.c.aclose()
    made.sync_client.close()


async def test_signing_in_and_out(live: Live, client: Any) -> None:
    client.login(JANE, JANES_PASSWORD)
    assert (await client.get_myself()).spec.email_id == JANE
    client.refresh_token()
    assert (await client.get_organization(live.organization)).metadata.name == "acme"
    client.logout()
    with pytest.raises(UnauthorizedAccessError):
        await client.get_myself()


async def test_a_project_is_found_changed_and_deleted_without_its_header(client: Any) -> None:
    made = await client.create_project({"metadata": {"name": "async"}, "spec": {}})
    guid = made.metadata.guid
    assert (await client.get_project(guid)).metadata.name == "async"
    assert [each.metadata.name for each in (await client.list_projects(name="async")).items] == ["async"]
    await client.delete_project(guid)
    with pytest.raises(HttpNotFoundError):
        await client.get_project(guid)


async def test_secrets_live_their_life(client: Any) -> None:
    await client.create_secret(docker_secret("async-pull"))
    with pytest.raises(HttpAlreadyExistsError):
        await client.create_secret(docker_secret("async-pull"))
    await client.create_secret(opaque_secret("async-keys"))
    names = {each.metadata.name for each in (await client.list_secrets()).items}
    assert {"async-pull", "async-keys"} <= names
    with_password = SecretCreate.model_validate(docker_secret("async-pull", username="other"))
    changed = await client.update_secret("async-pull", with_password)
    assert changed.spec.docker.username == "other"
    with pytest.raises(MethodNotAllowedError, match=r"metadata\.name"):
        await client.create_secret(docker_secret("Not_legal"))
    await client.delete_secret("async-pull")
    with pytest.raises(HttpNotFoundError):
        await client.get_secret("async-pull")


async def test_a_package_is_deployed_listed_and_stopped(client: Any) -> None:
    await client.create_package(package("async-talker"))
    assert (await client.get_package("async-talker")).metadata.version == "v1.0.0"
    made = await client.create_deployment(deployment("async-1", "async-talker"))
    assert made.status.phase == "InProgress"
    listed = await client.list_deployments(name="async-1")
    assert [each.metadata.guid for each in listed.items] == [made.metadata.guid]
    again = await client.update_deployment("async-1", await client.get_deployment("async-1"))
    assert again.metadata.generation == 2
    await client.delete_deployment("async-1")
    await client.delete_package("async-talker", "v1.0.0")
