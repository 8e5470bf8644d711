"""What Towline reads of a cluster's objects: the few fields it judges by, and nothing else.

Narrow on purpose: an object is decoded straight into these, so that thousands of pods cost little memory, a
secret's content never becomes an object here, and what a newer or odd server says elsewhere in the document
(a bookmark's ``"containers": null``) cannot stop a watch.

Facts: https://kubernetes.io/docs/reference/kubernetes-api/
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from sys import intern
from typing import Any, ClassVar

import msgspec


class Owner(msgspec.Struct, frozen=True):
    """Who an object belongs to."""

    kind: str
    name: str
    uid: str


class ManagedFields(msgspec.Struct, frozen=True, rename="camel"):
    """Which fields a field manager holds; ``fields_v1`` stays as it came."""

    manager: str = ""
    operation: str = ""
    subresource: str = ""
    fields_v1: msgspec.Raw = msgspec.field(name="fieldsV1", default=msgspec.Raw())


class Metadata(msgspec.Struct, frozen=True, rename="camel"):
    """An object's name and history."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: Mapping[str, str] | None = None
    annotations: Mapping[str, str] | None = None
    owner_references: tuple[Owner, ...] | None = None
    finalizers: tuple[str, ...] | None = None

    def label(self, name: str) -> str:
        """Return a label's value, empty where there is none."""
        return (self.labels or {}).get(name, "")

    def annotation(self, name: str) -> str:
        """Return an annotation's value, empty where there is none."""
        return (self.annotations or {}).get(name, "")


def version_of(metadata: Metadata) -> int:
    """Return a resource version as the number that it is in every API server there is."""
    return int(metadata.resource_version) if metadata.resource_version.isdigit() else 0


class ManagedMetadata(Metadata, frozen=True, rename="camel"):
    """Metadata with the field managers; only of objects whose drift is watched, as it is long."""

    managed_fields: tuple[ManagedFields, ...] | None = None


class Condition(msgspec.Struct, frozen=True):
    """One condition of a status."""

    type: str
    status: str = ""
    reason: str | None = None
    message: str | None = None


class _TemplateMetadata(msgspec.Struct, frozen=True):
    annotations: Mapping[str, str] | None = None


class _Template(msgspec.Struct, frozen=True):
    metadata: _TemplateMetadata = _TemplateMetadata()


class _DeploymentSpec(msgspec.Struct, frozen=True):
    replicas: int | None = None
    template: _Template | None = None


class _DeploymentStatus(msgspec.Struct, frozen=True, rename="camel"):
    observed_generation: int = 0
    conditions: tuple[Condition, ...] | None = None


class SeenDeployment(msgspec.Struct, frozen=True):
    """A Deployment."""

    PATH: ClassVar[str] = "apis/apps/v1"
    PLURAL: ClassVar[str] = "deployments"

    metadata: ManagedMetadata
    spec: _DeploymentSpec = _DeploymentSpec()
    status: _DeploymentStatus = _DeploymentStatus()

    def condition(self, kind: str) -> Condition | None:
        """Return the condition of that type."""
        return next((each for each in self.status.conditions or () if each.type == kind), None)

    def template_annotation(self, name: str) -> str:
        """Return an annotation of the pods' template, empty where there is none."""
        template = self.spec.template
        return (template.metadata.annotations or {}).get(name, "") if template else ""


class SeenReplicaSet(msgspec.Struct, frozen=True):
    """A ReplicaSet: one revision of a Deployment."""

    PATH: ClassVar[str] = "apis/apps/v1"
    PLURAL: ClassVar[str] = "replicasets"

    metadata: Metadata


class Waiting(msgspec.Struct, frozen=True):
    """Why a container does not run yet, or again."""

    reason: str = ""
    message: str = ""


class Running(msgspec.Struct, frozen=True, rename="camel"):
    """Since when a container runs."""

    started_at: datetime | None = None


class Terminated(msgspec.Struct, frozen=True, rename="camel"):
    """How a container ended."""

    exit_code: int = 0
    signal: int = 0
    reason: str = ""
    message: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None


class ContainerState(msgspec.Struct, frozen=True):
    """One of the three, or none."""

    waiting: Waiting | None = None
    running: Running | None = None
    terminated: Terminated | None = None


class ContainerStatus(msgspec.Struct, frozen=True, rename="camel"):
    """What a node says about one container."""

    name: str
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()
    ready: bool = False
    restart_count: int = 0


class _PodSpec(msgspec.Struct, frozen=True, rename="camel"):
    node_name: str = ""
    restart_policy: str = "Always"


class _PodStatus(msgspec.Struct, frozen=True, rename="camel"):
    phase: str = ""
    reason: str = ""
    message: str = ""
    conditions: tuple[Condition, ...] | None = None
    container_statuses: tuple[ContainerStatus, ...] | None = None
    start_time: datetime | None = None


class SeenPod(msgspec.Struct, frozen=True):
    """A Pod."""

    PATH: ClassVar[str] = "api/v1"
    PLURAL: ClassVar[str] = "pods"

    metadata: Metadata
    spec: _PodSpec = _PodSpec()
    status: _PodStatus = _PodStatus()

    @property
    def is_leaving(self) -> bool:
        """Whether it was asked to end: what its containers say then is no failure."""
        return self.metadata.deletion_timestamp is not None

    def status_of(self, container: str) -> ContainerStatus | None:
        """Return what the node says about a container; None while it says nothing."""
        return next((each for each in self.status.container_statuses or () if each.name == container), None)

    def condition(self, kind: str) -> Condition | None:
        """Return the condition of that type."""
        return next((each for each in self.status.conditions or () if each.type == kind), None)


class Involved(msgspec.Struct, frozen=True, rename="camel"):
    """What an event is about."""

    kind: str = ""
    name: str = ""
    namespace: str = ""
    uid: str = ""
    field_path: str = ""


class SeenEvent(msgspec.Struct, frozen=True, rename="camel"):
    """An Event. The scheduler's have no count: they came at least once."""

    PATH: ClassVar[str] = "api/v1"
    PLURAL: ClassVar[str] = "events"

    metadata: Metadata
    involved_object: Involved = Involved()
    reason: str = ""
    message: str = ""
    type: str = ""
    count: int | None = None
    last_timestamp: datetime | None = None


class SeenSecret(msgspec.Struct, frozen=True):
    """A Secret without its content."""

    PATH: ClassVar[str] = "api/v1"
    PLURAL: ClassVar[str] = "secrets"

    metadata: ManagedMetadata


class SeenClaim(msgspec.Struct, frozen=True):
    """A PersistentVolumeClaim: where it is."""

    PATH: ClassVar[str] = "api/v1"
    PLURAL: ClassVar[str] = "persistentvolumeclaims"

    metadata: Metadata


class SeenService(msgspec.Struct, frozen=True):
    """A Service: whose it is."""

    PATH: ClassVar[str] = "api/v1"
    PLURAL: ClassVar[str] = "services"

    metadata: Metadata


class SeenNamespace(msgspec.Struct, frozen=True):
    """A Namespace; an apply does not revive one that is being deleted."""

    PATH: ClassVar[str] = "api/v1"
    PLURAL: ClassVar[str] = "namespaces"

    metadata: Metadata
    status: _PodStatus = _PodStatus()

    @property
    def held_by(self) -> str:
        """What keeps one from going that is being deleted, finalizers by name, in the server's words."""
        told = {
            each.type: each.message or "" for each in self.status.conditions or () if each.status == "True"
        }
        return next((told[kind] for kind in _HOLDING if kind in told), "")


_HOLDING = (
    "NamespaceFinalizersRemaining",
    "NamespaceContentRemaining",
    "NamespaceDeletionContentFailure",
    "NamespaceDeletionDiscoveryFailure",
)
"""Conditions of a namespace that does not go, the most telling first."""

Seen = SeenDeployment | SeenReplicaSet | SeenPod | SeenEvent | SeenSecret


_KEPT_LABELS = ("pod-template-hash", "towline/replica", "towline/project")
_KEPT_CONDITIONS = frozenset({"PodScheduled", "Progressing", "ReplicaFailure"})


def slim(seen: Seen) -> Seen:
    """Return what is kept of an object once it is known where it belongs: thousands of them are held.

    Field managers go above all: they hold on to the whole message that they came in.
    """
    changes: dict[str, Any] = {
        "labels": {name: intern(text) for name in _KEPT_LABELS if (text := seen.metadata.label(name))}
        or None,
        "namespace": intern(seen.metadata.namespace),
    }
    if isinstance(seen, SeenDeployment | SeenSecret):
        changes["managed_fields"] = None
    metadata = msgspec.structs.replace(seen.metadata, **changes)
    if isinstance(seen, SeenDeployment | SeenPod):
        conditions = tuple(each for each in seen.status.conditions or () if each.type in _KEPT_CONDITIONS)
        status = msgspec.structs.replace(seen.status, conditions=conditions)
        return msgspec.structs.replace(seen, metadata=metadata, status=status)
    return msgspec.structs.replace(seen, metadata=metadata)


class SeenVersion(msgspec.Struct, frozen=True, rename="camel"):
    """What an API server says about itself."""

    minor: str = ""
    git_version: str = ""
