"""``towline kubernetes install`` and ``uninstall``: what is made, kept, refused and taken away."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from concurrent.futures import Future
from typing import Any

import pytest
import yaml

from parts.forks import towline
from parts.kube.lab import running_kubernetes
from towline.domain.credential import Password
from towline.engines.kubernetes.installation import manifests
from towline.engines.kubernetes.installation.options import MANAGER, Options
from towline.store.keyring import Keyring

IMAGE = "open.example.com/towline:1"
SECRET = ("secrets", "towline", "towline-keyring")
DEPLOYMENT = ("deployments", "towline", "towline")


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A cluster whose node finds a program for what the image would run."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "serve").write_text("#!/bin/sh\nexec sleep 600\n")
    (programs / "serve").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    with running_kubernetes(tmp_path) as cluster:
        yield cluster


def kubernetes(tmp_path, *words: str) -> subprocess.CompletedProcess[str]:
    return towline("kubernetes", *words, env={**os.environ, "KUBECONFIG": str(tmp_path / "kubeconfig")})


def install(tmp_path, *words: str) -> subprocess.CompletedProcess[str]:
    return kubernetes(tmp_path, "install", "--image", IMAGE, "--apply", "--timeout", "60", *words)


def on_the_loop(cluster, work) -> Any:
    """Do something where the cluster lives."""
    done: Future[Any] = Future()
    cluster.loop.call_soon_threadsafe(lambda: done.set_result(work()))
    return done.result(10)


def make(cluster, key: tuple[str, str, str], body: dict[str, Any] | None = None) -> None:
    on_the_loop(cluster, lambda: cluster.api.objects.create(key, body or {"metadata": {}}, manager="kubectl"))


def there(cluster, key: tuple[str, str, str]) -> dict[str, Any] | None:
    kept = on_the_loop(cluster, lambda: cluster.api.objects.get(*key))
    return kept.shown() if kept else None


def keys(cluster) -> set[tuple[str, str, str]]:
    """Return what there is, but for what controllers and kubelets make."""
    made_by_others = ("pods", "replicasets", "events")
    kept = on_the_loop(cluster, lambda: list(cluster.api.objects.kept))
    return {key for key in kept if key[0] not in made_by_others}


def test_everything_is_made_and_a_second_time_nothing_changes(tmp_path, cluster):
    done = install(tmp_path)
    assert done.returncode == 0, done.stderr
    names = {each["metadata"]["name"] for each in manifests.documents(Options(image=IMAGE))}
    assert {key[2] for key in keys(cluster)} == names | {"towline-keyring"}
    managers = {each["manager"] for each in there(cluster, DEPLOYMENT)["metadata"]["managedFields"]}
    assert MANAGER in managers
    assert "created     Deployment towline/towline" in done.stdout
    assert "port-forward service/towline 8420:80" in done.stdout
    assert there(cluster, DEPLOYMENT)["status"]["availableReplicas"] == 1
    keyring = there(cluster, SECRET)
    again = install(tmp_path)
    assert again.returncode == 0, again.stderr
    assert there(cluster, SECRET) == keyring
    assert "created" not in again.stdout
    assert "changed     " not in again.stdout.replace("unchanged", "")
    assert "kept        Secret towline/towline-keyring" in again.stdout


def test_the_keyring_is_legal_and_nothing_printed_holds_it(tmp_path, cluster):
    done = install(tmp_path)
    content = base64.b64decode(there(cluster, SECRET)["data"]["keyring.json"]).decode()
    (key,) = Keyring.parse(Password(content)).keys.values()
    assert len(key) == 32
    assert base64.b64encode(key).decode() not in done.stdout + done.stderr


def test_an_upgrade_changes_what_is_another_and_takes_away_what_is_not_wanted_any_more(tmp_path, cluster):
    way_in = ("--host", "towline.example.com", "--ingress-tls-secret", "cert")
    assert install(tmp_path, *way_in).returncode == 0
    assert ("ingresses", "towline", "towline") in keys(cluster)
    for name in ("apps", "shop"):
        make(cluster, ("namespaces", "", name))
    done = install(tmp_path, "--watch-namespaces", "apps,shop", "--set", "log_level=debug")
    assert done.returncode == 0, done.stderr
    assert "changed     Deployment towline/towline" in done.stdout
    assert "removed     Ingress towline/towline" in done.stdout
    assert "removed     ClusterRole towline.towline" in done.stdout
    kinds = {key[0] for key in keys(cluster)}
    assert kinds & {"ingresses", "clusterroles", "clusterrolebindings"} == set()
    assert {key for key in keys(cluster) if key[0] == "roles"} == {
        ("roles", "apps", "towline.towline"),
        ("roles", "shop", "towline.towline"),
    }


def test_a_dry_run_keeps_nothing_and_says_what_could_not_be_tried(tmp_path, cluster):
    done = kubernetes(tmp_path, "install", "--image", IMAGE, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert keys(cluster) == set()
    assert "accepted    Namespace towline" in done.stdout
    assert "not checked Deployment towline/towline  (its namespace is not there yet)" in done.stdout
    assert install(tmp_path).returncode == 0
    version = there(cluster, DEPLOYMENT)["metadata"]["resourceVersion"]
    done = kubernetes(tmp_path, "install", "--image", "open.example.com/towline:2", "--dry-run")
    assert "accepted    Deployment towline/towline" in done.stdout
    assert there(cluster, DEPLOYMENT)["metadata"]["resourceVersion"] == version


def test_what_somebody_else_changed_is_named_and_taken_over_only_when_told_to(tmp_path, cluster):
    assert install(tmp_path).returncode == 0
    path = ("f:spec", "f:replicas")
    on_the_loop(cluster, lambda: cluster.api.objects.edit(DEPLOYMENT, {path: 0}, manager="kubectl-edit"))
    done = install(tmp_path)
    assert done.returncode == 4
    assert (
        'Deployment towline/towline: Apply failed with 1 conflict: conflict with "kubectl-edit"'
        in done.stderr
    )
    assert "--force-conflicts" in done.stderr
    assert there(cluster, DEPLOYMENT)["spec"]["replicas"] == 0
    assert install(tmp_path, "--force-conflicts").returncode == 0
    assert there(cluster, DEPLOYMENT)["spec"]["replicas"] == 1


@pytest.mark.parametrize(
    ("status", "message", "code", "said"),
    [
        (403, 'clusterroles is forbidden: User "jane" cannot patch', 5, "cluster admin"),
        (422, "ClusterRole is invalid: rules[0]: Required value", 2, "Required value"),
        (500, "made to fail", 8, "could not be asked"),
    ],
)
def test_a_refusal_names_the_object_and_what_would_be_right(tmp_path, cluster, status, message, code, said):
    cluster.api.fail(
        "PATCH /apis/rbac.authorization.k8s.io/v1/clusterroles/", times=9, status=status, message=message
    )
    done = install(tmp_path)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert status == 500 or "ClusterRole towline.towline" in done.stderr
    assert DEPLOYMENT not in keys(cluster)


def test_what_time_mends_is_waited_for(tmp_path, cluster):
    cluster.api.fail("deployments/towline?", times=1, status=429, retry_after="0")
    cluster.api.fail("services/towline?", times=2, status=503)
    cluster.api.fail("networkpolicies/towline?", times=1, delay=1.0)
    done = install(tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("manager", "said"), [("Helm", "belongs to Helm"), ("", "belongs to somebody else")])
def test_an_object_of_that_name_that_an_install_did_not_make_is_left_alone(tmp_path, cluster, manager, said):
    make(cluster, ("namespaces", "", "towline"))
    labels = {"app.kubernetes.io/managed-by": manager} if manager else {"some": "label"}
    make(cluster, ("services", "towline", "towline"), {"metadata": {"labels": labels}})
    done = install(tmp_path)
    assert done.returncode == 4
    assert f"Service towline/towline is there and {said}" in done.stderr
    assert cluster.api.bodies == []
    assert keys(cluster) == {("namespaces", "", "towline"), ("services", "towline", "towline")}


def test_a_namespace_that_is_there_keeps_its_labels(tmp_path, cluster):
    make(cluster, ("namespaces", "", "towline"), {"metadata": {"labels": {"team": "platform"}}})
    done = install(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "kept        Namespace towline" in done.stdout
    assert there(cluster, ("namespaces", "", "towline"))["metadata"]["labels"] == {"team": "platform"}


def test_a_volume_keeps_its_class_and_never_shrinks(tmp_path, cluster):
    claim = ("persistentvolumeclaims", "towline", "towline-data")
    assert install(tmp_path, "--storage-class", "fast").returncode == 0
    assert install(tmp_path, "--storage-size", "1Gi").returncode == 0
    spec = there(cluster, claim)["spec"]
    assert (spec["storageClassName"], spec["resources"]["requests"]["storage"]) == ("fast", "10Gi")
    assert install(tmp_path, "--storage-size", "20Gi").returncode == 0
    assert there(cluster, claim)["spec"]["resources"]["requests"]["storage"] == "20Gi"
    done = install(tmp_path, "--storage-class", "slow")
    assert done.returncode == 4
    assert "has the storage class fast, which cannot change" in done.stderr


def test_a_keyring_that_is_gone_is_not_replaced_while_the_database_needs_it(tmp_path, cluster):
    assert install(tmp_path).returncode == 0
    on_the_loop(cluster, lambda: cluster.api.objects.delete(cluster.api.objects.kept[SECRET]))
    done = install(tmp_path)
    assert done.returncode == 4
    assert "restore it from a backup" in done.stderr
    assert SECRET not in keys(cluster)
    assert install(tmp_path, "--new-keyring").returncode == 0
    assert SECRET in keys(cluster)


def test_a_keyring_of_ones_own_is_used_and_one_without_a_key_is_named(tmp_path, cluster):
    make(cluster, ("namespaces", "", "towline"))
    mine = ("secrets", "towline", "mine")
    make(cluster, mine, {"metadata": {"labels": {"a": "b"}}, "data": {"other": "e30="}})
    done = install(tmp_path, "--keyring-secret", "mine")
    assert done.returncode == 4
    assert "holds no keyring.json" in done.stderr
    on_the_loop(
        cluster,
        lambda: cluster.api.objects.edit(mine, {("f:data", "f:keyring.json"): "e30="}, manager="kubectl"),
    )
    assert install(tmp_path, "--keyring-secret", "mine").returncode == 0
    assert SECRET not in keys(cluster)
    assert there(cluster, mine)["data"] == {"other": "e30=", "keyring.json": "e30="}


def test_a_rollout_that_does_not_end_says_what_holds_it(tmp_path, cluster):
    cluster.node.unreachable["open.example.com"] = "dial tcp: lookup open.example.com: no such host"
    done = install(tmp_path, "--timeout", "2")
    assert done.returncode == 7
    assert "0 of 1 replicas serve; ErrImagePull" in done.stderr
    assert "no such host" in done.stderr


def test_a_cluster_that_does_not_answer_is_named(tmp_path, cluster):
    config = json.loads((tmp_path / "kubeconfig").read_text())
    config["users"][0]["user"]["token"] = "another"
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    done = install(tmp_path)
    assert done.returncode == 8
    assert "401 Unauthorized" in done.stderr


def test_an_uninstall_takes_what_was_made_and_leaves_data_and_what_is_others(tmp_path, cluster):
    assert install(tmp_path).returncode == 0
    make(cluster, ("services", "towline", "others"), {"metadata": {"labels": {"a": "b"}}})
    refused = kubernetes(tmp_path, "uninstall")
    assert refused.returncode == 2
    assert "to be deleted: Deployment towline/towline" in refused.stderr
    assert "say --yes" in refused.stderr
    assert DEPLOYMENT in keys(cluster)
    done = kubernetes(tmp_path, "uninstall", "--yes")
    assert done.returncode == 0, done.stderr
    assert "deleted ClusterRole towline.towline" in done.stdout
    assert "kept    PersistentVolumeClaim towline/towline-data" in done.stdout
    left = keys(cluster) - {DEPLOYMENT}  # it goes when its pods have
    assert left == {
        ("namespaces", "", "towline"),
        ("persistentvolumeclaims", "towline", "towline-data"),
        ("services", "towline", "others"),
        SECRET,
    }
    deployment = there(cluster, DEPLOYMENT)
    assert deployment is None or "deletionTimestamp" in deployment["metadata"]


def test_data_goes_only_when_that_is_insisted_on(tmp_path, cluster):
    assert install(tmp_path).returncode == 0
    done = kubernetes(tmp_path, "uninstall", "--delete-data", "--yes")
    assert done.returncode == 0, done.stderr
    assert keys(cluster) - {DEPLOYMENT} == {("namespaces", "", "towline")}


def test_there_is_nothing_to_uninstall_where_nothing_was_installed(tmp_path, cluster):
    make(cluster, ("namespaces", "", "towline"))
    make(
        cluster,
        DEPLOYMENT,
        {
            "metadata": {"labels": {"a": "b"}},
            "spec": {"replicas": 0, "template": {"metadata": {"labels": {"a": "b"}}, "spec": {}}},
        },
    )
    done = kubernetes(tmp_path, "uninstall", "--yes")
    assert done.returncode == 3
    assert "no installation 'towline'" in done.stderr
    assert DEPLOYMENT in keys(cluster)


def test_printing_asks_nobody_and_tells_how_to_make_the_keyring(tmp_path):
    done = kubernetes(tmp_path, "install", "--image", IMAGE, "--namespace", "tow")
    assert done.returncode == 0, done.stderr
    documents = list(yaml.safe_load_all(done.stdout))
    assert documents == list(manifests.documents(Options(image=IMAGE, namespace="tow")))
    assert "--namespace tow --print-keyring | kubectl create -f -" in done.stderr
    assert "keyring.json:" not in done.stdout
    listed = kubernetes(tmp_path, "install", "--image", IMAGE, "-o", "json")
    assert json.loads(listed.stdout)["items"] == list(manifests.documents(Options(image=IMAGE)))


def test_a_keyring_is_printed_alone_and_only_when_that_is_asked_for(tmp_path):
    done = kubernetes(tmp_path, "install", "--image", IMAGE, "--print-keyring")
    secret = yaml.safe_load(done.stdout)
    Keyring.parse(Password(base64.b64decode(secret["data"]["keyring.json"]).decode()))
    assert secret["kind"] == "Secret"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--replicas", "2"), "--database-secret"),
        (("--host", "t.example.com"), "in the clear"),
        (("--set", "nothing=1"), "is not a setting"),
        (("--set", "log_level"), "KEY=VALUE"),
    ],
)
def test_wrong_options_are_named_before_anything_is_asked(tmp_path, words, said):
    done = kubernetes(tmp_path, "install", "--image", IMAGE, *words)
    assert done.returncode == 2
    assert said in done.stderr
