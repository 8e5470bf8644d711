"""Bringing a generation into the cluster and waiting for what becomes of it.

The order is that of the design: the Secrets first, so that no pod looks for one in vain, then what runs, then
the Secrets' owner, so that nothing outlives it. A generation that is there already takes one request for each
of its objects, and a request that changes nothing changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from towline.domain.causes import FindingCode, Remedy
from towline.domain.errors import EngineFailed
from towline.domain.findings import Finding
from towline.domain.workload import ReplicaState
from towline.engines.kubernetes import objects, refusals, texts, verdicts
from towline.engines.kubernetes.cluster import ClusterRefused
from towline.engines.kubernetes.naming import NUDGED, RESTRICTED, SECURED, Place
from towline.engines.kubernetes.seen import SeenDeployment, SeenNamespace, SeenSecret

if TYPE_CHECKING:
    from lightkube.models.meta_v1 import OwnerReference

    from towline.domain.workload import Fact, Workload
    from towline.engines.kubernetes.cluster import Cluster
    from towline.engines.kubernetes.naming import Names
    from towline.engines.kubernetes.objects import Documents
    from towline.engines.kubernetes.observing import Observing
    from towline.engines.kubernetes.seen import ManagedMetadata
    from towline.engines.kubernetes.serving import Serving
    from towline.ports import Clock

log = structlog.get_logger("towline.engines.kubernetes")

SETTLING = 20.0

_GOING = "the present objects are being deleted by somebody else; they are made anew when they are gone"
_DOWN = frozenset({ReplicaState.FAILED})
_WATCHED_FOR_DRIFT = frozenset({"deployments", "secrets"})
_IMMUTABLE = "field is immutable"
_MADE_ANEW = frozenset({"deployments", "secrets"})
"""A disk is never among them."""
_PLURALS = {"Deployment": "deployments", "Pod": "pods"}


class NeverStarted(Exception):
    """A generation that was made by this call did not start, and waiting will not help: it is to go."""

    def __init__(self, place: Place, finding: Finding) -> None:
        self.place = place
        self.finding = finding
        super().__init__(finding.code.value)


@dataclass(frozen=True, slots=True)
class _Sent:
    """What was sent: what the objects that run became, as owners too; whether the Service leads there, and
    whether the pods ask for no more than a restricted namespace gives.
    """

    documents: Documents
    applied: Sequence[ManagedMetadata]
    owners: Sequence[OwnerReference]
    is_served: bool
    restricted: bool


class Applying:
    """Applies workloads, one at a time for each deployment."""

    def __init__(
        self, cluster: Cluster, names: Names, *, observing: Observing, serving: Serving, clock: Clock
    ) -> None:
        self._cluster = cluster
        self._names = names
        self._observing = observing
        self._serving = serving
        self._clock = clock
        self._namespaces: set[str] = set()
        self._restricted: set[str] = set()

    async def apply(self, workload: Workload) -> None:
        """Apply a workload and return once all its containers were started.

        Raises NeverStarted, PullRefused or EngineFailed otherwise.
        """
        place = Place(workload.deployment_guid, workload.generation)
        was_there = not self._observing.holdings.get(place).is_empty
        containers = len(workload.executables) * workload.replicas
        sent = await self._brought(workload, place)
        failed = await self._outcome(place, sent.applied, containers=containers)
        if failed is not None and objects.is_for_restricted(failed.detail) and not sent.restricted:
            self._restricted.add(self._names.namespace_of(workload.project_guid))
            sent = await self._brought(workload, place)
            failed = await self._outcome(place, sent.applied, containers=containers, settling=SETTLING)
        if failed is None:
            if not sent.is_served:
                await self._serving.lead(sent.documents, sent.owners)
            return
        if not was_there and _is_for_a_person(failed):
            raise NeverStarted(place, failed)
        raise refusals.of_finding(failed)

    async def _brought(self, workload: Workload, place: Place) -> _Sent:
        """Send all documents, once more where the namespace was there before and is gone."""
        with self._observing.applying(place):
            try:
                return await self._send(workload, place)
            except ClusterRefused as refusal:
                if refusal.status != 404 or not self._names.makes_namespace_of(workload.project_guid):
                    raise
                self._namespaces.clear()  # somebody deleted it
                return await self._send(workload, place)

    async def _send(self, workload: Workload, place: Place) -> _Sent:
        """Send all documents; the Service of an update waits, as it would lead to what may never start."""
        held = self._observing.holdings.get(place).deployment
        restricted = self._names.namespace_of(workload.project_guid) in self._restricted
        if held is not None:
            restricted = restricted or held.metadata.annotation(SECURED) == RESTRICTED
        nudged = held.template_annotation(NUDGED) if held is not None else ""
        documents = objects.documents(workload, self._names, nudged_at=nudged, restricted=restricted)
        await self._prepare(documents)
        await self._serving.refuse_to_take(documents)
        for claim in documents.claims:
            await self._sent(claim, "persistentvolumeclaims")
        owners = self._known_owners(documents)
        if await self._send_secrets(documents, owners) and self._is_stuck(place):
            now = self._clock().isoformat()
            documents = objects.documents(workload, self._names, nudged_at=now, restricted=restricted)
        applied = [await self._sent(owner, _PLURALS[str(owner.kind)]) for owner in documents.owners]
        after = [
            objects.owner_reference(str(owner.kind), name=metadata.name, uid=metadata.uid)
            for owner, metadata in zip(documents.owners, applied, strict=True)
        ]
        if [owner.uid for owner in owners] != [owner.uid for owner in after]:
            await self._send_secrets(documents, after)
        is_served = self._serving.is_first(place)
        if is_served:
            await self._serving.lead(documents, after)
        return _Sent(documents, applied, after, is_served=is_served, restricted=restricted)

    async def _prepare(self, documents: Documents) -> None:
        """Make the namespace, once for each that this process meets."""
        if documents.namespace is None:
            return
        name = str(documents.namespace.metadata.name)  # type: ignore[union-attr]
        if name in self._namespaces:
            return
        metadata = await self._cluster.apply(documents.namespace, plural="namespaces")
        if metadata.deletion_timestamp is not None:
            detail = (
                f"namespace {name} is being deleted{await self._what_holds(name)}; it is made anew after that"
            )
            raise EngineFailed(Finding(FindingCode.ENGINE_ERROR, detail))
        self._namespaces.add(name)

    async def _what_holds(self, namespace: str) -> str:
        """Return what keeps a namespace from going, empty where the server does not say."""
        seen = await self._cluster.get(SeenNamespace, namespace)
        return f": {texts.shown(seen.held_by)}" if seen is not None and seen.held_by else ""

    def _known_owners(self, documents: Documents) -> Sequence[OwnerReference]:
        """Return the owners that are in the cluster already; none unless all of them are."""
        held = self._observing.holdings.get(documents.place)
        known = {each.metadata.name: each.metadata.uid for each in held.pods.values()}
        if held.deployment is not None:
            known[held.deployment.metadata.name] = held.deployment.metadata.uid
        wanted = [(str(owner.kind), str(owner.metadata.name)) for owner in documents.owners]  # type: ignore[union-attr]
        if any(name not in known for _, name in wanted):
            return ()
        return [objects.owner_reference(kind, name=name, uid=known[name]) for kind, name in wanted]

    async def _send_secrets(self, documents: Documents, owners: Sequence[OwnerReference]) -> bool:
        """Apply the Secrets; return whether what opens the images is another now."""
        before = {
            uid: secret.metadata.resource_version
            for uid, secret in self._observing.holdings.get(documents.place).secrets.items()
        }
        changed = False
        for secret in documents.secrets:
            metadata = await self._sent(objects.owned(secret, owners), "secrets")
            if secret is documents.pull:
                changed = before.get(metadata.uid) != metadata.resource_version
        return changed

    async def _sent(self, document: Any, plural: str) -> ManagedMetadata:  # noqa: ANN401
        try:
            metadata = await self._cluster.apply(document, plural=plural)
        except ClusterRefused as refusal:
            if refusal.status != 422 or _IMMUTABLE not in refusal.message or plural not in _MADE_ANEW:
                raise
            metadata = await self._made_anew(document, plural)
        if plural in _WATCHED_FOR_DRIFT:
            self._observing.applied(metadata)
        return metadata

    async def _made_anew(self, document: Any, plural: str) -> ManagedMetadata:  # noqa: ANN401
        """Delete what somebody put in an object's place, or froze, and make that again: no update can."""
        name, namespace = document.metadata.name, document.metadata.namespace
        log.warning("kubernetes.made_anew", plural=plural, name=name, namespace=namespace)
        if plural == "deployments":
            await self._cluster.delete(SeenDeployment, name, namespace=namespace, pods_first=True)
            raise EngineFailed(Finding(FindingCode.ENGINE_ERROR, _GOING))
        await self._cluster.delete(SeenSecret, name, namespace=namespace)
        return await self._cluster.apply(document, plural=plural)

    def _is_stuck(self, place: Place) -> bool:
        """Whether a pod waits in the kubelet's back-off for an image: a new one need not."""
        facts = self._observing.facts_of(place) or ()
        return any(
            fact.state in _DOWN and fact.finding is not None and fact.finding.error_code == "DEP_E153"
            for fact in facts
        )

    async def _outcome(
        self, place: Place, applied: Sequence[ManagedMetadata], *, containers: int, settling: float = 0
    ) -> Finding | None:
        """Wait until every container was started, or one cannot be; return why.

        ``settling``: so many seconds the controllers may still tell of pods of an earlier form, refused.
        """
        settled = time.monotonic() + settling
        if any(metadata.deletion_timestamp is not None for metadata in applied):
            return Finding(FindingCode.ENGINE_ERROR, _GOING)
        while True:
            if self._observing.is_lost(place):
                return Finding(FindingCode.ENGINE_ERROR, _GOING)
            if self._has_arrived(place, applied):
                facts = self._observing.facts_of(place)
                if facts is not None:
                    down = next((fact.finding for fact in facts if fact.state in _DOWN), None)
                    if down is not None and not (
                        objects.is_for_restricted(down.detail) and time.monotonic() < settled
                    ):
                        return down
                    if len(facts) >= containers and all(map(_was_started, facts)):
                        return None
            await self._observing.change_of(place)

    def _has_arrived(self, place: Place, applied: Sequence[ManagedMetadata]) -> bool:
        """Whether the watch has come as far as what was applied."""
        held = self._observing.holdings.get(place)
        if held.deployment is not None:
            (metadata,) = applied
            mine = held.deployment.metadata
            return mine.uid == metadata.uid and mine.generation >= metadata.generation
        return all(metadata.uid in held.pods for metadata in applied)


def _was_started(fact: Fact) -> bool:
    return fact.state is not ReplicaState.PULLING


def _is_for_a_person(finding: Finding) -> bool:
    """Whether the same objects can never start; what a node's administrator mends goes on by itself."""
    return finding.cause.remedy is Remedy.PERSON and finding.code not in verdicts.NODE_SIDE
