"""Clusters and a swarm beside the embedded engine of one server: the tests' own Kubernetes, a real swarm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from test_several_engines import add, deploy, engine, findings, is_running, package

from parts.dockerd import Dockerd, own_dockerd
from parts.images import busybox_layout
from parts.kube.lab import Kubernetes, running_kubernetes
from parts.registry import PASSWORD, USER, RealRegistry, free_port, htpasswd_auth, push, running_registry
from parts.require import require
from parts.server import Server, running_server, until

COMMAND = ("sh", "-c", "echo hello from afar; exec sleep 86400")
LOOP = "trap 'exit 0' TERM; echo hello from afar; while :; do sleep 0.2; done"


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    folder = tmp_path_factory.mktemp("private")
    with running_registry(folder, auth=htpasswd_auth(folder)) as registry:
        push(registry, busybox_layout(folder / "one", command=("sh", "-c", LOOP)), "team/app:1")
        yield registry


@pytest.fixture
def clusters(tmp_path: Path, private: RealRegistry) -> Iterator[tuple[Kubernetes, Kubernetes]]:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    with running_kubernetes(tmp_path / "first") as first, running_kubernetes(tmp_path / "second") as second:
        for each in (first, second):
            each.node.logins[private.netloc] = (USER, PASSWORD)
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"labels": {"is": "first"}}}
            each.api.objects.create(("namespaces", "", "kube-system"), body, manager="kube-apiserver")
        yield first, second


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    require("runc")
    with running_server(tmp_path / "server", "--kubernetes-mirror-namespaces", "second/web") as made:
        yield made
        for each in made.call("GET", "/v2/deployments/?limit=100")["items"]:
            made.call("DELETE", f"/v2/deployments/{each['metadata']['name']}/")


def cluster_spec(cluster: Kubernetes) -> dict[str, object]:
    return {"kind": "kubernetes", "kubeconfig": cluster.api.kubeconfig()}


def pods(cluster: Kubernetes) -> int:
    return len(cluster.api.objects.of("pods"))


def test_two_clusters_run_what_names_them_and_one_is_not_taken_twice(
    server: Server, clusters: tuple[Kubernetes, Kubernetes], private: RealRegistry
) -> None:
    first, second = clusters
    add(server, "first", cluster_spec(first))
    add(server, "second", cluster_spec(second))
    package(server, private, COMMAND)
    deploy(server, "on-first", "first")
    deploy(server, "on-second", "second")
    deploy(server, "on-machine", "embedded")
    until(lambda: is_running(server, "on-first", "on-second", "on-machine"), "all three to run")
    assert (pods(first), pods(second)) == (1, 1)
    path = "/v2/deployments/on-second/logs/?replica=0&executable=app&follow=false"
    until(lambda: b"hello from" in server.ask("GET", path)[1], "the log")
    shown = engine(server, "first")
    assert shown["spec"]["address"] == first.api.url
    assert shown["status"]["version"] == "v1.32.13"
    body = {"kind": "Engine", "metadata": {"name": "again"}, "spec": cluster_spec(first)}
    status, said = server.ask("POST", "/v2/engines/", body)
    assert (status, b"under the name 'first'" in said) == (409, True)
    assert first.api.token.encode() not in server.replies + server.log.read_bytes()
    server.call("DELETE", "/v2/deployments/on-first/")
    until(lambda: pods(first) == 0, "the pod to end")
    assert pods(second) == 1


def test_a_secret_is_mirrored_into_the_cluster_that_is_named(
    server: Server, clusters: tuple[Kubernetes, Kubernetes], private: RealRegistry
) -> None:
    first, second = clusters
    for each in clusters:
        each.api.objects.create(("namespaces", "", "web"), {"metadata": {}}, manager="kubectl")
    add(server, "first", cluster_spec(first))
    add(server, "second", cluster_spec(second))
    package(server, private, COMMAND)
    path = "/v2/secrets/pull/mirrors/"
    body = {"kind": "SecretMirror", "spec": {"namespaces": ["web"], "engine": "first"}}
    assert server.ask("POST", path, body)[0] == 400
    body["spec"] = {"namespaces": ["web"]}
    made = server.call("POST", path, body)
    assert made["spec"]["engine"] == "second", "the only one into which projects may mirror anything"
    until(lambda: named(second) == [("web", "pull")], "the copy")
    assert named(first) == []
    assert server.ask("DELETE", "/v2/engines/second/")[0] == 409
    server.call("DELETE", f"{path}{made['metadata']['guid']}/")
    until(lambda: named(second) == [], "the copy to go")
    until(lambda: server.ask("DELETE", "/v2/engines/second/")[0] == 200, "the engine to go")


def named(cluster: Kubernetes) -> list[tuple[str, str]]:
    return sorted(key[1:] for key in cluster.api.objects.kept if key[0] == "secrets")


def test_a_cluster_that_refuses_us_is_told_by_its_own_deployments_alone(
    server: Server, clusters: tuple[Kubernetes, Kubernetes], private: RealRegistry
) -> None:
    first, second = clusters
    add(server, "first", cluster_spec(first))
    add(server, "second", cluster_spec(second))
    package(server, private, COMMAND)
    deploy(server, "on-first", "first")
    deploy(server, "on-second", "second")
    until(lambda: is_running(server, "on-first", "on-second"), "both to run")
    token, first.api.token = first.api.token, "another token"
    first.api.cut_streams()
    deploy(server, "later", "second")
    until(lambda: is_running(server, "later"), "the others to go on")
    server.call("POST", "/v2/engines/first/check/")
    until(lambda: findings(server, "on-first") == ["engine-unreachable"], "the refusal to be told")
    assert is_running(server, "on-second")
    first.api.token = token
    until(lambda: is_running(server, "on-first"), "all to go on")
    assert pods(first) == 1


def test_a_swarm_is_an_engine_and_the_docker_engine_under_it_no_second_one(
    server: Server, private: RealRegistry
) -> None:
    with own_dockerd(bridge="none", debug=False) as manager:
        address = f"127.0.0.1:{free_port()}"
        manager.ask("POST", "/swarm/init", {"ListenAddr": address, "AdvertiseAddr": address})
        add(server, "herd", {"kind": "swarm", "address": manager.host, "network": "host"})
        package(server, private)
        deploy(server, "talker", "herd")
        until(lambda: is_running(server, "talker"), "the deployment to run")
        assert len(services(manager)) == 1
        body = {"kind": "Engine", "metadata": {"name": "under"}, "spec": {"address": manager.host}}
        status, said = server.ask("POST", "/v2/engines/", body)
        assert (status, b"under the name 'herd'" in said) == (409, True)
        server.call("DELETE", "/v2/deployments/talker/")
        until(lambda: not services(manager), "the service to end")
        manager.ask("POST", "/swarm/leave?force=1")


def services(manager: Dockerd) -> list[object]:
    return list(manager.ask("GET", "/services"))


def test_a_docker_engine_that_is_no_manager_is_no_swarm(server: Server) -> None:
    with own_dockerd(bridge="none") as plain:
        body = {"kind": "Engine", "metadata": {"name": "herd"}}
        status, said = server.ask(
            "POST", "/v2/engines/", {**body, "spec": {"kind": "swarm", "address": plain.host}}
        )
        assert (status, b"swarm" in said) == (503, True)
        assert server.ask("GET", "/v2/engines/herd/")[0] == 404
