"""An engine on another machine: a real dockerd behind a real sshd, reached by the system's own ssh."""

from __future__ import annotations

import os
import pwd
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_several_engines import add, deploy, engine, findings, is_running, package

from parts.dockerd import Dockerd, own_dockerd
from parts.images import busybox_layout
from parts.registry import RealRegistry, htpasswd_auth, push, running_registry
from parts.server import Server, running_server, until
from parts.sshd import Sshd, running_sshd
from towline.config import load

LOOP = "trap 'exit 0' TERM; echo hello from afar; while :; do sleep 0.2; done"
USER = pwd.getpwuid(os.geteuid()).pw_name


@pytest.fixture(scope="module")
def dockerd() -> Iterator[Dockerd]:
    with own_dockerd(bridge="none") as made:
        yield made


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    folder = tmp_path_factory.mktemp("private")
    with running_registry(folder, auth=htpasswd_auth(folder)) as registry:
        push(registry, busybox_layout(folder / "one", command=("sh", "-c", LOOP)), "team/app:1")
        yield registry


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Sshd]:
    (tmp_path / "sshd").mkdir()
    with running_sshd(tmp_path / "sshd") as made:
        yield made


@pytest.fixture
def server(tmp_path: Path, sshd: Sshd, dockerd: Dockerd, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("PATH", sshd.path)
    with running_server(tmp_path) as made:
        yield made
        for each in made.call("GET", "/v2/deployments/?limit=100")["items"]:
            made.call("DELETE", f"/v2/deployments/{each['metadata']['name']}/")
        until(lambda: not dockerd.containers(), "the containers to end")


def address(sshd: Sshd, dockerd: Dockerd, user: str = USER) -> str:
    return f"ssh://{user}@127.0.0.1:{sshd.port}{dockerd.socket}"


def tunnels(server: Server) -> list[int]:
    """Return the processes of ssh that the server has."""
    assert server.process is not None
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    return [int(each) for each in children if "ssh" in Path(f"/proc/{each}/comm").read_text()]


def sockets(server: Server) -> list[Path]:
    """Return what tunnels there are, and were and are not taken away."""
    return list((load({"data": str(server.data)}).run_folder / "ssh").glob("*/docker.sock"))


def test_a_deployment_runs_there_and_its_log_comes_back(
    server: Server, sshd: Sshd, dockerd: Dockerd, private: RealRegistry
) -> None:
    add(server, "afar", {"address": address(sshd, dockerd), "network": "host"})
    package(server, private)
    deploy(server, "talker", "afar")
    until(lambda: is_running(server, "talker"), "the deployment to run")
    assert len(dockerd.containers()) == 1
    path = "/v2/deployments/talker/logs/?replica=0&executable=app&follow=false"
    until(lambda: b"hello from afar" in server.ask("GET", path)[1], "the log")
    assert engine(server, "afar")["spec"]["address"] == address(sshd, dockerd)
    assert len(tunnels(server)) == 1


def test_a_connection_that_is_cut_is_told_and_made_again(
    server: Server, sshd: Sshd, dockerd: Dockerd, private: RealRegistry
) -> None:
    add(server, "afar", {"address": address(sshd, dockerd), "network": "host"})
    package(server, private)
    deploy(server, "talker", "afar")
    until(lambda: is_running(server, "talker"), "the deployment to run")
    sshd.cut()
    until(lambda: findings(server, "talker") == ["engine-unreachable"], "the absence to be told")
    sshd.start()
    until(lambda: is_running(server, "talker"), "the deployment to be seen again")
    assert len(dockerd.containers()) == 1


def test_a_killed_server_leaves_no_tunnel_and_its_successor_makes_one(
    server: Server, sshd: Sshd, dockerd: Dockerd, private: RealRegistry
) -> None:
    add(server, "afar", {"address": address(sshd, dockerd), "network": "host"})
    package(server, private)
    deploy(server, "talker", "afar")
    until(lambda: is_running(server, "talker"), "the deployment to run")
    [tunnel] = tunnels(server)
    [before] = dockerd.containers()
    server.kill()
    until(lambda: not Path(f"/proc/{tunnel}").exists(), "the tunnel to end with its server")
    server.start()
    until(lambda: is_running(server, "talker"), "the deployment to be known again")
    assert [each["Id"] for each in dockerd.containers()] == [before["Id"]]
    assert len(sockets(server)) == 1
    server.stop()
    assert sockets(server) == []
    server.start()


def test_a_host_that_is_not_known_and_a_user_who_may_not_in_are_refused_in_sshs_words(
    server: Server, sshd: Sshd, dockerd: Dockerd
) -> None:
    for name, user, is_known, said in (
        ("stranger", USER, False, b"Host key verification failed"),
        ("nobody", "nobody", True, b"Permission denied"),
    ):
        sshd.know(is_known=is_known)
        spec = {"address": address(sshd, dockerd, user)}
        body = {"kind": "Engine", "metadata": {"name": name}, "spec": spec}
        status, content = server.ask("POST", "/v2/engines/", body)
        assert (status, said in content) == (503, True), content
    assert [each["metadata"]["name"] for each in server.call("GET", "/v2/engines/")["items"]] == ["embedded"]
    assert tunnels(server) == []


def test_a_socket_that_is_not_there_and_an_engine_that_is_here_already_are_refused(
    server: Server, sshd: Sshd, dockerd: Dockerd
) -> None:
    body = {"kind": "Engine", "metadata": {"name": "afar"}}
    absent = {"address": f"ssh://{USER}@127.0.0.1:{sshd.port}/run/nowhere.sock"}
    assert server.ask("POST", "/v2/engines/", {**body, "spec": absent})[0] == 503
    add(server, "here", {"address": dockerd.host})
    status, said = server.ask("POST", "/v2/engines/", {**body, "spec": {"address": address(sshd, dockerd)}})
    assert (status, b"under the name 'here'" in said) == (409, True)
    assert tunnels(server) == []


def test_a_tunnel_that_is_killed_is_made_again(
    server: Server, sshd: Sshd, dockerd: Dockerd, private: RealRegistry
) -> None:
    add(server, "afar", {"address": address(sshd, dockerd), "network": "host"})
    package(server, private)
    deploy(server, "talker", "afar")
    until(lambda: is_running(server, "talker"), "the deployment to run")
    [before] = tunnels(server)
    os.kill(before, signal.SIGKILL)
    until(lambda: tunnels(server) not in ([], [before]), "another tunnel")
    until(lambda: is_running(server, "talker"), "the deployment to be seen again")
    assert len(dockerd.containers()) == 1
