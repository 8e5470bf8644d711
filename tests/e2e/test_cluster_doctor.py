"""``towline kubernetes doctor``: what an account lacks, asked of the cluster itself."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import Future
from pathlib import Path

import pytest

from parts.kube.lab import running_kubernetes
from towline.engines.kubernetes import rights

HOW_TO = Path(__file__).parents[2] / "docs/how-to/kubernetes.md"


@pytest.fixture
def cluster(tmp_path):
    with running_kubernetes(tmp_path) as cluster:
        yield cluster


def doctor(tmp_path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "towline", "kubernetes", "doctor", *words],
        env={**os.environ, "KUBECONFIG": str(tmp_path / "kubeconfig")},
        capture_output=True,
        text=True,
        check=False,
    )


def make(cluster, plural: str, namespace: str, name: str, body: dict) -> None:
    done: Future[None] = Future()

    def create() -> None:
        cluster.api.objects.create((plural, namespace, name), body, manager="kubectl")
        done.set_result(None)

    cluster.loop.call_soon_threadsafe(create)
    done.result(10)


def asked(review) -> tuple[str, str, str]:
    attributes = review["spec"]["resourceAttributes"]
    return attributes["verb"], attributes["resource"], attributes.get("subresource", "")


def test_an_account_with_every_right_is_a_yes(tmp_path, cluster):
    done = doctor(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "v1.32.13" in done.stdout
    assert cluster.api.count("selfsubjectaccessreviews") == sum(len(each.verbs) for each in rights.NEEDED)
    assert cluster.api.bodies == []


def test_what_is_missing_is_named_with_its_reason_and_the_rule_that_gives_it(tmp_path, cluster):
    lacks = {("create", "pods", ""), ("get", "pods", "log")}
    cluster.api.allowed = lambda review: asked(review) not in lacks
    done = doctor(tmp_path)
    assert done.returncode == 6
    assert "missing: create on pods" in done.stdout
    assert "missing: get on pods/log  (logs, and the last words of what ended)" in done.stdout
    assert '- {apiGroups: [""], resources: [pods/log], verbs: [get]}' in done.stdout
    assert "resources: [secrets]" not in done.stdout


def test_what_a_namespace_forbids_is_told(tmp_path, cluster):
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    make(cluster, "namespaces", "", "apps", {"metadata": {"labels": labels}})
    status = {"hard": {"pods": "2", "requests.cpu": "4"}, "used": {"pods": "2", "requests.cpu": "1"}}
    make(cluster, "resourcequotas", "apps", "small", {"metadata": {}, "status": status})
    done = doctor(tmp_path, "--namespace", "apps")
    assert done.returncode == 6
    assert "quota small is used up: pods 2 of 2" in done.stdout
    assert "requests.cpu" not in done.stdout
    assert "`restricted`" in done.stdout
    assert cluster.api.count("selfsubjectaccessreviews") < sum(len(each.verbs) for each in rights.NEEDED)


def test_a_namespace_that_is_not_there_is_told(tmp_path, cluster):
    done = doctor(tmp_path, "--namespace", "nowhere")
    assert done.returncode == 6
    assert "namespace nowhere does not exist" in done.stdout


def test_the_how_to_lists_the_rights_that_are_asked_for():
    text = HOW_TO.read_text()
    assert [each for each in rights.NEEDED if f"  {rights.rule(each)}" not in text] == []
