"""Mirrors whole: the real server, registry and command line, on the tests' own Kubernetes."""

from __future__ import annotations

import base64
import json
import os
import subprocess

import pytest

from parts.forks import towline
from parts.kube.lab import running_kubernetes
from parts.registry import PASSWORD, USER, running_registry
from parts.require import require
from parts.server import running_server, until

SECOND = ("robot-2", "another-pässword")


@pytest.fixture(scope="module")
def private(tmp_path_factory):
    """A registry that knows two users."""
    require("htpasswd")
    folder = tmp_path_factory.mktemp("private")
    users = folder / "users"
    users.touch()
    for user, password in ((USER, PASSWORD), SECOND):
        subprocess.run(["htpasswd", "-bB", str(users), user, password], check=True, capture_output=True)
    with running_registry(folder, auth=f"auth: {{htpasswd: {{realm: x, path: {users}}}}}") as registry:
        yield registry


@pytest.fixture
def cluster(tmp_path):
    with running_kubernetes(tmp_path) as cluster:
        for name in ("web", "shop"):
            make(cluster, name)
        yield cluster


@pytest.fixture
def server(tmp_path, cluster):
    kubeconfig = str(tmp_path / "kubeconfig")
    options = ("--engine", "kubernetes", "--kubernetes-kubeconfig", kubeconfig)
    options += ("--kubernetes-mirror-namespaces", "web", "--kubernetes-mirror-namespaces", "shop*")
    with running_server(tmp_path / "server", *options) as made:
        yield made


def typed(server, *words: str) -> str:
    """Return what the command line prints."""
    variables = {"TOWLINE_SERVER": f"http://127.0.0.1:{server.port}", "TOWLINE_TOKEN": server.token}
    environment = {**os.environ, **variables}
    return towline(*words, "--project", server.project, env=environment, check=True).stdout


def make(cluster, name: str, **labels: str) -> None:
    """Make a namespace with its default service account."""

    def change() -> None:
        body = {"metadata": {"labels": labels} if labels else {}}
        cluster.api.objects.create(("namespaces", "", name), body, manager="kubectl")
        account = {"metadata": {"labels": {"made": "here"}}}
        cluster.api.objects.create(("serviceaccounts", name, "default"), account, manager="controllers")

    cluster.loop.call_soon_threadsafe(change)


def secret(registry, user: str = USER, password: str = PASSWORD):
    docker = {"registry": registry.netloc, "username": user, "password": password, "email": "j@example.com"}
    return {"kind": "Secret", "metadata": {"name": "pull"}, "spec": {"type": "Docker", "docker": docker}}


def logins(cluster, registry) -> dict[str, tuple[str, str]]:
    """Return the logins in the cluster by namespace."""
    found = {}
    for kept in cluster.api.objects.of("secrets"):
        content = json.loads(base64.b64decode(kept.shown()["data"][".dockerconfigjson"]))
        entry = content["auths"][registry.netloc]
        found[kept.key[1]] = (entry["username"], entry["password"])
    return found


def pulls(cluster, namespace: str) -> list[str]:
    kept = cluster.api.objects.get("serviceaccounts", namespace, "default")
    return [each["name"] for each in kept.shown().get("imagePullSecrets") or ()] if kept else []


def test_a_secret_is_mirrored_rotated_and_taken_away(server, private, cluster):
    server.call("POST", "/v2/secrets/", secret(private))
    add = ["secret", "mirror", "add", "pull", "--namespace", "web", "--namespace-selector", "team=shop"]
    made = typed(server, *add, "--service-account", "default", "-o", "name")
    guid = made.strip()
    assert guid.startswith("mirror-")
    until(lambda: logins(cluster, private) == {"web": (USER, PASSWORD)}, "the copy")
    until(lambda: pulls(cluster, "web") == ["pull"], "the service account")
    make(cluster, "shop-new", team="shop")
    until(lambda: pulls(cluster, "shop-new") == ["pull"], "the new namespace")

    def fares() -> bool:
        told = typed(server, "secret", "mirror", "list", "pull")
        return told.count("in-place") == 2 and "shop-new" in told

    until(fares, "the status")
    server.call("PUT", "/v2/secrets/pull/", secret(private, *SECOND))
    until(lambda: set(logins(cluster, private).values()) == {SECOND}, "the rotated login everywhere")
    server.call("PUT", "/v2/secrets/pull/", secret(private, password="wrong"))
    mirrors = f"/v2/secrets/pull/mirrors/{guid}/"
    until(
        lambda: all(
            "is refused by its registry" in place.get("reason", "")
            for place in server.call("GET", mirrors)["status"]["namespaces"]
        ),
        "the refusal",
    )
    assert set(logins(cluster, private).values()) == {SECOND}
    typed(server, "secret", "mirror", "remove", "pull", "--yes")
    until(lambda: logins(cluster, private) == {}, "the end of the copies")
    assert pulls(cluster, "web") == pulls(cluster, "shop-new") == []
    until(lambda: server.call("GET", "/v2/secrets/pull/mirrors/")["items"] == [], "the end of the mirror")


def test_a_deleted_secret_and_a_restart_leave_nothing_behind(server, private, cluster):
    server.call("POST", "/v2/secrets/", secret(private))
    spec = {"namespaces": ["web"], "serviceAccounts": ["default"]}
    server.call("POST", "/v2/secrets/pull/mirrors/", {"spec": spec})
    until(lambda: pulls(cluster, "web") == ["pull"], "the copy")
    server.kill()
    server.start()
    server.call("DELETE", "/v2/secrets/pull/")
    until(lambda: logins(cluster, private) == {} and pulls(cluster, "web") == [], "the end of the copy")


def test_the_password_is_in_its_copies_and_nowhere_else(server, private, cluster):
    server.call("POST", "/v2/secrets/", secret(private))
    spec = {"namespaces": ["web"], "serviceAccounts": ["default"]}
    server.call("POST", "/v2/secrets/pull/mirrors/", {"spec": spec})
    until(lambda: pulls(cluster, "web") == ["pull"], "the copy")
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode())
    others = [kept.shown() for kept in cluster.api.objects.kept.values() if kept.key[0] != "secrets"]
    files = [each for each in server.data.rglob("*") if each.is_file()]
    kept = b"".join(each.read_bytes() for each in [*files, server.log]) + json.dumps(others).encode()
    for trace in (PASSWORD.encode(), auth, base64.b64encode(PASSWORD.encode())):
        assert trace not in kept
        assert trace not in server.replies
