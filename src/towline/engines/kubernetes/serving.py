"""Whom a deployment's Service leads to, and with which generations it ends.

One Service selects the pods of all generations, so an update that fails must leave it as it was: its ports
are those of the newest generation that has started, and it belongs to every generation that there is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from towline.domain.causes import FindingCode
from towline.domain.errors import EngineFailed
from towline.domain.findings import Finding
from towline.engines.kubernetes import naming, objects, service_documents
from towline.engines.kubernetes.naming import INSTANCE, MANAGED_BY, OWNER, PROJECT
from towline.engines.kubernetes.seen import SeenService

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lightkube.models.meta_v1 import OwnerReference
    from lightkube.resources.core_v1 import Service

    from towline.engines.kubernetes.cluster import Cluster
    from towline.engines.kubernetes.holdings import Held
    from towline.engines.kubernetes.naming import Names, Place
    from towline.engines.kubernetes.objects import Documents
    from towline.engines.kubernetes.observing import Observing
    from towline.engines.kubernetes.seen import Metadata

_OF_A_PROJECT = (MANAGED_BY, INSTANCE, PROJECT)


class Serving:
    """Applies Services."""

    def __init__(self, cluster: Cluster, names: Names, *, observing: Observing) -> None:
        self._cluster = cluster
        self._names = names
        self._observing = observing

    async def refuse_to_take(self, documents: Documents) -> None:
        """Raise EngineFailed where the Service's name is another's: whoever uses it would be led here.

        A name is one deployment's in its project; a namespace may hold several projects, and others' objects.
        """
        if documents.service is None:
            return
        wanted: Any = documents.service.metadata
        seen = await self._cluster.get(SeenService, wanted.name, namespace=wanted.namespace)
        if seen is None or all(seen.metadata.label(name) == wanted.labels[name] for name in _OF_A_PROJECT):
            return
        owner = seen.metadata.label(MANAGED_BY) or "somebody else"
        detail = f"Service {wanted.name} of namespace {wanted.namespace} is there and belongs to {owner}"
        if seen.metadata.label(MANAGED_BY) == OWNER:
            detail = f"{detail}, for project {seen.metadata.label(PROJECT)}"
        hint = "Give the deployment another name, or delete that Service; this goes on by itself."
        raise EngineFailed(Finding(FindingCode.ENGINE_ERROR, detail, fix_hint=hint))

    def is_first(self, place: Place) -> bool:
        """Whether nothing of the deployment can be reached yet, so that its Service may come before it."""
        return not self._others(place)

    async def lead(self, documents: Documents, owners: Sequence[OwnerReference]) -> None:
        """Let the Service, where there is to be one, lead to a generation; it ends with the last of all."""
        if documents.service is None:
            return
        others = [each for held in self._others(documents.place) for each in _owners(held)]
        await self._apply(documents.service, [*owners, *others])

    async def hand_back(self, doomed: Sequence[Place]) -> None:
        """Before the newest generations go: let the Service be that of an older one, where one stays."""
        place = max(doomed, key=lambda each: each.generation)
        staying = [each for each in self._places(place.deployment_guid) if each not in doomed]
        newest = max(staying, key=lambda each: each.generation, default=None)
        if newest is None or newest.generation > place.generation:
            return
        held = self._observing.holdings.get(newest)
        document = self._document(newest, held)
        if document is not None:
            await self._apply(document, _owners(held))

    async def _apply(self, document: Service, owners: Sequence[OwnerReference]) -> None:
        await self._cluster.apply(objects.owned(document, owners), plural="services")

    def _document(self, place: Place, held: Held) -> Service | None:
        """Return the Service of a generation, as its objects tell it."""
        metadata = next(each.metadata for each in (held.deployment, *held.pods.values()) if each is not None)
        return service_documents.service(
            service_documents.read(metadata),
            name=naming.service_name(metadata.annotation(naming.NAMED), place.deployment_guid),
            namespace=held.namespace,
            labels=self._names.labels(place, metadata.label(PROJECT)),
        )

    def _others(self, place: Place) -> Sequence[Held]:
        holdings = self._observing.holdings
        return [holdings.get(each) for each in self._places(place.deployment_guid) if each != place]

    def _places(self, guid: str) -> Sequence[Place]:
        """Return the generations of which something runs, or would, and is not on its way out."""
        holdings = self._observing.holdings
        return [place for place in holdings.of_deployment(guid) if _owners(holdings.get(place))]


def _owners(held: Held) -> Sequence[OwnerReference]:
    """Return what a generation's Service ends with."""
    owners: list[Metadata] = [pod.metadata for pod in held.pods.values()]
    kind = "Pod"
    if held.deployment is not None:
        kind, owners = "Deployment", [held.deployment.metadata]
    return [
        objects.owner_reference(kind, name=each.name, uid=each.uid)
        for each in owners
        if each.deletion_timestamp is None
    ]
