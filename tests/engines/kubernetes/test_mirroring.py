"""Mirrors on the tests' cluster: where copies are put, who has them, what is left alone, what goes away."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import kubernetes_validate
import pytest

from parts.kube.workloads import FOREVER, LOGIN, REGISTRY
from towline.domain.credential import Credential, Password
from towline.domain.mirror import HandedCopy, Mirror, MirrorOrder, MirrorPlace, PlaceState
from towline.domain.namespace_selector import NamespaceSelector
from towline.domain.registry import RegistryAddress
from towline.engines.kubernetes import access, mirror_rules
from towline.engines.kubernetes.cluster import Cluster
from towline.engines.kubernetes.mirroring import Mirroring
from towline.engines.kubernetes.naming import Names
from towline.engines.kubernetes.seen import Metadata, SeenNamespace

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from parts.kube.lab import Kubernetes
    from parts.kube.objects import Kept

PATIENCE = 20
ADDRESS = RegistryAddress.parse(REGISTRY)
ANNOTATION = "towline/pull-secrets-of-lab"
MIRROR = Mirror(
    "mirror-one",
    "project-alpha",
    "secret-one",
    "prod",
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    namespaces=("web",),
)
WITH_ACCOUNT = replace(MIRROR, accounts=("default",))


@dataclass
class OtherSide:
    """What the mirrors' other side does: hands out the credential, hears how mirrors fare."""

    login: Credential = LOGIN
    handed: list[str] = field(default_factory=list)
    places: dict[str, dict[str, MirrorPlace]] = field(default_factory=dict)
    version: int = 1

    async def hand_out(self, order: MirrorOrder, namespace: str) -> HandedCopy | None:
        """Return the credential; note for where."""
        self.handed.append(namespace)
        return HandedCopy(self.login, order.address, self.version)

    async def tell(self, guid: str, places: Sequence[MirrorPlace]) -> None:
        """Keep how a mirror fares."""
        self.places[guid] = {place.namespace: place for place in places}

    def place(self, namespace: str = "web", guid: str = MIRROR.guid) -> MirrorPlace | None:
        """Return how a mirror fares in a namespace."""
        return self.places.get(guid, {}).get(namespace)

    def is_in_place(self, namespace: str = "web", guid: str = MIRROR.guid) -> bool:
        """Whether a mirror fares well there."""
        place = self.place(namespace, guid)
        return place is not None and place.state is PlaceState.IN_PLACE


@dataclass
class Lab:
    """A cluster with mirrors on it."""

    cluster: Kubernetes
    mirroring: Mirroring
    other: OtherSide

    def order(self, *mirrors: Mirror, version: int = 1, held_back: str = "") -> None:
        """Order mirrors."""
        self.other.version = version
        self.mirroring.order([MirrorOrder(each, version, ADDRESS, held_back) for each in mirrors])

    def namespace(self, name: str = "web", **labels: str) -> Kept:
        """Make a namespace with its default service account, as the controllers do."""
        made = self.cluster.api.objects.create(
            ("namespaces", "", name), {"metadata": {"labels": labels} if labels else {}}, manager="kubectl"
        )
        self.account(name)
        return made

    def account(self, namespace: str, name: str = "default", secrets: Sequence[str] = ()) -> Kept:
        """Make a service account."""
        body: dict[str, Any] = {"metadata": {"labels": {"made": "here"}}}
        if secrets:
            body["imagePullSecrets"] = [{"name": each} for each in secrets]
        return self.cluster.api.objects.create(("serviceaccounts", namespace, name), body, manager="kubectl")

    def pulls(self, namespace: str = "web", name: str = "default") -> list[str]:
        """Return the pull secrets of a service account."""
        kept = self.cluster.api.objects.get("serviceaccounts", namespace, name)
        assert kept is not None
        return [each["name"] for each in kept.shown().get("imagePullSecrets") or ()]

    def secret(self, namespace: str = "web", name: str = "prod") -> dict[str, Any] | None:
        """Return a Secret."""
        kept = self.cluster.api.objects.get("secrets", namespace, name)
        return kept.shown() if kept is not None else None

    def password(self, namespace: str = "web") -> str:
        """Return the password in a copy."""
        secret = self.secret(namespace)
        if secret is None:
            return ""
        content = json.loads(base64.b64decode(secret["data"][".dockerconfigjson"]))
        password: str = content["auths"][REGISTRY]["password"]
        return password

    def deploy(self, namespace: str = "web", pulls: Sequence[str] = ()) -> None:
        """Deploy an image of the registry, as somebody without Towline does."""
        container = {"name": "main", "image": f"{REGISTRY}/team/app:1", "command": list(FOREVER)}
        spec: dict[str, Any] = {"containers": [container], "terminationGracePeriodSeconds": 0}
        if pulls:
            spec["imagePullSecrets"] = [{"name": each} for each in pulls]
        template = {"metadata": {"labels": {"app": "shop"}}, "spec": spec}
        body = {
            "metadata": {"labels": {"app": "shop"}},
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "shop"}}, "template": template},
        }
        self.cluster.api.objects.create(("deployments", namespace, "shop"), body, manager="kubectl")

    def pods(self) -> list[Kept]:
        """Return the pods that are not on their way out."""
        return [kept for kept in self.cluster.api.objects.of("pods") if not kept.deleted]

    def runs(self) -> bool:
        """Whether there is a pod, and it runs."""
        phases = [kept.system.get("status", {}).get("phase") for kept in self.pods()]
        return phases == ["Running"]


async def until(seen: Callable[[], object]) -> None:
    """Wait for something that the cluster does by itself."""
    async with asyncio.timeout(PATIENCE):
        while not seen():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.fixture
async def lab(cluster: Kubernetes) -> AsyncIterator[Lab]:
    path = cluster.folder / "kubeconfig"
    path.write_text(cluster.api.kubeconfig())
    client = Cluster(access.configuration(str(path)))
    mirroring = Mirroring(
        client,
        Names("lab"),
        allowed=("web*", "shop", "towline-*"),
        clock=lambda: datetime.now(UTC),
        jitter=lambda: 0.5,
    )
    other = OtherSide()
    running = asyncio.create_task(mirroring.run(hand_out=other.hand_out, tell=other.tell))
    yield Lab(cluster, mirroring, other)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await client.close()


async def test_a_copy_is_put_where_it_is_asked_for_with_what_a_kubelet_reads(lab: Lab) -> None:
    lab.namespace()
    lab.namespace("shop")
    lab.order(MIRROR)
    await until(lab.other.is_in_place)
    made = lab.secret()
    assert made is not None
    assert made["type"] == "kubernetes.io/dockerconfigjson"
    auth = base64.b64encode(f"{LOGIN.username}:{LOGIN.password.reveal()}".encode()).decode()
    assert json.loads(base64.b64decode(made["data"][".dockerconfigjson"])) == {
        "auths": {REGISTRY: {"username": LOGIN.username, "password": LOGIN.password.reveal(), "auth": auth}}
    }
    assert {entry["manager"] for entry in made["metadata"]["managedFields"]} == {"towline-mirror-lab"}
    assert lab.secret("shop") is None
    assert lab.pulls() == []
    assert lab.other.handed == ["web"]


async def test_a_service_account_keeps_what_others_gave_it_and_gives_back_what_towline_did(lab: Lab) -> None:
    lab.cluster.api.objects.create(("namespaces", "", "web"), {"metadata": {}}, manager="kubectl")
    lab.account("web", "default", ["theirs"])
    lab.account("web", "builder")
    lab.order(replace(MIRROR, accounts=("default", "builder")))
    await until(lab.other.is_in_place)
    assert (lab.pulls(), lab.pulls(name="builder")) == (["theirs", "prod"], ["prod"])
    place = lab.other.place()
    assert place is not None
    assert place.accounts == ("default", "builder")

    lab.order()
    await until(lambda: lab.other.place() is None)
    assert (lab.pulls(), lab.pulls(name="builder")) == (["theirs"], [])
    assert lab.secret() is None
    account = lab.cluster.api.objects.get("serviceaccounts", "web", "builder")
    assert account is not None
    assert "annotations" not in account.shown()["metadata"]
    assert await lab.mirroring.is_clear_of(MIRROR.guid)


async def test_an_entry_that_somebody_else_had_made_stays_when_the_mirror_goes(lab: Lab) -> None:
    lab.cluster.api.objects.create(("namespaces", "", "web"), {"metadata": {}}, manager="kubectl")
    lab.account("web", "default", ["prod"])
    lab.order(WITH_ACCOUNT)
    await until(lab.other.is_in_place)
    lab.order()
    await until(lambda: lab.secret() is None)
    assert lab.pulls() == ["prod"]


async def test_a_service_account_that_changes_at_the_same_time_loses_nothing(lab: Lab) -> None:
    lab.namespace()
    lab.cluster.api.fail("PATCH /api/v1/namespaces/web/serviceaccounts", status=409, times=1)
    lab.order(WITH_ACCOUNT)
    await until(lambda: lab.pulls() == ["prod"])


async def test_a_namespace_that_is_made_later_and_fits_the_selector_gets_it_at_once(lab: Lab) -> None:
    lab.namespace("web-old", team="web")
    lab.namespace("web-other", team="data")
    selected = replace(
        WITH_ACCOUNT, namespaces=(), selector=NamespaceSelector.parse("team in (web,shop),!frozen")
    )
    lab.order(selected)
    await until(lambda: lab.other.is_in_place("web-old"))
    lab.namespace("web-new", team="shop")
    async with asyncio.timeout(1):
        await until(lambda: lab.pulls("web-new") == ["prod"])
    assert lab.password("web-new") == LOGIN.password.reveal()
    assert lab.secret("web-other") is None
    labels = ("f:metadata", "f:labels", "f:frozen")
    lab.cluster.api.objects.edit(("namespaces", "", "web-old"), {labels: "yes"}, manager="kubectl")
    await until(lambda: lab.secret("web-old") is None)
    assert lab.pulls("web-old") == []


async def test_what_is_not_there_yet_is_waited_for(lab: Lab) -> None:
    lab.order(replace(MIRROR, accounts=("builder",)))
    await until(lambda: (place := lab.other.place()) and place.reason == "there is no such namespace")
    lab.namespace()
    await until(lambda: (place := lab.other.place()) and "no service account builder" in place.reason)
    assert lab.password() == LOGIN.password.reveal()
    lab.account("web", "builder")
    await until(lab.other.is_in_place)


async def test_a_rotated_secret_reaches_every_namespace(lab: Lab) -> None:
    names = [f"web-{number}" for number in range(20)]
    for name in names:
        lab.namespace(name)
    many = replace(WITH_ACCOUNT, namespaces=tuple(names))
    lab.order(many)
    await until(lambda: all(lab.other.is_in_place(name) for name in names))
    uids = {name: lab.secret(name)["metadata"]["uid"] for name in names}  # type: ignore[index]
    lab.other.login = Credential("robot", Password("rotated"))
    lab.order(many, version=2)
    await until(lambda: {lab.password(name) for name in names} == {"rotated"})
    assert {name: lab.secret(name)["metadata"]["uid"] for name in names} == uids  # type: ignore[index]
    assert sorted(lab.other.handed) == sorted(names * 2)


async def test_a_credential_that_is_held_back_goes_nowhere_and_the_one_in_place_stays(lab: Lab) -> None:
    lab.namespace()
    lab.namespace("web-two")
    lab.order(MIRROR)
    await until(lab.other.is_in_place)
    both = replace(MIRROR, namespaces=("web", "web-two"))
    lab.order(both, version=2, held_back="version 2 is refused")
    await until(lambda: lab.other.place("web-two") is not None)
    first, second = lab.other.place(), lab.other.place("web-two")
    assert first is not None
    assert second is not None
    assert (first.state, first.version, first.reason) == (PlaceState.WAITING, 1, "version 2 is refused")
    assert (second.state, second.version) == (PlaceState.WAITING, 0)
    assert lab.secret("web-two") is None
    assert lab.other.handed == ["web"]


async def test_a_secret_that_is_not_towlines_is_never_overwritten_or_deleted(lab: Lab) -> None:
    lab.namespace()
    theirs = {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "e30="}}
    lab.cluster.api.objects.create(("secrets", "web", "prod"), {"metadata": {}, **theirs}, manager="kubectl")
    lab.order(WITH_ACCOUNT)
    await until(lambda: (place := lab.other.place()) and place.state is PlaceState.REFUSED)
    assert "not Towline's" in lab.other.place().reason  # type: ignore[union-attr]
    assert lab.pulls() == []
    lab.order()
    await until(lambda: lab.other.place() is None)
    assert lab.secret()["data"] == theirs["data"]  # type: ignore[index]


async def test_a_copy_of_a_copy_that_somebody_made_is_left_alone(lab: Lab) -> None:
    lab.namespace()
    lab.namespace("shop")
    lab.order(MIRROR)
    await until(lab.other.is_in_place)
    body = lab.secret()
    assert body is not None
    metadata = {key: body["metadata"][key] for key in ("labels", "annotations")}
    copied = {"metadata": metadata, "type": body["type"], "data": body["data"]}
    lab.cluster.api.objects.create(("secrets", "shop", "prod"), copied, manager="kubectl")
    lab.order()
    await until(lambda: lab.secret() is None)
    assert lab.secret("shop") is not None


async def test_what_others_change_or_delete_is_put_right(lab: Lab) -> None:
    lab.namespace()
    lab.order(WITH_ACCOUNT)
    await until(lab.other.is_in_place)
    data = ("f:data", "f:.dockerconfigjson")
    lab.cluster.api.objects.edit(("secrets", "web", "prod"), {data: "e30="}, manager="kubectl-edit")
    await until(lambda: (lab.secret() or {}).get("data", {}).get(".dockerconfigjson") != "e30=")
    kept = lab.cluster.api.objects.get("secrets", "web", "prod")
    assert kept is not None
    lab.cluster.api.objects.delete(kept)
    await until(lambda: lab.secret() is not None)
    pulls = ("f:imagePullSecrets",)
    lab.cluster.api.objects.edit(
        ("serviceaccounts", "web", "default"), {pulls: [{"name": "theirs"}]}, manager="argocd"
    )
    await until(lambda: lab.pulls() == ["theirs", "prod"])
    assert lab.other.handed == ["web"] * 3


async def test_who_undoes_it_again_and_again_is_told_of_and_not_fought_with(lab: Lab) -> None:
    lab.namespace()
    lab.order(MIRROR)
    await until(lab.other.is_in_place)
    data = ("f:data", "f:.dockerconfigjson")

    def undo(change: str, plural: str, kept: Kept) -> None:
        if plural == "secrets" and kept.leaves.get(data) != "e30=":
            lab.cluster.api.objects.edit(kept.key, {data: "e30="}, manager="argocd")

    lab.cluster.api.objects.listeners.add(undo)
    lab.cluster.api.objects.edit(("secrets", "web", "prod"), {data: "e30="}, manager="argocd")
    await until(lambda: (place := lab.other.place()) and "argocd undoes it" in place.reason)
    assert len(lab.other.handed) == 6


async def test_another_projects_namespace_and_one_that_is_not_allowed_are_refused(lab: Lab) -> None:
    labels = {
        "app.kubernetes.io/managed-by": "towline",
        "app.kubernetes.io/instance": "lab",
        "towline/project": "project-beta",
    }
    lab.namespace("towline-beta", **labels)
    lab.namespace("kube-system")
    lab.order(replace(MIRROR, namespaces=("towline-beta", "kube-system")))
    await until(lambda: len(lab.other.places.get(MIRROR.guid, {})) == 2)
    assert lab.other.place("towline-beta").reason == "it is the namespace of another project of Towline"  # type: ignore[union-attr]
    assert "does not let projects choose it" in lab.other.place("kube-system").reason  # type: ignore[union-attr]
    assert lab.cluster.api.objects.of("secrets") == []


@pytest.mark.parametrize(("project", "said"), [("project-alpha", ""), ("project-beta", "another project")])
def test_a_namespace_that_is_mapped_to_a_project_is_that_ones(project: str, said: str) -> None:
    names = Names("lab", mapped={project: "web"})
    order = MirrorOrder(MIRROR, 1, ADDRESS)
    seen = SeenNamespace(Metadata(name="web"))
    why = mirror_rules.why_not(order, "web", seen, allowed=("web",), names=names)
    assert said in why
    assert bool(why) is bool(said)


async def test_of_two_mirrors_with_one_name_the_older_keeps_it(lab: Lab) -> None:
    lab.namespace()
    younger = replace(MIRROR, guid="mirror-two", secret_guid="secret-two", created_at=datetime.now(UTC))
    lab.order(younger, MIRROR)
    await until(lab.other.is_in_place)
    assert "another mirror" in lab.other.place(guid=younger.guid).reason  # type: ignore[union-attr]
    lab.order(younger)
    await until(lambda: lab.other.is_in_place(guid=younger.guid))


async def test_a_pod_that_was_made_too_early_is_told_and_not_touched(lab: Lab) -> None:
    lab.cluster.node.logins[REGISTRY] = (LOGIN.username, LOGIN.password.reveal())
    lab.namespace()
    lab.deploy()
    await until(lambda: lab.pods() and lab.pods()[0].system.get("status", {}).get("phase") == "Pending")
    lab.order(WITH_ACCOUNT)
    await until(lambda: (place := lab.other.place()) and place.pods)
    [told] = lab.other.place().pods  # type: ignore[union-attr]
    assert told.endswith(
        "it was made before its service account had the secret; delete it, ReplicaSet"
        f" {lab.cluster.api.objects.of('replicasets')[0].key[2]} makes it anew"
    )
    assert lab.cluster.api.count("DELETE") == 0


async def test_a_pod_that_was_made_too_early_is_made_anew_where_that_was_asked_for(lab: Lab) -> None:
    lab.cluster.node.logins[REGISTRY] = (LOGIN.username, LOGIN.password.reveal())
    lab.namespace()
    lab.deploy()
    await until(lambda: lab.pods() and "containerStatuses" in lab.pods()[0].system.get("status", {}))
    [first] = [kept.uid for kept in lab.pods()]
    lab.order(replace(WITH_ACCOUNT, nudge=True))
    await until(lab.runs)
    assert [kept.uid for kept in lab.pods()] != [first]
    await until(lambda: (place := lab.other.place()) and not place.pods)
    assert lab.cluster.api.count("DELETE /api/v1/namespaces/web/pods") == 1


async def test_a_pod_that_waits_for_another_registrys_image_is_left_alone(lab: Lab) -> None:
    lab.cluster.node.logins[REGISTRY] = (LOGIN.username, LOGIN.password.reveal())
    lab.namespace()
    lab.deploy()
    await until(lambda: lab.pods() and "containerStatuses" in lab.pods()[0].system.get("status", {}))
    elsewhere = RegistryAddress.parse("elsewhere.example.com")
    lab.mirroring.order([MirrorOrder(replace(WITH_ACCOUNT, nudge=True), 1, elsewhere)])
    await until(lab.other.is_in_place)
    lab.account("web", "late")
    await until(lambda: not lab.mirroring._due and not lab.mirroring._busy)
    assert lab.other.place().pods == ()  # type: ignore[union-attr]
    assert lab.cluster.api.count("DELETE") == 0


async def test_a_pod_with_pull_secrets_of_its_own_is_told_so_and_never_nudged(lab: Lab) -> None:
    lab.cluster.node.logins[REGISTRY] = (LOGIN.username, LOGIN.password.reveal())
    lab.namespace()
    lab.order(replace(WITH_ACCOUNT, nudge=True))
    await until(lab.other.is_in_place)
    account = lab.cluster.api.objects.get("serviceaccounts", "web", "default")
    assert account is not None
    long_ago = json.dumps({"prod": "2020-01-01T00:00:00Z"})
    lab.cluster.api.objects.edit(
        account.key, {("f:metadata", "f:annotations", f"f:{ANNOTATION}"): long_ago}, manager="towline"
    )
    lab.deploy(pulls=["their-own"])
    await until(lambda: (place := lab.other.place()) and place.pods)
    assert "names pull secrets of its own" in lab.other.place().pods[0]  # type: ignore[union-attr]
    assert lab.cluster.api.count("DELETE") == 0


async def test_a_restart_opens_no_credential_and_changes_nothing(cluster: Kubernetes, lab: Lab) -> None:
    lab.namespace()
    lab.order(WITH_ACCOUNT)
    await until(lab.other.is_in_place)
    client = Cluster(access.configuration(str(cluster.folder / "kubeconfig")))
    again = Mirroring(
        client, Names("lab"), allowed=("web",), clock=lambda: datetime.now(UTC), jitter=lambda: 0.5
    )
    heard = OtherSide()
    again.order([MirrorOrder(WITH_ACCOUNT, 1, ADDRESS)])
    version = cluster.api.objects.version
    running = asyncio.create_task(again.run(hand_out=heard.hand_out, tell=heard.tell))
    await until(heard.is_in_place)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await client.close()
    assert (heard.handed, cluster.api.objects.version) == ([], version)


async def test_rights_that_are_missing_are_told_and_what_is_mended_goes_on(lab: Lab) -> None:
    lab.namespace()
    said = 'serviceaccounts is forbidden: User "towline" cannot list resource "serviceaccounts"'
    lab.cluster.api.fail("GET /api/v1/serviceaccounts", times=1000, status=403, message=said)
    client = Cluster(access.configuration(str(lab.cluster.folder / "kubeconfig")))
    again = Mirroring(
        client, Names("lab"), allowed=("web",), clock=lambda: datetime.now(UTC), jitter=lambda: 0.5
    )
    heard = OtherSide()
    selected = replace(MIRROR, guid="all", namespaces=(), selector=NamespaceSelector.parse("team=none"))
    again.order([MirrorOrder(each, 1, ADDRESS) for each in (MIRROR, selected)])
    running = asyncio.create_task(again.run(hand_out=heard.hand_out, tell=heard.tell))
    await until(lambda: heard.place() and heard.place("*", "all"))
    assert said in heard.place().reason  # type: ignore[union-attr]
    lab.cluster.api.faults.clear()
    await until(heard.is_in_place)
    await until(lambda: heard.places["all"] == {})
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await client.close()


async def test_what_is_sent_is_as_the_published_schema_has_it(lab: Lab) -> None:
    lab.namespace()
    lab.order(WITH_ACCOUNT)
    await until(lab.other.is_in_place)
    lab.order(WITH_ACCOUNT, version=2)
    await until(lambda: (place := lab.other.place()) and place.version == 2)
    sent = [body for plural, body in lab.cluster.api.bodies if plural == "secrets"]
    account = lab.cluster.api.objects.get("serviceaccounts", "web", "default")
    assert account is not None
    for document in (*sent, account.shown()):
        kubernetes_validate.validate(document, "1.32", strict=True)
    assert len(sent) == 2


async def test_who_keeps_mirrors_again_after_another_did_begins_with_what_is_there(
    cluster: Kubernetes, lab: Lab
) -> None:
    lab.namespace()
    client = Cluster(access.configuration(str(cluster.folder / "kubeconfig")))
    again = Mirroring(
        client, Names("lab"), allowed=("web",), clock=lambda: datetime.now(UTC), jitter=lambda: 0.5
    )
    again.order([])
    idle = OtherSide()
    running = asyncio.create_task(again.run(hand_out=idle.hand_out, tell=idle.tell))
    await until(lambda: again._watch.is_complete)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    lab.order(WITH_ACCOUNT)
    await until(lab.other.is_in_place)
    again.order([MirrorOrder(WITH_ACCOUNT, 1, ADDRESS)])
    running = asyncio.create_task(again.run(hand_out=idle.hand_out, tell=idle.tell))
    await until(idle.is_in_place)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await client.close()
    assert idle.handed == []


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 429, "retry_after": "0"}, {"cut": True}])
async def test_what_time_mends_is_tried_again(lab: Lab, fault: dict[str, Any]) -> None:
    lab.namespace()
    lab.cluster.api.fail("POST /api/v1/namespaces/web/secrets", times=2, **fault)
    lab.order(WITH_ACCOUNT)
    await until(lab.other.is_in_place)


async def test_a_quota_is_told_with_the_clusters_own_words(lab: Lab) -> None:
    lab.namespace()
    message = 'secrets "prod" is forbidden: exceeded quota: few'
    lab.cluster.api.fail("POST /api/v1/namespaces/web/secrets", status=403, message=message)
    lab.order(MIRROR)
    await until(lambda: (place := lab.other.place()) and place.state is PlaceState.REFUSED)
    assert "exceeded quota: few" in lab.other.place().reason  # type: ignore[union-attr]


async def test_streams_that_break_or_are_too_old_miss_nothing(lab: Lab) -> None:
    lab.namespace()
    lab.order(WITH_ACCOUNT)
    await until(lab.other.is_in_place)
    lab.cluster.api.compact()
    lab.cluster.api.cut_streams()
    kept = lab.cluster.api.objects.get("secrets", "web", "prod")
    assert kept is not None
    lab.cluster.api.objects.delete(kept)
    await until(lambda: lab.secret() is not None)
