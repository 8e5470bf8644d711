"""``towline kubernetes scan`` on the tests' own cluster, against a real registry, by real proofs."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
from concurrent.futures import Future

import pytest

from parts.forks import towline
from parts.images import busybox_layout
from parts.kube.lab import running_kubernetes
from parts.registry import PASSWORD, USER, htpasswd_auth, push, running_registry

TYPE = "kubernetes.io/dockerconfigjson"


@pytest.fixture(scope="module")
def private(tmp_path_factory):
    folder = tmp_path_factory.mktemp("private")
    with running_registry(folder, auth=htpasswd_auth(folder)) as registry:
        push(registry, busybox_layout(folder / "one", command=("sh",)), "team/app:1")
        yield registry


@pytest.fixture
def cluster(tmp_path):
    with running_kubernetes(tmp_path) as cluster:
        cluster.node.is_idle = True
        yield cluster


def make(cluster, plural: str, name: str, body: dict, namespace: str = "shop") -> None:
    """Make an object in the cluster's own thread."""
    done: Future[None] = Future()

    def create() -> None:
        cluster.api.objects.create((plural, namespace, name), body, manager="kubectl")
        done.set_result(None)

    cluster.loop.call_soon_threadsafe(create)
    done.result(10)


def secret(cluster, name: str, auths: object, namespace: str = "shop") -> None:
    content = auths if isinstance(auths, str) else json.dumps({"auths": auths})
    data = {".dockerconfigjson": base64.b64encode(content.encode()).decode()}
    make(cluster, "secrets", name, {"metadata": {}, "type": TYPE, "data": data}, namespace)


def login(password: str) -> dict[str, str]:
    return {
        "username": USER,
        "password": password,
        "auth": base64.b64encode(f"{USER}:{password}".encode()).decode(),
    }


def pod(cluster, name: str, image: str, secret: str, said: str = "") -> None:
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": said}}
    state = waiting if said else {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    status = {"name": "main", "state": state, "lastState": {}, "ready": not said, "restartCount": 0}
    spec = {"containers": [{"name": "main", "image": image}], "imagePullSecrets": [{"name": secret}]}
    body = {"metadata": {}, "spec": spec, "status": {"phase": "Pending", "containerStatuses": [status]}}
    make(cluster, "pods", name, body)


def scan(tmp_path, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "KUBECONFIG": str(tmp_path / "kubeconfig")}
    return towline("kubernetes", "scan", *words, env=environ)


def full_of_trouble(cluster, private) -> None:
    image = f"{private.netloc}/team/app:1"
    secret(cluster, "good", {private.netloc: login(PASSWORD)})
    secret(cluster, "good", {private.netloc: login(PASSWORD)}, namespace="other")
    secret(cluster, "wrong", {private.netloc: login("not-the-password")})
    secret(cluster, "garbage", "no json")
    secret(cluster, "useless", {private.netloc: {"identitytoken": "abc"}})
    pod(cluster, "runs", image, "good")
    pod(
        cluster,
        "refused",
        image,
        "wrong",
        f'Back-off pulling image "{image}": ErrImagePull: 401 Unauthorized',
    )
    pod(cluster, "absent", f"{private.netloc}/team/app:2", "good", 'Back-off pulling image "x": not found')
    pod(cluster, "node-side", image, "good", 'Back-off pulling image "x": dial tcp: no such host')
    pod(cluster, "nameless", image, "nowhere", 'Back-off pulling image "x": 401 Unauthorized')


def test_a_scan_says_what_each_secret_is_worth_and_why_pods_wait(tmp_path, cluster, private):
    full_of_trouble(cluster, private)
    before = cluster.api.objects.version
    done = scan(tmp_path, "-o", "json")
    assert done.returncode == 6, done.stderr
    report = json.loads(done.stdout)
    secrets = {f"{each['namespace']}/{each['name']}": each for each in report["secrets"]}
    verdicts = {
        name: [(entry["verdict"], (entry["finding"] or {}).get("code")) for entry in each["entries"]]
        for name, each in secrets.items()
    }
    assert verdicts == {
        "shop/good": [("verified", "tag-not-found")],
        "other/good": [("verified", None)],
        "shop/wrong": [("failing", "wrong-credentials")],
        "shop/garbage": [],
        "shop/useless": [("unknown", None)],
    }
    assert secrets["shop/good"]["copies"] == ["other/good"]
    assert [secrets[name]["unused"] for name in ("other/good", "shop/good")] == [True, False]
    assert secrets["shop/garbage"]["problem"]
    assert "identity token" in secrets["shop/useless"]["entries"][0]["problem"]
    pods = {each["name"]: each for each in report["pods"]}
    assert set(pods) == {"refused", "absent", "node-side", "nameless"}
    assert pods["refused"]["finding"]["code"] == "wrong-credentials"
    assert pods["absent"]["finding"]["code"] == "tag-not-found"
    assert pods["node-side"]["pullableFromHereWith"] == "good"
    assert pods["node-side"]["node"]["code"] == "registry-dns"
    assert pods["nameless"]["missingSecrets"] == ["nowhere"]
    assert pods["nameless"]["finding"]["code"] == "secret-missing"
    assert "kubectl create secret docker-registry" in pods["nameless"]["finding"]["fix"]
    assert cluster.api.objects.version == before
    assert {line.split()[0] for line in cluster.api.seen} == {"GET"}


def test_a_scan_for_people_has_the_causes_and_no_password(tmp_path, cluster, private):
    full_of_trouble(cluster, private)
    done = scan(tmp_path)
    assert done.returncode == 6, done.stderr
    assert "wrong-credentials" in done.stdout
    assert "the same as other/good" in done.stdout
    assert "names a secret that is not there: nowhere" in done.stdout
    for text in (PASSWORD, "not-the-password", login(PASSWORD)["auth"]):
        assert text not in done.stdout + done.stderr


def test_a_cluster_where_all_is_well_is_a_yes(tmp_path, cluster, private):
    secret(cluster, "good", {private.netloc: login(PASSWORD)})
    pod(cluster, "runs", f"{private.netloc}/team/app:1", "good")
    assert scan(tmp_path, "--namespace", "shop").returncode == 0


def test_a_cluster_that_cannot_be_asked_is_no_verdict(tmp_path, cluster):
    cluster.api.token = "another"
    done = scan(tmp_path)
    assert done.returncode == 8
    assert "401" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_cluster_that_is_away_is_told_without_a_word_of_deployments(tmp_path, cluster):
    config = tmp_path / "kubeconfig"
    config.write_text(re.sub(r"https?://[^\s\"']+", "https://127.0.0.1:1", config.read_text()))
    done = scan(tmp_path)
    assert done.returncode == 8
    assert "the cluster could not be asked" in done.stderr
    assert "deployment" not in done.stderr


def test_a_kubeconfig_that_is_none_is_named(tmp_path):
    (tmp_path / "kubeconfig").write_text("[not a kubeconfig")
    done = scan(tmp_path)
    assert done.returncode == 2
    assert "kubeconfig" in done.stderr
    assert "Traceback" not in done.stderr
