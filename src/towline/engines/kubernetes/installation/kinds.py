"""The kinds of objects that are installed: where the API keeps them, and which of them hold data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from towline.engines.kubernetes.cluster import ClusterRefused
from towline.engines.kubernetes.installation.options import INSTANCE, MANAGED_BY, MANAGER
from towline.engines.kubernetes.seen import Metadata

if TYPE_CHECKING:
    from towline.engines.kubernetes.cluster import Cluster
    from towline.engines.kubernetes.installation.options import Options


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind; ``root`` is the path of its API."""

    name: str
    root: str
    plural: str
    is_namespaced: bool = True
    holds_data: bool = False

    def path(self, namespace: str, name: str = "") -> str:
        """Return the path of one object, or of all in a namespace (empty: everywhere)."""
        within = f"namespaces/{quote(namespace)}/" if self.is_namespaced and namespace else ""
        return f"{self.root}/{within}{self.plural}{f'/{quote(name)}' if name else ''}"


_RBAC = "apis/rbac.authorization.k8s.io/v1"
_NETWORKING = "apis/networking.k8s.io/v1"
KINDS = {
    kind.name: kind
    for kind in (
        Kind("Ingress", _NETWORKING, "ingresses"),
        Kind("Deployment", "apis/apps/v1", "deployments"),
        Kind("PodDisruptionBudget", "apis/policy/v1", "poddisruptionbudgets"),
        Kind("NetworkPolicy", _NETWORKING, "networkpolicies"),
        Kind("Service", "api/v1", "services"),
        Kind("RoleBinding", _RBAC, "rolebindings"),
        Kind("Role", _RBAC, "roles"),
        Kind("ClusterRoleBinding", _RBAC, "clusterrolebindings", is_namespaced=False),
        Kind("ClusterRole", _RBAC, "clusterroles", is_namespaced=False),
        Kind("ServiceAccount", "api/v1", "serviceaccounts"),
        Kind("PersistentVolumeClaim", "api/v1", "persistentvolumeclaims", holds_data=True),
        Kind("Secret", "api/v1", "secrets", holds_data=True),
        Kind("Namespace", "api/v1", "namespaces", is_namespaced=False),
    )
}
"""In the order in which they are removed."""
ANYWHERE = frozenset({"Role", "RoleBinding"})
"""Kinds that are installed in other namespaces too."""


class Held(msgspec.Struct, frozen=True):
    """What the cluster holds of an object; of a Secret only the names of its values are kept."""

    metadata: Metadata
    spec: Mapping[str, Any] = {}
    data: Mapping[str, msgspec.Raw] | None = None

    @property
    def is_ours(self) -> bool:
        """Whether it was made by an install."""
        return self.metadata.label(MANAGED_BY) == MANAGER


class _List(msgspec.Struct, frozen=True):
    items: tuple[Held, ...] | None = None


def kind_of(document: Mapping[str, Any]) -> Kind:
    """Return a document's kind."""
    return KINDS[document["kind"]]


def place_of(document: Mapping[str, Any]) -> str:
    """Return the path of a document's object."""
    metadata = document["metadata"]
    return kind_of(document).path(metadata.get("namespace", ""), metadata["name"])


def subject(kind: str, *, namespace: str, name: str) -> str:
    """Return how an object is called to people."""
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"


def subject_of(document: Mapping[str, Any]) -> str:
    """Return how a document's object is called to people."""
    metadata = document["metadata"]
    return subject(document["kind"], namespace=metadata.get("namespace", ""), name=metadata["name"])


async def held(cluster: Cluster, path: str) -> Held | None:
    """Return what the cluster holds at a path."""
    try:
        return msgspec.json.decode(await cluster.ask("GET", path), type=Held)
    except ClusterRefused as refusal:
        if refusal.status == 404:
            return None
        raise


async def installed(cluster: Cluster, kind: Kind, options: Options, *, namespace: str) -> Sequence[Held]:
    """Return the objects of a kind that an install of that name made."""
    selector = f"{MANAGED_BY}={MANAGER},{INSTANCE}={options.instance}"
    answer = await cluster.ask("GET", kind.path(namespace), params={"labelSelector": selector})
    return msgspec.json.decode(answer, type=_List).items or ()
