"""The engine on the tests' cluster: rotation, races, drift, faults, and what is left behind."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec
import pytest

from parts import recorded
from parts.kube.lab import INSTANCE
from parts.kube.workloads import GUID, LOGIN, REGISTRY, executable, workload
from towline.domain.causes import FindingCode
from towline.domain.credential import Credential, Password
from towline.domain.errors import EngineFailed, PullRefused
from towline.domain.package import RestartPolicy
from towline.domain.workload import ReplicaState
from towline.engines.kubernetes import access, naming
from towline.engines.kubernetes.cluster import Cluster
from towline.engines.kubernetes.naming import Names
from towline.engines.kubernetes.seen import SeenNamespace, SeenSecret

if TYPE_CHECKING:
    from collections.abc import Callable

    from parts.kube.lab import Kubernetes
    from towline.engines.kubernetes.engine import KubernetesEngine

PATIENCE = 20
NEW = Credential("robot", Password("rotated"))


async def until(seen: Callable[[], object]) -> None:
    """Wait for something that the cluster does by itself."""
    async with asyncio.timeout(PATIENCE):
        while not seen():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def named(cluster: Kubernetes, plural: str) -> list[str]:
    return sorted(kept.key[2] for kept in cluster.api.objects.of(plural))


def password_in(cluster: Kubernetes) -> str:
    (kept,) = [each for each in cluster.api.objects.of("secrets") if each.key[2].endswith("-pull")]
    content = json.loads(base64.b64decode(kept.shown()["data"][".dockerconfigjson"]))
    return content["auths"][REGISTRY]["password"]


async def states(engine: KubernetesEngine) -> set[ReplicaState]:
    return {fact.state for fact in await engine.inventory()}


async def test_a_stuck_pod_is_nudged_by_a_rotated_secret_and_a_running_one_is_left(
    cluster: Kubernetes, engine: KubernetesEngine
) -> None:
    cluster.node.logins[REGISTRY] = (LOGIN.username, LOGIN.password.reveal())
    await engine.apply(workload())
    first = [kept.uid for kept in cluster.api.objects.of("pods")]
    cluster.node.logins[REGISTRY] = ("robot", "rotated")
    await engine.apply(workload(executable(login=NEW)))
    assert password_in(cluster) == "rotated"
    assert [kept.uid for kept in cluster.api.objects.of("pods")] == first

    cluster.node.logins[REGISTRY] = ("robot", "rotated twice")
    cluster.api.objects.begin_deletion(cluster.api.objects.of("pods")[0])
    async with asyncio.timeout(PATIENCE):
        while await states(engine) != {ReplicaState.FAILED}:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    (fact,) = await engine.inventory()
    assert fact.finding is not None
    assert fact.finding.code is FindingCode.WRONG_CREDENTIALS
    (stuck,) = [kept.uid for kept in cluster.api.objects.of("pods") if not kept.deleted]
    again = Credential("robot", Password("rotated twice"))
    await engine.apply(workload(executable(login=again)))
    assert await states(engine) == {ReplicaState.RUNNING}
    assert stuck not in [kept.uid for kept in cluster.api.objects.of("pods") if not kept.deleted]


async def test_applying_again_takes_one_request_for_each_object_and_changes_nothing(
    cluster: Kubernetes, engine: KubernetesEngine
) -> None:
    one = workload(executable(environment={"WORD": Password("x")}))
    await engine.apply(one)
    version, requests = cluster.api.objects.version, len(cluster.api.seen)
    await engine.apply(one)
    assert cluster.api.objects.version == version
    assert len(cluster.api.seen) == requests + 3


async def test_a_refused_login_leaves_nothing_that_asks_the_registry_again(
    cluster: Kubernetes, engine: KubernetesEngine
) -> None:
    cluster.node.logins[REGISTRY] = ("robot", "another")
    with pytest.raises(PullRefused) as caught:
        await engine.apply(workload())
    assert caught.value.finding.code is FindingCode.WRONG_CREDENTIALS
    await until(lambda: not named(cluster, "pods"))
    assert [named(cluster, kind) for kind in ("deployments", "replicasets", "secrets")] == [[], [], []]


async def test_a_node_that_cannot_reach_the_registry_is_named_and_goes_on_by_itself(
    cluster: Kubernetes, engine: KubernetesEngine
) -> None:
    cluster.node.unreachable[REGISTRY] = "dial tcp 192.0.2.1:443: connect: connection refused"
    with pytest.raises(PullRefused) as caught:
        await engine.apply(workload())
    assert caught.value.finding.code is FindingCode.REGISTRY_REFUSED
    assert "cannot pull what this server could" in caught.value.finding.detail
    del cluster.node.unreachable[REGISTRY]
    await engine.apply(workload())
    assert await states(engine) == {ReplicaState.RUNNING}


async def test_a_quota_is_told_although_no_pod_was_made(
    cluster: Kubernetes, engine: KubernetesEngine
) -> None:
    cluster.controllers.creation_failure = 'pods "x" is forbidden: exceeded quota: small'
    with pytest.raises(EngineFailed) as caught:
        await engine.apply(workload(replicas=2))
    assert caught.value.finding.code is FindingCode.QUOTA_EXCEEDED
    assert {fact.replica for fact in await engine.inventory()} == {0, 1}


async def test_removal_leaves_nothing_but_the_namespace(
    cluster: Kubernetes, engine: KubernetesEngine
) -> None:
    one = workload(executable(environment={"WORD": Password("x")}), ports=(8080,), replicas=2)
    await engine.apply(one)
    assert named(cluster, "services") == ["shop"]
    await engine.remove(GUID)
    kinds = ("deployments", "replicasets", "pods", "secrets", "services")
    assert [named(cluster, kind) for kind in kinds] == [[]] * 5
    assert cluster.drifts == []


async def test_bare_pods_are_gone_after_removal_too(cluster: Kubernetes, engine: KubernetesEngine) -> None:
    await engine.apply(workload(restart=RestartPolicy.NEVER, replicas=2))
    await engine.remove(GUID)
    assert named(cluster, "pods") == named(cluster, "secrets") == []


async def test_a_finalizer_is_respected_and_named(cluster: Kubernetes) -> None:
    engine = cluster.engine(removal_seconds=0.5)
    await engine.start()
    await engine.apply(workload(restart=RestartPolicy.NEVER))
    (pod,) = cluster.api.objects.of("pods")
    pod.finalizers.append("example.com/hold")
    cluster.node.held.add(pod.uid)
    with pytest.raises(EngineFailed) as caught:
        await engine.remove(GUID)
    assert "example.com/hold" in caught.value.finding.detail
    cluster.node.held.clear()
    await engine.remove(GUID)
    assert named(cluster, "pods") == []
    await engine.close()


async def test_a_namespace_that_does_not_go_is_told_with_what_holds_it(
    cluster: Kubernetes, engine: KubernetesEngine
) -> None:
    (namespace,) = [Names("lab").namespace_of(workload().project_guid)]
    kept = cluster.api.objects.create(("namespaces", "", namespace), {"metadata": {}}, manager="kubectl")
    cluster.api.objects.begin_deletion(kept)
    said = "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances"
    condition = {"type": "NamespaceFinalizersRemaining", "status": "True", "message": said}
    cluster.api.objects.set_system(kept, {"status": {"phase": "Terminating", "conditions": [condition]}})
    with pytest.raises(EngineFailed) as caught:
        await engine.apply(workload())
    assert (
        caught.value.finding.detail
        == f"namespace {namespace} is being deleted: {said}; it is made anew after that"
    )
    assert named(cluster, "secrets") == []
    cluster.api.objects.delete(kept)
    await engine.apply(workload())
    assert await states(engine) == {ReplicaState.RUNNING}


def test_the_recorded_namespace_says_what_it_waits_for() -> None:
    path = recorded.FOLDER / "18-namespace-deletion" / "watch-namespaces.jsonl"
    seen = [
        msgspec.json.decode(msgspec.json.encode(record["event"]["object"]), type=SeenNamespace)
        for line in path.read_bytes().splitlines()
        if "event" in (record := msgspec.json.decode(line)) and record["event"]["type"] == "MODIFIED"
    ]
    told = [each.held_by for each in seen]
    assert "Some resources are remaining: pods. has 2 resource instances" in told
    assert told[-1] == ""


async def test_an_engine_that_starts_adopts_what_runs_and_asks_little(cluster: Kubernetes) -> None:
    before = cluster.engine()
    await before.start()
    await before.apply(workload(replicas=2))
    first = await before.inventory()
    await before.close()
    cluster.api.seen.clear()
    after = cluster.engine()
    await after.start()
    held = await after.inventory()
    assert [(fact.replica, fact.state, fact.started_at) for fact in held] == [
        (fact.replica, fact.state, fact.started_at) for fact in first
    ]
    await until(lambda: cluster.api.count("watch=1") == 5)
    assert len(cluster.api.seen) == 10, "a list and a stream for each of five kinds"
    await after.close()


async def test_two_installations_on_one_cluster_do_not_see_each_other(
    cluster: Kubernetes, engine: KubernetesEngine
) -> None:
    await engine.apply(workload())
    stranger = cluster.engine(instance="another")
    await stranger.start()
    assert await stranger.inventory() == []
    await stranger.close()


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500},
        {"status": 503},
        {"status": 429, "retry_after": "0"},
        {"status": 409},
        {"status": 504},
        {"cut": True},
        {"delay": 0.3},
    ],
    ids=str,
)
async def test_what_time_mends_is_tried_again(
    cluster: Kubernetes, engine: KubernetesEngine, fault: dict[str, object]
) -> None:
    await engine.inventory()
    cluster.api.fail("PATCH", times=2, **fault)
    await engine.apply(workload())
    assert await states(engine) == {ReplicaState.RUNNING}


async def test_pages_that_grew_too_old_are_asked_for_anew_and_hold_each_object_once(
    cluster: Kubernetes,
) -> None:
    for number in range(1200):
        cluster.api.objects.create(("secrets", "shop", f"s-{number}"), {"metadata": {}}, manager="kubectl")
    (cluster.folder / "kubeconfig").write_text(cluster.api.kubeconfig())
    client = Cluster(access.configuration(str(cluster.folder / "kubeconfig")))
    cluster.api.fail("continue=1000", status=410)
    page = await client.list(SeenSecret, namespace="shop")
    await client.close()
    assert len({each.metadata.name for each in page.items}) == len(page.items) == 1200
    assert cluster.api.count("GET /api/v1/namespaces/shop/secrets") == 6


async def test_a_page_in_the_place_of_the_api_is_told(cluster: Kubernetes, engine: KubernetesEngine) -> None:
    await engine.inventory()
    cluster.api.fail("PATCH", times=1, html=True)
    with pytest.raises(EngineFailed) as caught:
        await engine.apply(workload())
    assert caught.value.finding.code is FindingCode.ENGINE_UNREACHABLE
    assert "no Kubernetes API" in caught.value.finding.detail


async def test_missing_rights_are_told_with_the_servers_words(
    cluster: Kubernetes, engine: KubernetesEngine
) -> None:
    await engine.inventory()
    said = 'secrets "x" is forbidden: User "system:serviceaccount:a:b" cannot patch resource "secrets"'
    cluster.api.fail("/secrets/", times=9, status=403, message=said)
    with pytest.raises(EngineFailed) as caught:
        await engine.apply(workload())
    assert caught.value.finding.code is FindingCode.ENGINE_UNREACHABLE
    assert "cannot patch resource" in caught.value.finding.detail


async def test_a_namespace_that_was_deleted_meanwhile_is_made_again(
    cluster: Kubernetes, engine: KubernetesEngine
) -> None:
    await engine.apply(workload())
    await engine.remove(GUID)
    (namespace,) = cluster.api.objects.of("namespaces")
    cluster.api.objects.delete(namespace)
    await engine.apply(workload(generation=2))
    assert named(cluster, "namespaces") == [namespace.key[2]]


async def test_streams_survive_cuts_and_a_forgotten_history(
    cluster: Kubernetes, engine: KubernetesEngine
) -> None:
    await engine.apply(workload())
    for trouble in (cluster.api.cut_streams, cluster.api.compact, cluster.api.cut_streams):
        trouble()
        cluster.api.cut_streams()
    cluster.api.objects.begin_deletion(cluster.api.objects.of("pods")[0])
    await until(lambda: len(named(cluster, "pods")) == 1 and not cluster.api.objects.of("pods")[0].deleted)
    (pod,) = cluster.api.objects.of("pods")
    async with asyncio.timeout(PATIENCE):
        while pod.uid not in engine._observing.holdings.get(engine._observing.holdings.places()[0]).pods:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert {fact.replica for fact in await engine.inventory()} == {0}


async def test_a_token_that_ran_out_is_told(cluster: Kubernetes) -> None:
    path = cluster.folder / "kubeconfig"
    path.write_text(cluster.api.kubeconfig())
    cluster.api.token = "another"
    client = Cluster(access.configuration(str(path)))
    engine = cluster.engine_on(client, first_lists=1.0)
    await engine.start()
    with pytest.raises(EngineFailed) as caught:
        await engine.inventory()
    assert caught.value.finding.code is FindingCode.ENGINE_UNREACHABLE
    assert "401" in caught.value.finding.detail
    await engine.close()


async def test_what_others_add_is_theirs_and_no_drift(cluster: Kubernetes, engine: KubernetesEngine) -> None:
    await engine.apply(workload())
    (kept,) = cluster.api.objects.of("deployments")
    path = ("f:spec", "f:template", "f:metadata", "f:annotations", "f:kubectl.kubernetes.io/restartedAt")
    before = [each.uid for each in cluster.api.objects.of("pods")]
    cluster.api.objects.edit(kept.key, {path: "now"}, manager="kubectl-rollout")
    await until(lambda: [each.uid for each in cluster.api.objects.of("pods")] != before)
    await until(lambda: len(cluster.api.objects.of("pods")) == 1)
    await engine.apply(workload())
    assert kept.leaves[path] == "now"
    assert cluster.drifts == []


@pytest.mark.parametrize("is_fresh", [True, False])
async def test_what_others_take_over_is_noticed_with_their_name_and_taken_back(
    cluster: Kubernetes, engine: KubernetesEngine, *, is_fresh: bool
) -> None:
    await engine.apply(workload())
    (kept,) = cluster.api.objects.of("deployments")
    watcher = engine
    path = ("f:spec", "f:template", "f:spec", "f:containers", 'k:{"name":"main"}', "f:image")
    if is_fresh:
        await engine.close()
    cluster.api.objects.edit(kept.key, {path: "evil.example.com/x:1"}, manager="kubectl-edit")
    if is_fresh:
        watcher = cluster.engine()
        await watcher.start()
    await until(lambda: cluster.drifts)
    assert (cluster.drifts[0].change, cluster.drifts[0].culprit) == ("changed", "kubectl-edit")
    assert any(fact.outdated for fact in await watcher.inventory())
    await watcher.apply(workload())
    assert str(kept.leaves[path]).startswith(REGISTRY)
    assert not any(fact.outdated for fact in await watcher.inventory())
    assert len(cluster.drifts) == 1
    if is_fresh:
        await watcher.close()


async def test_a_namespace_that_is_set_is_neither_made_nor_left(cluster: Kubernetes) -> None:
    engine = cluster.engine(namespace="apps")
    await engine.start()
    with pytest.raises(EngineFailed) as caught:
        await engine.apply(workload())
    assert 'namespaces "apps" not found' in caught.value.finding.detail
    cluster.api.objects.create(("namespaces", "", "apps"), {"metadata": {}}, manager="kubectl")
    await engine.apply(workload())
    assert {kept.key[1] for kept in cluster.api.objects.of("pods")} == {"apps"}
    beyond = [line for line in cluster.api.seen if "/namespaces/apps/" not in line]
    assert beyond == []
    await engine.remove(GUID)
    await engine.close()


async def test_a_new_namespace_without_its_account_is_waited_for(
    cluster: Kubernetes, engine: KubernetesEngine
) -> None:
    await engine.inventory()
    said = 'pods "x" is forbidden: error looking up service account a/default: "default" not found'
    cluster.api.fail("/pods/", times=2, status=403, message=said)
    await engine.apply(workload(restart=RestartPolicy.NEVER))
    assert await states(engine) == {ReplicaState.RUNNING}
    await engine.remove(GUID)

    cluster.controllers.creation_failure = said
    starting = asyncio.create_task(engine.apply(workload(generation=2)))
    await until(lambda: named(cluster, "deployments"))
    cluster.controllers.creation_failure = ""
    cluster.api.objects.edit(
        cluster.api.objects.of("deployments")[0].key,
        {("f:metadata", "f:annotations", "f:x"): "y"},
        manager="x",
    )
    await starting
    assert await states(engine) == {ReplicaState.RUNNING}


async def test_a_copy_that_somebody_made_of_our_objects_is_not_ours(
    cluster: Kubernetes, engine: KubernetesEngine
) -> None:
    await engine.apply(workload())
    (kept,) = cluster.api.objects.of("deployments")
    body = {name: part for name, part in kept.shown().items() if name != "status"}
    body["metadata"].pop("ownerReferences", None)
    cluster.api.objects.create(("namespaces", "", "copies"), {"metadata": {}}, manager="kubectl")
    cluster.api.objects.create(("deployments", "copies", kept.key[2]), body, manager="kubectl")
    await until(lambda: len(named(cluster, "pods")) == 2)
    await engine.remove(GUID)
    assert [each.key[1] for each in cluster.api.objects.of("deployments")] == ["copies"]


async def test_a_start_asks_by_kind_and_not_by_object(cluster: Kubernetes, engine: KubernetesEngine) -> None:
    cluster.node.is_idle = True
    await engine.inventory()
    for number in range(40):
        guid = f"dep-{number:024}"
        task = asyncio.create_task(engine.apply(workload(deployment_guid=guid)))
        await until(lambda name=guid: any(name in each for each in named(cluster, "pods")))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    cluster.api.seen.clear()
    after = cluster.engine()
    await after.start()
    assert len(await after.inventory()) == 40
    assert len([line for line in cluster.api.seen if "watch=1" not in line]) == 5
    await after.close()


async def test_a_deployment_that_others_delete_is_told_once_and_comes_back_whole(
    cluster: Kubernetes, engine: KubernetesEngine
) -> None:
    one = workload(executable(environment={"WORD": Password("x")}), replicas=2)
    await engine.apply(one)
    told = engine.observe()
    (kept,) = cluster.api.objects.of("deployments")
    cluster.api.objects.begin_deletion(kept)
    async with asyncio.timeout(PATIENCE):
        async for fact in told:
            if fact.state is ReplicaState.FAILED:
                break
    assert fact.finding is not None
    assert "was deleted in the cluster" in fact.finding.detail
    await until(lambda: not named(cluster, "secrets"))
    await engine.apply(one)
    assert [fact.state for fact in await engine.inventory()] == [ReplicaState.RUNNING] * 2
    assert len(named(cluster, "secrets")) == 2
    assert [(each.change, each.subject.split()[0]) for each in cluster.drifts] == [("deleted", "deployment")]


async def test_nothing_is_remembered_of_what_was_removed(
    cluster: Kubernetes, engine: KubernetesEngine
) -> None:
    one = workload(executable(environment={"WORD": Password("x")}), ports=(8080,))
    for generation in (1, 2, 3):
        await engine.apply(replace(one, generation=generation))
    await engine.remove(GUID)
    await until(lambda: not named(cluster, "replicasets"))
    observing = engine._observing
    await until(lambda: not observing.holdings._held)
    kept = (observing._told, observing._applied, observing._outdated, observing._news, observing._lost)
    assert [len(each) for each in kept] == [0, 0, 0, 0, 0]
    assert observing.holdings._where == {}


@pytest.mark.parametrize(
    ("labels", "owner"),
    [
        ({"app": "shop"}, "belongs to somebody else"),
        ({naming.MANAGED_BY: "Helm"}, "belongs to Helm"),
        (
            {naming.MANAGED_BY: "towline", naming.INSTANCE: INSTANCE, naming.PROJECT: "project-other"},
            "belongs to towline, for project project-other",
        ),
    ],
)
async def test_a_service_of_that_name_that_is_anothers_is_not_taken_over(
    cluster: Kubernetes, labels: dict[str, str], owner: str
) -> None:
    """In a namespace for all projects others have objects too: whoever asks there would be led astray."""
    cluster.api.objects.create(("namespaces", "", "apps"), {"metadata": {}}, manager="kubectl")
    key = ("services", "apps", "shop")
    theirs = cluster.api.objects.create(
        key, {"metadata": {"labels": labels}, "spec": {"selector": {"app": "shop"}}}, manager="kubectl"
    ).shown()
    path = cluster.folder / "apps"
    path.write_text(cluster.api.kubeconfig())
    engine = cluster.engine_on(Cluster(access.configuration(str(path))), namespace="apps")
    await engine.start()
    with pytest.raises(EngineFailed) as caught:
        await engine.apply(workload(ports=(8080,)))
    assert f"Service shop of namespace apps is there and {owner}" in caught.value.finding.detail
    kept = cluster.api.objects.get(*key)
    assert kept is not None
    assert kept.shown() == theirs
    assert named(cluster, "deployments") == []
    cluster.api.objects.delete(kept)
    await engine.apply(workload(ports=(8080,)))
    assert named(cluster, "services") == ["shop"]
    await engine.close()


async def test_projects_that_are_mapped_run_in_their_own_namespaces_and_nothing_else_is_watched(
    cluster: Kubernetes,
) -> None:
    for name in ("apps", "shop"):
        cluster.api.objects.create(("namespaces", "", name), {"metadata": {}}, manager="kubectl")
    path = cluster.folder / "apps"
    path.write_text(cluster.api.kubeconfig())
    engine = cluster.engine_on(
        Cluster(access.configuration(str(path))), namespace="apps", mapped={"project-shop": "shop"}
    )
    await engine.start()
    other = f"{GUID[:-1]}2"
    await engine.apply(workload())
    await engine.apply(workload(project_guid="project-shop", deployment_guid=other))
    assert sorted(key[1] for key in cluster.api.objects.kept if key[0] == "deployments") == ["apps", "shop"]
    listed = {line.partition("?")[0] for line in cluster.api.seen if line.startswith("GET")}
    assert all("/namespaces/apps/" in line or "/namespaces/shop/" in line for line in listed)
    states = {fact.deployment_guid: fact.state for fact in await engine.inventory()}
    assert states == {GUID: ReplicaState.RUNNING, other: ReplicaState.RUNNING}
    cluster.api.compact()
    cluster.api.cut_streams()  # every list is of one namespace: the other's objects are not gone for it
    before = len([line for line in cluster.api.seen if "limit=" in line])
    await until(lambda: len([line for line in cluster.api.seen if "limit=" in line]) >= before + 10)
    assert {fact.state for fact in await engine.inventory()} == {ReplicaState.RUNNING}
    assert len(await engine.inventory()) == 2
    await engine.remove(other)
    await engine.remove(GUID)
    assert named(cluster, "deployments") == []
    assert cluster.drifts == []
    await engine.close()


async def test_a_namespace_that_is_mapped_is_not_towlines_to_make(cluster: Kubernetes) -> None:
    path = cluster.folder / "mapped"
    path.write_text(cluster.api.kubeconfig())
    engine = cluster.engine_on(
        Cluster(access.configuration(str(path))), mapped={workload().project_guid: "theirs"}
    )
    await engine.start()
    with pytest.raises(EngineFailed) as caught:
        await engine.apply(workload())
    assert "404" in caught.value.finding.detail
    assert named(cluster, "namespaces") == []
    cluster.api.objects.create(("namespaces", "", "theirs"), {"metadata": {}}, manager="kubectl")
    await engine.apply(workload())
    assert [key[1] for key in cluster.api.objects.kept if key[0] == "deployments"] == ["theirs"]
    await engine.close()


async def test_a_secret_that_somebody_made_anew_with_another_type_gives_way(
    cluster: Kubernetes, engine: KubernetesEngine
) -> None:
    """A Secret's type never changes, so that no update can put it right."""
    await engine.apply(workload())
    (kept,) = cluster.api.objects.of("secrets")
    cluster.api.objects.delete(kept)
    cluster.api.objects.create(kept.key, {"metadata": {}, "type": "Opaque"}, manager="kubectl")
    await engine.apply(workload())
    assert password_in(cluster) == LOGIN.password.reveal()


async def test_a_deployment_with_another_selector_goes_before_it_is_made_again(
    cluster: Kubernetes, engine: KubernetesEngine
) -> None:
    key = ("deployments", f"towline-{workload().project_guid}", f"{GUID}-1")
    container = {"name": "app", "image": "shop"}
    template = {"metadata": {"labels": {"app": "shop"}}, "spec": {"containers": [container]}}
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": "shop"}}, "template": template}
    cluster.api.objects.create(("namespaces", "", key[1]), {"metadata": {}}, manager="kubectl")
    cluster.api.objects.create(key, {"metadata": {}, "spec": spec}, manager="kubectl")
    with pytest.raises(EngineFailed) as caught:
        await engine.apply(workload())
    assert "made anew" in caught.value.finding.detail
    await until(lambda: not named(cluster, "deployments"))
    await engine.apply(workload())
    assert await states(engine) == {ReplicaState.RUNNING}


async def test_pods_that_are_refused_for_want_of_it_are_made_as_restricted_ones(
    cluster: Kubernetes, engine: KubernetesEngine
) -> None:
    """As recorded in ``22-pod-security-refuses``; the cluster may enforce it without a label that tells."""
    cluster.controllers.refuses = lambda spec: (
        ""
        if spec["containers"][0]["securityContext"].get("runAsNonRoot")
        else 'pods "x" is forbidden: violates PodSecurity "restricted:latest": unrestricted capabilities'
    )
    await engine.apply(workload())
    assert await states(engine) == {ReplicaState.RUNNING}
    (kept,) = cluster.api.objects.of("deployments")
    after = kept.version
    again = cluster.engine()
    await again.start()
    await again.apply(workload())
    assert kept.version == after, "another server sees how it was made"
    await again.close()


async def test_a_version_that_the_cluster_never_had_is_given_up(
    cluster: Kubernetes, engine: KubernetesEngine
) -> None:
    """One that was restored from a backup is at an older one, and refuses to watch from a newer one."""
    await engine.apply(workload())
    said = "Too large resource version: 1000001, current: 1000"
    cluster.api.fail("/api/v1/pods?", times=3, status=504, message=said)
    cluster.api.cut_streams()
    lists = "GET /api/v1/pods?"
    await until(lambda: sum(lists in line and "limit=" in line for line in cluster.api.seen) == 2)
    assert await states(engine) == {ReplicaState.RUNNING}
