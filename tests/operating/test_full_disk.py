"""A disk that is full, for the database and for images: a small one, filled up under a real server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from parts.disks import MIB, fill, small_disk
from parts.forks import towline
from parts.images import busybox_layout
from parts.registry import PASSWORD, USER, RealRegistry, free_port, htpasswd_auth, push, running_registry
from parts.require import require
from parts.server import Server, running_server, until

MARK = "86429754"
BALLAST = 26 * MIB


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    require("runc")
    (tmp_path / "s").mkdir()
    with small_disk(tmp_path / "s" / "data", 24), running_server(tmp_path / "s") as made:
        yield made


def keep(server: Server, name: str) -> tuple[int, dict[str, object]]:
    body = {"metadata": {"name": name}, "spec": {"type": "Opaque", "data": {"KEY": "v" * 20_000}}}
    status, content = server.ask("POST", "/v2/secrets/", body)
    return status, json.loads(content)


def names(server: Server) -> set[str]:
    found: set[str] = set()
    path = "/v2/secrets/?limit=100"
    page = server.call("GET", path)
    while True:
        found |= {item["metadata"]["name"] for item in page["items"]}
        going_on = page["metadata"].get("continue")
        if not going_on:
            return found
        page = server.call("GET", f"{path}&continue={going_on}")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[RealRegistry]:
    with running_registry(tmp_path, auth=htpasswd_auth(tmp_path)) as made:
        push(made, busybox_layout(tmp_path / "small", command=("sleep", MARK)), "team/small:1")
        yield made


def test_reads_go_on_writes_say_so_and_nothing_is_lost_when_there_is_room_again(
    server: Server, registry: RealRegistry
) -> None:
    assert server.process is not None
    deploy(server, registry, "small")
    until(lambda: server.status("small")["status"] == "Running", "the deployment to run")
    [first] = sleeping()
    deploy(server, RealRegistry(f"127.0.0.1:{free_port()}"), "absent")
    until(lambda: findings(server, "absent") == ["registry-refused"], "what is tried again by the clock")
    assert keep(server, "before")[0] == 201
    filler = fill(server.data)
    kept, refused = {"before", "pull-small", "pull-absent"}, None
    for number in range(2000):  # SQLite may have room left in the pages of its own
        status, answer = keep(server, f"s-{number}")
        if status != 201:
            refused = (status, answer, f"s-{number}")
            break
        kept.add(f"s-{number}")
    assert refused is not None
    status, answer, name = refused
    assert (status, answer["finding"]["code"]) == (507, "disk-full")
    assert "Make room" in answer["error"]
    assert names(server) == kept
    assert server.ask("GET", "/readyz")[0] == 200
    os.kill(first, signal.SIGKILL)
    until(lambda: sleeping() - {first}, "the container to be started again, though nobody can be told")
    until(lambda: b"store.failed" in server.log.read_bytes(), "the reconciler to meet it")
    assert server.process.poll() is None
    assert names(server) == kept
    filler.unlink()
    until(lambda: restarts(server) == 1, "the restart to be told")
    until(lambda: keep(server, name)[0] == 201, "room again")
    assert names(server) == {*kept, name}
    assert server.stop() == 0
    where = (server.folder / "b", "--data", server.data)
    towline("admin", "backup", *where, check=True)
    towline("admin", "backup", "verify", *where, check=True)


def test_an_image_that_finds_no_room_is_told_and_runs_by_itself_once_there_is(
    server: Server, registry: RealRegistry, tmp_path: Path
) -> None:
    layout = busybox_layout(tmp_path / "big", command=("sleep", "600"), ballast=(BALLAST,))
    push(registry, layout, "team/big:1")
    deploy(server, registry, "big")
    until(lambda: findings(server, "big") == ["disk-full"], "the finding")
    assert keep(server, "meanwhile")[0] == 201
    subprocess.run(["mount", "-o", "remount,size=300m", server.data], check=True)
    until(lambda: server.status("big")["phase"] == "Succeeded", "the deployment to run by itself")


def findings(server: Server, name: str) -> list[str]:
    return [finding["code"] for finding in server.status(name).get("findings", ())]


def restarts(server: Server) -> int:
    count: int = server.status("small")["executables_status"]["app"]["restart_count"]
    return count


def sleeping() -> set[int]:
    """Return the processes of the small image, by what they are called."""
    found = set()
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if each.read_bytes() == f"sleep\0{MARK}\0".encode():
                found.add(int(each.parent.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def deploy(server: Server, registry: RealRegistry, name: str) -> None:
    docker = {"registry": registry.netloc, "username": USER, "password": PASSWORD, "email": "j@example.com"}
    server.call(
        "POST",
        "/v2/secrets/",
        {"metadata": {"name": f"pull-{name}"}, "spec": {"type": "Docker", "docker": docker}},
    )
    pull = {"depends": {"kind": "secret", "nameOrGUID": f"pull-{name}"}}
    run = {
        "name": "app",
        "type": "docker",
        "docker": {"image": f"{registry.netloc}/team/{name}:1", "pullSecret": pull},
    }
    spec = {"runtime": "cloud", "cloud": {"replicas": 1}, "executables": [run]}
    server.call("POST", "/v2/packages/", {"metadata": {"name": name, "version": "v1"}, "spec": spec})
    depends = {"kind": "package", "nameOrGUID": name, "version": "v1"}
    body = {"metadata": {"name": name, "depends": depends}, "spec": {"runtime": "cloud"}}
    server.call("POST", "/v2/deployments/", body)
