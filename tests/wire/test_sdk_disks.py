"""Disks by the official SDK, against a live server."""

from __future__ import annotations

import httpx
import pytest
from rapyuta_io_sdk_v2 import Client, walk_pages
from rapyuta_io_sdk_v2.exceptions import HttpAlreadyExistsError, HttpNotFoundError

from parts.live import Live
from parts.sdk import configuration, deployment, package


def disk(name: str, capacity: int = 8) -> dict[str, object]:
    return {
        "metadata": {"name": name, "region": "jp", "labels": {"team": "a"}},
        "spec": {"capacity": capacity, "runtime": "cloud"},
    }


def test_a_disk_is_made_found_listed_and_deleted(client: Client) -> None:
    made = client.create_disk(disk("sdk-data"))
    assert made.metadata.guid is not None
    assert made.metadata.guid.startswith("disk-")
    assert (made.spec.capacity, made.status and made.status.status) == (8, "Available")
    assert client.get_disk("sdk-data").metadata.guid == made.metadata.guid
    assert client.get_disk(made.metadata.guid).metadata.name == "sdk-data"
    with pytest.raises(HttpAlreadyExistsError, match="disk 'sdk-data' exists"):
        client.create_disk(disk("sdk-data"))
    names = [each.metadata.name for page in walk_pages(client.list_disks, limit=1) for each in page]
    assert "sdk-data" in names
    assert client.list_disks(label_selector=["team=b"]).items == []
    assert client.list_disks(status=["Bound"]).items == []
    client.delete_disk("sdk-data")
    with pytest.raises(HttpNotFoundError):
        client.get_disk("sdk-data")


def test_a_deployment_mounts_a_disk_which_then_is_bound(client: Client) -> None:
    client.create_package(package("disk-user"))
    client.create_disk(disk("sdk-bound"))
    body = deployment("sdk-mounts", "disk-user")
    body["spec"]["volumes"] = [
        {"execName": "app", "mountPath": "/data", "depends": {"kind": "disk", "nameOrGUID": "sdk-bound"}}
    ]
    made = client.create_deployment(body)
    assert made.spec.volumes is not None
    assert made.spec.volumes[0].mount_path == "/data"
    status = client.get_deployment("sdk-mounts").status
    assert status is not None
    assert status.dependencies is not None
    assert status.dependencies.disks is not None
    assert [(each.name, each.status) for each in status.dependencies.disks] == [("sdk-bound", "Bound")]
    bound = client.get_disk("sdk-bound").status
    assert bound is not None
    assert bound.disk_bound is not None
    assert bound.disk_bound.deployment_name == "sdk-mounts"
    with pytest.raises(HttpAlreadyExistsError, match="is used by deployment 'sdk-mounts'"):
        client.delete_disk("sdk-bound")
    client.delete_deployment("sdk-mounts")
    client.delete_disk("sdk-bound")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            {**disk("x"), "spec": {"capacity": 5}},
            "spec.capacity: is 5; give an even number of GiB from 4 to 512",
        ),
        ({**disk("x"), "spec": {}}, "spec.capacity"),
        (
            {**disk("x"), "spec": {"capacity": 4, "runtime": "device"}},
            "spec.runtime: this server has no device",
        ),
        ({**disk(f"disk-{'a' * 24}")}, "would be taken for an identifier"),
    ],
)
def test_what_is_wrong_with_a_disk_is_said_by_its_field(
    live: Live, body: dict[str, object], said: str
) -> None:
    answer = httpx.post(f"{live.url}/v2/disks/", json=body, headers=configuration(live).get_headers())
    assert answer.status_code == 400
    assert said in answer.json()["error"]


@pytest.mark.parametrize(
    ("volume", "said"),
    [
        ({"perm": 644}, "spec.volumes[0].perm: is for devices"),
        ({"mountPath": "data"}, "spec.volumes[0].mountPath: 'data' is not absolute"),
        ({"subPath": "../etc"}, "spec.volumes[0].subPath: '../etc' holds '..'"),
        ({"depends": {}}, "spec.volumes[0].depends: names no disk"),
        ({"depends": {"kind": "secret", "nameOrGUID": "x"}}, "spec.volumes[0].depends.kind"),
    ],
)
def test_what_is_wrong_with_a_volume_is_said_by_its_field(
    live: Live, volume: dict[str, object], said: str
) -> None:
    whole = {
        "execName": "app",
        "mountPath": "/data",
        "depends": {"kind": "disk", "nameOrGUID": "x"},
        **volume,
    }
    body = deployment("refused", "absent")
    body["spec"]["volumes"] = [whole]
    answer = httpx.post(f"{live.url}/v2/deployments/", json=body, headers=configuration(live).get_headers())
    assert answer.status_code == 400
    assert said in answer.json()["error"]
