"""``towline kubernetes doctor``: what an account lacks, asked of the cluster itself."""

from __future__ import annotations

import json
import os
import re
import subprocess
from concurrent.futures import Future
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from parts.forks import towline
from parts.kube.lab import running_kubernetes
from towline.engines.kubernetes.installation import permissions
from towline.engines.kubernetes.needs import MIRRORING, NEEDED

HOW_TO = Path(__file__).parents[2] / "docs/how-to/kubernetes.md"


@pytest.fixture
def cluster(tmp_path):
    with running_kubernetes(tmp_path) as cluster:
        yield cluster


def doctor(tmp_path, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "KUBECONFIG": str(tmp_path / "kubeconfig")}
    return towline("kubernetes", "doctor", *words, env=environ)


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
    assert cluster.api.count("selfsubjectaccessreviews") == sum(len(each.verbs) for each in NEEDED)
    assert cluster.api.bodies == []


def test_what_is_missing_is_named_with_its_reason_and_the_rule_that_gives_it(tmp_path, cluster):
    lacks = {("create", "pods", ""), ("get", "pods", "log")}
    cluster.api.allowed = lambda review: asked(review) not in lacks
    done = doctor(tmp_path)
    assert done.returncode == 6
    assert "missing: create on pods" in done.stdout
    assert "missing: get on pods/log  (logs, and the last words of what ended)" in done.stdout
    role, binding = yaml.safe_load_all(done.stdout.partition("kubectl apply -f -:")[2])
    assert [(rule["resources"], rule["verbs"]) for rule in role["rules"]] == [
        (["pods"], ["create"]),
        (["pods/log"], ["get"]),
    ]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "towline", "namespace": "towline"}]
    assert (role["kind"], binding["roleRef"]["name"]) == ("ClusterRole", role["metadata"]["name"])
    for document in (role, binding):
        kubernetes_validate.validate(document, "1.32", strict=True)


def test_what_a_namespace_forbids_is_told(tmp_path, cluster):
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    make(cluster, "namespaces", "", "apps", {"metadata": {"labels": labels}})
    status = {"hard": {"pods": "2", "requests.cpu": "4"}, "used": {"pods": "2", "requests.cpu": "1"}}
    make(cluster, "resourcequotas", "apps", "small", {"metadata": {}, "status": status})
    done = doctor(tmp_path, "--namespace", "apps")
    assert done.returncode == 6
    assert "problem: quota small of apps is used up: pods 2 of 2" in done.stdout
    assert "requests.cpu" not in done.stdout
    assert "problem: quota small of apps refuses pods that state no limit of cpu" in done.stdout
    assert "note: namespace apps enforces Pod Security `restricted`" in done.stdout
    assert cluster.api.count("selfsubjectaccessreviews") < sum(len(each.verbs) for each in NEEDED)


def test_a_namespace_that_is_not_there_is_told(tmp_path, cluster):
    done = doctor(tmp_path, "--namespace", "nowhere")
    assert done.returncode == 6
    assert "namespace nowhere does not exist" in done.stdout


def test_what_a_namespace_has_of_limits_is_told_and_answers_a_quota_that_wants_them(tmp_path, cluster):
    make(cluster, "namespaces", "", "apps", {"metadata": {"labels": {"a": "b"}}})
    status = {"hard": {"limits.cpu": "4", "limits.memory": "1Gi"}, "used": {"limits.cpu": "1500m"}}
    make(cluster, "resourcequotas", "apps", "small", {"metadata": {}, "status": status})
    limits = [{"type": "Container", "max": {"memory": "512Mi"}, "default": {"cpu": "1", "memory": "256Mi"}}]
    make(cluster, "limitranges", "apps", "usual", {"metadata": {}, "spec": {"limits": limits}})
    done = doctor(tmp_path, "--namespace", "apps")
    assert done.returncode == 0, done.stdout
    assert "note: a container in apps may have at most memory 512Mi" in done.stdout
    assert "note: a container in apps that states no limit gets memory 256Mi" in done.stdout
    assert "problem" not in done.stdout


def test_the_namespaces_that_towline_made_are_looked_at_where_none_is_named(tmp_path, cluster):
    ours = {"app.kubernetes.io/managed-by": "towline", "pod-security.kubernetes.io/enforce": "restricted"}
    make(cluster, "namespaces", "", "towline-shop", {"metadata": {"labels": ours}})
    others = {"pod-security.kubernetes.io/enforce": "restricted"}
    make(cluster, "namespaces", "", "others", {"metadata": {"labels": others}})
    done = doctor(tmp_path)
    assert done.returncode == 0
    assert "namespace towline-shop enforces" in done.stdout
    assert "others" not in done.stdout


def test_webhooks_that_may_refuse_what_is_applied_are_told(tmp_path, cluster):
    hooks = [
        {"name": "policy.example.com", "rules": [{"resources": ["pods", "pods/exec"]}]},
        {"name": "nodes.example.com", "rules": [{"resources": ["nodes"]}]},
    ]
    make(cluster, "validatingwebhookconfigurations", "", "policy", {"webhooks": hooks})
    soft = [{"name": "inject.example.com", "failurePolicy": "Ignore", "rules": [{"resources": ["*"]}]}]
    make(cluster, "mutatingwebhookconfigurations", "", "mesh", {"webhooks": soft})
    done = doctor(tmp_path)
    assert done.returncode == 0
    (policy,) = (line for line in done.stdout.splitlines() if "policy.example.com" in line)
    assert policy.endswith("applies of pods; while it does not answer they are refused")
    (mesh,) = (line for line in done.stdout.splitlines() if "inject.example.com" in line)
    assert mesh.endswith("applies of *")
    assert "nodes.example.com" not in done.stdout


def policy(cluster, name: str, resources: list[str], *, binding: dict, **constraints) -> None:
    rule = {"apiGroups": ["apps", ""], "operations": ["CREATE"], "resources": resources}
    spec = {"matchConstraints": {"resourceRules": [rule], **constraints}}
    make(cluster, "validatingadmissionpolicies", "", name, {"metadata": {}, "spec": spec})
    bound = {"policyName": name, "validationActions": ["Deny"], **binding}
    make(cluster, "validatingadmissionpolicybindings", "", f"{name}-bound", {"metadata": {}, "spec": bound})


def test_policies_and_webhooks_are_told_where_they_are_about_our_objects_and_namespaces(tmp_path, cluster):
    make(cluster, "namespaces", "", "apps", {"metadata": {"labels": {"team": "web"}}})
    policy(cluster, "limits", ["deployments", "statefulsets"], binding={})
    wider = {"resourceRules": [{"resources": ["pods", "deployments"]}]}
    policy(cluster, "narrowed", ["*"], binding={"matchResources": wider})
    policy(cluster, "warns", ["pods"], binding={"validationActions": ["Warn", "Audit"]})
    policy(cluster, "elsewhere", ["pods"], binding={}, namespaceSelector={"matchLabels": {"team": "db"}})
    lacks = {"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["web"]}]}
    policy(cluster, "not-here", ["pods"], binding={"matchResources": {"namespaceSelector": lacks}})
    policy(cluster, "batch", ["jobs"], binding={})
    rules = [{"apiGroups": [""], "operations": ["DELETE"], "resources": ["pods"]}]
    make(
        cluster, "validatingwebhookconfigurations", "", "ends", {"webhooks": [{"name": "e", "rules": rules}]}
    )
    done = doctor(tmp_path, "--namespace", "apps")
    assert done.returncode == 0, done.stdout
    begin, end = "note: the admission policy ", " may refuse what Towline applies of "
    told = [line.removeprefix(begin) for line in done.stdout.splitlines() if "may refuse" in line]
    assert told == [
        f"limits (bound by limits-bound){end}deployments",
        f"narrowed (bound by narrowed-bound){end}deployments, pods",
    ]


def test_a_trial_tells_what_the_server_would_say_and_keeps_nothing(tmp_path, cluster):
    make(cluster, "namespaces", "", "apps", {"metadata": {}})
    done = doctor(tmp_path, "--namespace", "apps", "--try-in", "apps")
    assert done.returncode == 0, done.stdout
    assert "note: a trial of every kind of object was not refused in apps" in done.stdout
    assert sum("dryRun=All" in line for line in cluster.api.seen) == 5
    assert {kept.key[0] for kept in cluster.api.objects.kept.values()} == {"namespaces"}
    said = 'admission webhook "images.example.com" denied the request: images must come from us'
    cluster.api.fail("PATCH /apis/apps/v1/namespaces/apps/deployments", status=403, message=said)
    restricted = 'pods "x" is forbidden: violates PodSecurity "restricted:latest": unrestricted capabilities'
    cluster.api.fail("PATCH /api/v1/namespaces/apps/pods", status=403, message=restricted)
    silent = 'admission webhook "s.example.com" does not support dry run'
    cluster.api.fail("PATCH /api/v1/namespaces/apps/services", status=400, message=silent)
    done = doctor(tmp_path, "--namespace", "apps", "--try-in", "apps")
    assert done.returncode == 6
    assert f"problem: a Deployment is refused in apps: {said}" in done.stdout
    assert "a Pod is refused" not in done.stdout, "a restricted one is taken"
    assert f"unknown: whether apps takes a Service: {silent}" in done.stdout


def test_what_cannot_be_seen_or_known_is_said_so(tmp_path, cluster):
    said = 'validatingwebhookconfigurations is forbidden: User "x" cannot list resource'
    cluster.api.fail("validatingwebhookconfigurations", status=403, message=said)
    cluster.api.fail("selfsubjectreviews", status=404, message="the server could not find it")
    done = doctor(tmp_path)
    assert done.returncode == 0, done.stdout
    assert f"unknown: admission webhooks (validatingwebhookconfigurations): {said}" in done.stdout
    assert "unknown: the account's name: the server could not find it" in done.stdout
    assert "unknown: whether the nodes reach the registries" in done.stdout


def test_a_server_without_an_api_that_is_needed_is_told(tmp_path, cluster):
    cluster.api.fail("GET /apis/apps/v1", status=404)
    done = doctor(tmp_path)
    assert done.returncode == 6
    assert "problem: the server has no apis/apps/v1" in done.stdout


def test_mirrors_are_asked_about_when_they_are_wanted(tmp_path, cluster):
    cluster.api.allowed = lambda review: asked(review) != ("patch", "serviceaccounts", "")
    assert doctor(tmp_path).returncode == 0
    done = doctor(tmp_path, "--mirrors")
    assert done.returncode == 6
    assert "missing: patch on serviceaccounts" in done.stdout


def test_programs_read_the_same(tmp_path, cluster):
    cluster.api.allowed = lambda review: asked(review) != ("create", "pods", "")
    cluster.api.username = "jane@example.com"
    done = doctor(tmp_path, "-o", "json")
    assert done.returncode == 6
    told = json.loads(done.stdout)
    assert (told["well"], told["version"], told["account"]) == (False, "v1.32.13", "jane@example.com")
    assert [(each["resource"], each["verbs"]) for each in told["missing"]] == [("pods", ["create"])]
    assert told["remedy"][1]["subjects"][0]["kind"] == "User"
    assert any("nodes reach the registries" in each for each in told["unknown"])


def test_in_one_namespace_a_role_is_enough(tmp_path, cluster):
    make(cluster, "namespaces", "", "apps", {"metadata": {"labels": {"a": "b"}}})
    cluster.api.allowed = lambda review: asked(review) != ("create", "pods", "")
    told = json.loads(doctor(tmp_path, "--namespace", "apps", "-o", "json").stdout)
    assert {(each["kind"], each["metadata"]["namespace"]) for each in told["remedy"]} == {
        ("Role", "apps"),
        ("RoleBinding", "apps"),
    }


def test_the_how_to_lists_the_rights_that_are_asked_for():
    blocks = re.findall(r"```yaml\n(.*?)```", HOW_TO.read_text(), re.DOTALL)
    role, mirrors = (yaml.safe_load(block) for block in blocks)
    assert role["rules"] == permissions.rules(NEEDED)
    assert mirrors == permissions.rules(MIRRORING)
