"""podman behind Docker's API: the contract of all engines, and what is different (decision 39)."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from docker_lab import DockerLab, Place, digest_in, docker_place, fresh_layout
from engine_lab import GUID
from engine_suite import FOREVER, PATIENCE, DiskSuite, EngineSuite, RollbackSuite, Watch, log_of
from test_engines_docker import bytes_of, sent_by

from parts.podman import running_podman
from parts.registry import push, running_registry
from parts.token_server import User, token_server
from towline.domain.credential import Credential, Password
from towline.domain.package import RestartPolicy
from towline.domain.registry import RegistrySettings
from towline.domain.workload import PullAccess, ReplicaState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with docker_place(tmp_path_factory.mktemp("podman"), running_podman) as place:
        yield place


@pytest.fixture
async def lab(place: Place) -> AsyncIterator[DockerLab]:
    lab = DockerLab(place)
    await lab.engine.start()
    yield lab
    await lab.close()


class TestPodman(EngineSuite, RollbackSuite, DiskSuite):
    """The contract."""

    async def test_a_log_tells_on_request_when_each_line_came(self, lab: DockerLab, watch: Watch) -> None:
        """To the second; and of a line that came in two parts its tail is the second one."""
        workload = lab.workload("echo one; sleep 1.1; echo two", restart=RestartPolicy.NEVER)
        await lab.engine.apply(workload)
        await watch.state(ReplicaState.EXITED)
        told = await log_of(lab.engine, workload, timestamps=True)
        stamps, texts = zip(*(line.split(" ", 1) for line in told.splitlines()), strict=True)
        assert texts == ("one", "two")
        assert datetime.fromisoformat(stamps[0]) < datetime.fromisoformat(stamps[1])

    async def test_the_images_stop_signal_is_sent_first(self, lab: DockerLab) -> None:
        """What is written in a container's last moment may be missing where its log is followed."""
        workload = lab.workload(
            "trap 'echo got INT; sleep 1; exit 0' INT; echo ready; while :; do sleep 0.05; done"
        )
        await lab.engine.apply(workload)
        reader = lab.engine.logs(workload.deployment_guid, "main", follow=True)
        async with asyncio.timeout(PATIENCE):
            assert await anext(reader) == b"ready\n"
            await lab.engine.remove(workload.deployment_guid)
            rest = b"".join([chunk async for chunk in reader])
        assert rest == b"got INT\n"


async def test_a_token_registry_is_logged_in_to_by_podman_itself(
    place: Place, lab: DockerLab, tmp_path: Path
) -> None:
    users = {"owner": User("right-password", {"team/lab": ("pull", "push")})}
    with token_server(users) as tokens, running_registry(tmp_path, auth=tokens.auth(tmp_path)) as registry:
        image = push(registry, fresh_layout(tmp_path), "team/lab:1", login="owner:right-password")
        access = PullAccess(
            RegistrySettings.default(registry.netloc),
            Credential("owner", Password("right-password")),
            plain_http=True,
        )
        pinned = f"{image}@{digest_in(tmp_path / 'layout')}"
        sent = await sent_by(lab, lab.workload(FOREVER, image=pinned, access=access))
    (header,) = sent.header("X-Registry-Auth")
    document = json.loads(base64.urlsafe_b64decode(header))
    assert set(document) == {"username", "password", "serveraddress"}
    assert b"right-password" not in sent.sent.replace(header.encode(), b"")
    (made,) = lab.containers()
    assert "right-password" not in json.dumps(place.dockerd.inspect(made["Id"]))
    folder = Path(place.dockerd.socket).parent
    kept = [path for path in folder.rglob("*") if path.is_file() and b"right-password" in bytes_of(path)]
    assert kept == []


async def test_what_is_deleted_from_outside_is_made_again(place: Place, lab: DockerLab) -> None:
    workload = lab.workload(FOREVER)
    await lab.engine.apply(workload)
    (made,) = lab.containers()
    place.dockerd.ask("DELETE", f"/containers/{made['Id']}?force=1")
    await lab.engine.apply(workload)
    assert [fact.state for fact in await lab.engine.inventory()] == [ReplicaState.RUNNING]
    await lab.engine.remove(GUID)
    assert lab.containers() == []
