"""A minted login's whole way: a provider that checks signatures, a real registry that takes its grants."""

from __future__ import annotations

import base64
import json
import subprocess
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from parts.images import busybox_layout
from parts.kube.lab import running_kubernetes
from parts.mints import SECRET_KEY, Providers, running_providers
from parts.registry import PASSWORD, USER, RealRegistry, push, running_registry
from parts.require import require
from parts.server import Server, running_server, until

COMMAND = ("sh", "-c", "echo hello from a private image; exec sleep 86400")
SHORT = timedelta(seconds=4)


class Private:
    """A registry that knows who pushes, and of what was granted only the newest."""

    def __init__(self, users: Path, registry: RealRegistry, providers: Providers) -> None:
        self.netloc = registry.netloc
        self.providers = providers
        self.granted: list[str] = []
        self._users = users
        self._lock = threading.Lock()
        providers.granted = self._take

    def _take(self, user: str, password: str) -> None:
        with self._lock:
            write = ["htpasswd", "-iB", "-C", "4", str(self._users), user]
            subprocess.run(write, input=password.encode(), check=True, capture_output=True)
            self.granted.append(password)

    def secret(self) -> dict:
        settings = {"region": "eu-west-1", "endpoint": f"{self.providers.url}/"}
        mint = {"kind": "ecr", "settings": settings, "key": self.providers.aws_key()}
        docker = {"registry": self.netloc, "email": "j@example.com", "mint": mint}
        return {"kind": "Secret", "metadata": {"name": "pull"}, "spec": {"type": "Docker", "docker": docker}}


@pytest.fixture(scope="module")
def private(tmp_path_factory) -> Iterator[Private]:
    require("htpasswd")
    folder = tmp_path_factory.mktemp("private")
    users = folder / "users"
    write = ["htpasswd", "-cbB", str(users), USER, PASSWORD]
    subprocess.run(write, check=True, capture_output=True)
    auth = f"auth: {{htpasswd: {{realm: x, path: {users}}}}}"
    with running_registry(folder, auth=auth) as registry, running_providers() as providers:
        push(registry, busybox_layout(folder / "one", command=COMMAND), "team/app:1")
        yield Private(users, registry, providers)


@pytest.fixture(autouse=True)
def obliging(private: Private) -> None:
    private.providers.may_mint = True
    private.providers.lives.clear()
    private.granted.clear()


def deploy(server: Server, private: Private) -> None:
    pull = {"depends": {"kind": "secret", "nameOrGUID": "pull"}}
    docker = {"image": f"{private.netloc}/team/app:1", "pullSecret": pull}
    run = {"name": "app", "type": "docker", "docker": docker, "command": list(COMMAND)}
    spec = {"runtime": "cloud", "cloud": {"replicas": 1}, "executables": [run]}
    metadata = {"name": "app", "version": "v1"}
    server.call("POST", "/v2/packages/", {"kind": "Package", "metadata": metadata, "spec": spec})
    depends = {"kind": "package", "nameOrGUID": "app", "version": "v1"}
    body = {"kind": "Deployment", "metadata": {"name": "app", "depends": depends}}
    server.call("POST", "/v2/deployments/", {**body, "spec": {"runtime": "cloud"}})
    until(lambda: runs(server), "the deployment to run")


def runs(server: Server) -> bool:
    status = server.status("app")
    return (status["phase"], status["status"]) == ("Succeeded", "Running")


def shown(server: Server) -> dict:
    return server.call("GET", "/v2/secrets/pull/")


def test_a_login_is_minted_proved_renewed_and_pulls(tmp_path: Path, private: Private) -> None:
    require("runc")
    require("root")
    private.providers.lives.append(SHORT)
    with running_server(tmp_path) as server:
        first = server.call("POST", "/v2/secrets/", private.secret())
        assert first["spec"]["docker"]["username"] == "AWS"
        assert first["status"]["verdict"] == "verified"
        until(lambda: len(private.granted) == 2, "the renewal before the end of four seconds")
        until(
            lambda: shown(server)["status"]["mint"]["valid_until"] > first["status"]["mint"]["valid_until"],
            "the renewed login",
        )
        deploy(server, private)
        server.kill()
        server.start()
        assert shown(server)["status"]["mint"]["renews_at"]
        server.call("POST", "/v2/secrets/pull/verify/", {})
        assert len(private.granted) == 3
        helper = server.call("POST", "/v2/credentials/get/", {"serverURL": private.netloc})
        assert (helper["username"], helper["secret"]) == ("AWS", private.granted[-1])
        assert helper["expiresAt"] == shown(server)["status"]["mint"]["valid_until"]
        assert runs(server)
        refused_but_good(server, private)
        kept = server.replies + server.log.read_bytes()
        for secret in (SECRET_KEY, *private.granted[:-1]):
            assert secret.encode() not in kept
            assert base64.b64encode(f"AWS:{secret}".encode()) not in kept


def refused_but_good(server: Server, private: Private) -> None:
    """See that a provider's no is told with its fix, and that the login in use stays what it is."""
    private.providers.may_mint = False
    server.call("POST", "/v2/secrets/pull/verify/", {})
    status = shown(server)["status"]
    assert status["verdict"] == "verified"
    assert status["mint"]["failures"] == 1
    assert status["mint"]["finding"]["code"] == "mint-not-allowed"
    assert "ecr:GetAuthorizationToken" in status["mint"]["finding"]["fix"]
    assert [each["status"] for each in status["mint"]["finding"]["evidence"]] == [400]
    assert runs(server)


def test_a_renewed_login_reaches_the_cluster_before_the_old_one_ends_and_restarts_nothing(
    tmp_path: Path, private: Private
) -> None:
    options = ("--engine", "kubernetes", "--kubernetes-kubeconfig", str(tmp_path / "kubeconfig"))
    with running_kubernetes(tmp_path) as cluster, running_server(tmp_path / "server", *options) as server:

        def password() -> str:
            secrets = [kept.shown() for kept in cluster.api.objects.of("secrets")]
            (found,) = [each for each in secrets if each["metadata"]["name"].endswith("-pull")]
            config = json.loads(base64.b64decode(found["data"][".dockerconfigjson"]))
            return str(config["auths"][private.netloc]["password"])

        server.call("POST", "/v2/secrets/", private.secret())
        cluster.node.logins[private.netloc] = ("AWS", private.granted[-1])
        deploy(server, private)
        pods = sorted(kept.uid for kept in cluster.api.objects.of("pods"))
        assert password() == private.granted[0]
        private.providers.lives.append(SHORT)
        server.call("POST", "/v2/secrets/pull/verify/", {})
        until(lambda: len(private.granted) == 3, "the renewal by the schedule")
        until(lambda: password() == private.granted[2], "the renewed login in the cluster")
        assert sorted(kept.uid for kept in cluster.api.objects.of("pods")) == pods
        assert runs(server)
