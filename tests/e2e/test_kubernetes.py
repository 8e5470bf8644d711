"""The main job on a cluster: the real server and registry, the tests' own Kubernetes."""

from __future__ import annotations

import base64
import json
import subprocess

import pytest

from parts.images import busybox_layout
from parts.kube.lab import running_kubernetes
from parts.registry import PASSWORD, USER, push, running_registry
from parts.require import require
from parts.server import running_server, until

SECOND = ("robot-2", "another-pässword")
COMMAND = ["sh", "-c", "echo hello from a private image; exec sleep 86400"]


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
        push(registry, busybox_layout(folder / "one", command=tuple(COMMAND)), "team/app:1")
        yield registry


@pytest.fixture
def cluster(tmp_path, private):
    with running_kubernetes(tmp_path) as cluster:
        cluster.node.logins[private.netloc] = (USER, PASSWORD)
        yield cluster


@pytest.fixture
def server(tmp_path, cluster):
    kubeconfig = str(tmp_path / "kubeconfig")
    options = ("--engine", "kubernetes", "--kubernetes-kubeconfig", kubeconfig)
    with running_server(tmp_path / "server", *options) as made:
        yield made


def secret(registry, user: str = USER, password: str = PASSWORD):
    docker = {"registry": registry.netloc, "username": user, "password": password, "email": "j@example.com"}
    return {"kind": "Secret", "metadata": {"name": "pull"}, "spec": {"type": "Docker", "docker": docker}}


def package(registry, version: str, command: list[str], *, endpoint: bool = True):
    pull = {"depends": {"kind": "secret", "nameOrGUID": "pull"}}
    docker = {"image": f"{registry.netloc}/team/app:1", "pullSecret": pull}
    spec = {
        "runtime": "cloud",
        "cloud": {"replicas": 2},
        "executables": [{"name": "app", "type": "docker", "docker": docker, "command": command}],
        "environmentVars": [{"name": "WORD", "default": "swordfish"}],
    }
    if endpoint:
        spec["endpoints"] = [{"name": "web", "type": "internal-tcp", "port": 80, "targetPort": 8080}]
    return {"kind": "Package", "metadata": {"name": "app", "version": version}, "spec": spec}


def deploy(server, registry, password: str = PASSWORD, *, endpoint: bool = False) -> None:
    server.call("POST", "/v2/secrets/", secret(registry, password=password))
    server.call("POST", "/v2/packages/", package(registry, "v1", COMMAND, endpoint=endpoint))
    depends = {"kind": "package", "nameOrGUID": "app", "version": "v1"}
    body = {"kind": "Deployment", "metadata": {"name": "app", "depends": depends}}
    server.call("POST", "/v2/deployments/", {**body, "spec": {"runtime": "cloud"}})


def runs(server) -> bool:
    status = server.status("app")
    return (status["phase"], status["status"]) == ("Succeeded", "Running")


def objects(cluster, plural: str) -> list:
    return [kept.shown() for kept in cluster.api.objects.of(plural)]


def login_in(cluster) -> dict:
    (found,) = [each for each in objects(cluster, "secrets") if each["metadata"]["name"].endswith("-pull")]
    assert found["type"] == "kubernetes.io/dockerconfigjson"
    return json.loads(base64.b64decode(found["data"][".dockerconfigjson"]))["auths"]


def test_a_private_image_runs_logs_and_leaves_nothing(server, private, cluster):
    deploy(server, private)
    until(lambda: runs(server), "the deployment to run")
    (deployment,) = objects(cluster, "deployments")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"].startswith(f"{private.netloc}/team/app@sha256:")
    assert login_in(cluster) == {
        private.netloc: {
            "username": USER,
            "password": PASSWORD,
            "auth": base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode(),
        }
    }
    owner = {"apiVersion": "apps/v1", "kind": "Deployment"}
    owner |= {key: deployment["metadata"][key] for key in ("name", "uid")}
    assert [each["metadata"]["ownerReferences"] for each in objects(cluster, "secrets")] == [[owner], [owner]]
    path = "/v2/deployments/app/logs/?replica=1&executable=app&follow=false&tail=1"
    until(lambda: b"hello from a private image" in server.ask("GET", path)[1], "the log")
    server.call("DELETE", "/v2/deployments/app/")
    until(
        lambda: not any(objects(cluster, kind) for kind in ("deployments", "replicasets", "pods")), "the end"
    )
    assert objects(cluster, "secrets") == []


def test_a_wrong_password_never_reaches_the_cluster_and_its_correction_is_enough(server, private, cluster):
    deploy(server, private, password="not-the-password")
    until(lambda: server.status("app")["status"] == "Error", "the refusal")
    status = server.status("app")
    assert (status["phase"], status["error_codes"]) == ("Provisioning", ["DEP_E153"])
    assert status["findings"][0]["code"] == "wrong-credentials"
    assert objects(cluster, "deployments") == objects(cluster, "secrets") == []
    server.call("PUT", "/v2/secrets/pull/", secret(private))
    until(lambda: runs(server), "the corrected deployment to run")


def test_a_rotated_secret_reaches_the_cluster_without_a_restart(server, private, cluster):
    deploy(server, private)
    until(lambda: runs(server), "the deployment to run")
    before = sorted(kept.uid for kept in cluster.api.objects.of("pods"))
    server.call("PUT", "/v2/secrets/pull/", secret(private, *SECOND))
    until(lambda: login_in(cluster)[private.netloc]["username"] == SECOND[0], "the new login")
    assert login_in(cluster)[private.netloc]["password"] == SECOND[1]
    assert sorted(kept.uid for kept in cluster.api.objects.of("pods")) == before
    assert runs(server)


def test_what_others_change_is_put_right_and_told_with_their_name(server, private, cluster):
    deploy(server, private)
    until(lambda: runs(server), "the deployment to run")
    (kept,) = cluster.api.objects.of("deployments")
    replicas = ("f:spec", "f:replicas")
    cluster.loop.call_soon_threadsafe(
        lambda: cluster.api.objects.edit(kept.key, {replicas: 5}, manager="kubectl-edit")
    )
    until(lambda: kept.generation >= 3 and kept.leaves[replicas] == 2, "the repair")
    events = until(lambda: server.call("GET", "/v2/events/?kind=deployment.drifted")["items"], "the event")
    assert "kubectl-edit" in events[0]["text"]
    assert events[0]["subject"]["name"] == "app"
    pull = next(each for each in cluster.api.objects.of("secrets") if each.key[2].endswith("-pull"))
    cluster.loop.call_soon_threadsafe(lambda: cluster.api.objects.delete(pull))
    until(lambda: login_in(cluster) if len(objects(cluster, "secrets")) == 2 else None, "the secret again")
    cluster.loop.call_soon_threadsafe(lambda: cluster.api.objects.begin_deletion(kept))
    until(lambda: any(each.uid != kept.uid for each in cluster.api.objects.of("deployments")), "a new one")
    until(lambda: runs(server), "the deployment to run again")


def test_a_pod_that_is_stuck_with_an_outlived_password_is_made_anew_when_that_is_renewed(
    server, private, cluster
):
    deploy(server, private)
    until(lambda: runs(server), "the deployment to run")
    cluster.node.logins[private.netloc] = SECOND
    victim = cluster.api.objects.of("pods")[0]
    cluster.loop.call_soon_threadsafe(lambda: cluster.api.objects.begin_deletion(victim))
    until(lambda: server.status("app")["status"] == "Error", "the pod to be stuck")
    assert server.status("app")["error_codes"] == ["DEP_E153"]
    before = {kept.uid for kept in cluster.api.objects.of("pods") if not kept.deleted}
    server.call("PUT", "/v2/secrets/pull/", secret(private, *SECOND))
    until(lambda: runs(server), "the deployment to run with the renewed password")
    assert login_in(cluster)[private.netloc]["password"] == SECOND[1]
    (deployment,) = objects(cluster, "deployments")
    assert "towline/nudged-at" in deployment["spec"]["template"]["metadata"]["annotations"]
    assert not before & {kept.uid for kept in cluster.api.objects.of("pods") if not kept.deleted}


def test_an_update_that_ends_is_taken_back_and_told_once(server, private, cluster):
    deploy(server, private, endpoint=True)
    until(lambda: runs(server), "the deployment to run")
    before = sorted(kept.uid for kept in cluster.api.objects.of("pods"))
    server.call("POST", "/v2/packages/", package(private, "v2", ["sh", "-c", "echo no; exit 3"]))
    depends = {"kind": "package", "nameOrGUID": "app", "version": "v2"}
    body = {"kind": "Deployment", "metadata": {"name": "app", "depends": depends}}
    server.call("PATCH", "/v2/deployments/app/", {**body, "spec": {"runtime": "cloud"}})

    def is_told() -> bool:
        codes = [finding["code"] for finding in server.status("app").get("findings") or ()]
        return {*codes[:-1]} == {"exited"} and codes[-1] == "update-rolled-back"

    until(is_told, "the finding")
    until(lambda: sorted(kept.uid for kept in cluster.api.objects.of("pods")) == before, "what serves alone")
    assert server.status("app")["serving"] == 1
    events = server.call("GET", "/v2/events/?kind=deployment.rolled-back")["items"]
    assert [event["subject"]["name"] for event in events] == ["app"]
    applied = len(cluster.api.bodies)
    cluster.node.logins[private.netloc] = SECOND
    server.call("PUT", "/v2/secrets/pull/", secret(private, *SECOND))
    until(lambda: len(cluster.api.bodies) > applied, "a changed secret to have it tried again")
    until(is_told, "the finding again")


def test_a_killed_server_finds_its_pods_again(server, private, cluster):
    deploy(server, private)
    until(lambda: runs(server), "the deployment to run")
    before = sorted(kept.uid for kept in cluster.api.objects.of("pods"))
    applied = len(cluster.api.bodies)
    server.kill()
    server.start()
    until(lambda: runs(server), "the deployment to be seen running")
    assert sorted(kept.uid for kept in cluster.api.objects.of("pods")) == before
    assert len(cluster.api.bodies) == applied


def test_the_password_is_in_no_file_log_reply_or_object_but_its_secret(server, private, cluster):
    deploy(server, private)
    until(lambda: runs(server), "the deployment to run")
    login = base64.b64encode(f"{USER}:{PASSWORD}".encode())
    others = [kept.shown() for kept in cluster.api.objects.kept.values() if not kept.key[2].endswith("-pull")]
    files = [each for each in server.data.rglob("*") if each.is_file()]
    kept = b"".join(each.read_bytes() for each in [*files, server.log]) + json.dumps(others).encode()
    for trace in (PASSWORD.encode(), login, base64.b64encode(PASSWORD.encode())):
        assert trace not in kept
        assert trace not in server.replies
        assert not any(trace.decode() in line for line in cluster.api.seen)
