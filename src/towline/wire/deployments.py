"""Deployments on the wire: drafts in; documents, history and graph out.

``status`` is snake_case inside. Beside rapyuta.io's fields stand ``findings``, and for each executable
``digest``, ``layers`` and ``replicas_running``: additions that its clients ignore.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from towline.domain.account import Organization, Project
from towline.domain.audit import AuditEntry
from towline.domain.deployment import (
    Dependency,
    Deployment,
    DeploymentDraft,
    ExecutableState,
    ExecutableStatus,
    LayerProgress,
    Phase,
    Status,
)
from towline.domain.errors import InvalidInput
from towline.domain.names import resource_name
from towline.domain.package import RestartPolicy
from towline.domain.secret import checked_labels
from towline.wire.deployment_spec import DependsOn, DeploymentSpecWire
from towline.wire.environment import of_deployment
from towline.wire.metadata import (
    API_VERSION,
    Depends,
    Inbound,
    Metadata,
    MetadataIn,
    check_frame,
    in_project,
    name_in,
    referred,
    rfc3339,
    rfc3339_or_none,
)
from towline.wire.packages import checked_version
from towline.wire.problems import read, required
from towline.wire.proofs import FindingDocument, finding_document

MOST_DEPENDENCIES = 50
_encode = msgspec.json.Encoder().encode

Needs = Sequence[tuple[Dependency, Deployment | None]]


class PackageDepends(Depends, omit_defaults=True):
    """The package of a deployment."""

    version: str | None = None


class DeploymentMetadataIn(MetadataIn):
    """``metadata`` of a deployment as clients send it."""

    depends: PackageDepends | None = None


class DeploymentIn(Inbound):
    """A deployment to create or update: the whole object; ``status`` is read-only and ignored."""

    metadata: DeploymentMetadataIn | None = None
    spec: DeploymentSpecWire | None = None


class LayerDocument(msgspec.Struct):
    """How far one layer has come, in bytes."""

    digest: str
    size: int
    received: int
    unpacked: bool


class ExecutableDocument(msgspec.Struct, omit_defaults=True):
    """How one executable is."""

    name: str
    image: str
    status: ExecutableState
    error_code: str
    reason: str
    restart_count: int
    exit_code: int
    replicas_running: int
    digest: str | None = None
    layers: list[LayerDocument] | None = None


class NeededDocument(msgspec.Struct, omit_defaults=True):
    """A deployment that this one depends on."""

    name: str
    guid: str | None = None
    status: Status | None = None
    phase: Phase | None = None
    error_codes: list[str] | None = None


class Dependencies(msgspec.Struct):
    """What a deployment depends on; networks and disks are not kept here."""

    deployments: list[NeededDocument]
    networks: list[NeededDocument]
    disk: list[NeededDocument]


class DeploymentStatusDocument(msgspec.Struct):
    """``status`` of a deployment."""

    phase: Phase
    status: Status
    error_codes: list[str]
    executables_status: dict[str, ExecutableDocument]
    dependencies: Dependencies
    findings: list[FindingDocument]


class DeploymentDocument(msgspec.Struct):
    """A deployment as shown."""

    api_version: str = msgspec.field(name="apiVersion")
    kind: Literal["Deployment"]
    metadata: Metadata
    spec: msgspec.Raw
    status: DeploymentStatusDocument


class HistoryItem(msgspec.Struct):
    """One change of a deployment."""

    at: str
    actor: str
    action: str
    outcome: str
    detail: dict[str, str]


class HistoryDocument(msgspec.Struct):
    """What happened to a deployment, oldest first."""

    kind: Literal["DeploymentHistory"]
    api_version: str = msgspec.field(name="apiVersion")
    items: list[HistoryItem]


class Edge(msgspec.Struct):
    """Who needs whom; ``wait`` delays the start."""

    source: str = msgspec.field(name="from")
    target: str = msgspec.field(name="to")
    wait: bool


class GraphDocument(msgspec.Struct):
    """A deployment and what it depends on."""

    kind: Literal["DeploymentGraph"]
    api_version: str = msgspec.field(name="apiVersion")
    nodes: list[NeededDocument]
    edges: list[Edge]


@dataclass(frozen=True, slots=True)
class View:
    """Where documents are shown; without ``in_full`` as a viewer may see them."""

    project: Project
    organization: Organization
    in_full: bool


def draft(body: bytes, *, name: str | None = None) -> DeploymentDraft:
    """Return the deployment that ``body`` asks for; ``name`` is the one of the path, for updates."""
    asked = read(body, DeploymentIn)
    check_frame(asked, "Deployment")
    metadata = required(asked.metadata, field="metadata", rule="give metadata.name and metadata.depends")
    spec = required(asked.spec, field="spec")
    package, version = _package(metadata.depends)
    _check_spec(spec)
    environment = of_deployment(spec.env_args, field="spec.envArgs")
    return DeploymentDraft(
        resource_name(name if name is not None and not metadata.name else name_in(metadata)),
        package=package,
        package_version=version,
        document=_encode(spec),
        labels=checked_labels(metadata.labels or {}),
        environment=environment,
        dependencies=_dependencies(spec.depends),
        restart=RestartPolicy(spec.restart or "always"),
    )


def document(deployment: Deployment, view: View, *, needs: Needs = ()) -> bytes:
    """Return a deployment as shown, with the state of what it depends on where that was asked for."""
    wish = deployment.wish
    metadata = in_project(
        view.project,
        view.organization,
        name=deployment.name,
        guid=deployment.guid,
        creator_guid=deployment.creator_guid,
        created_at=deployment.created_at,
        updated_at=deployment.updated_at,
        labels=deployment.labels,
    )
    metadata.generation = deployment.generation
    metadata.deleted_at = rfc3339_or_none(deployment.deleted_at)
    metadata.depends = PackageDepends(
        kind="package", name_or_guid=wish.package_name, version=wish.package_version
    )
    return _encode(
        DeploymentDocument(
            api_version=API_VERSION,
            kind="Deployment",
            metadata=metadata,
            spec=msgspec.Raw(wish.document),
            status=_status(deployment, needs, in_full=view.in_full),
        )
    )


def history_document(rows: Sequence[AuditEntry]) -> bytes:
    """Return the changes of a deployment."""
    items = [
        HistoryItem(
            at=rfc3339(row.at),
            actor=row.actor,
            action=row.action,
            outcome=row.outcome,
            detail=dict(row.detail),
        )
        for row in rows
    ]
    return _encode(HistoryDocument(kind="DeploymentHistory", api_version=API_VERSION, items=items))


def graph_document(deployment: Deployment, needs: Needs) -> bytes:
    """Return a deployment and what it depends on, as nodes and edges."""
    nodes = [
        _needed(deployment.name, deployment),
        *(_needed(need.deployment, found) for need, found in needs),
    ]
    edges = [
        Edge(source=deployment.name, target=_needed(need.deployment, found).name, wait=need.wait)
        for need, found in needs
    ]
    return _encode(GraphDocument(kind="DeploymentGraph", api_version=API_VERSION, nodes=nodes, edges=edges))


def _package(depends: PackageDepends | None) -> tuple[str, str]:
    field = "metadata.depends"
    package = referred(depends, "Package", field=field)
    if depends is None or package is None:
        raise InvalidInput(field, problem="names no package", rule="give kind, nameOrGUID and version")
    return package, checked_version(depends.version, field=f"{field}.version")


def _check_spec(spec: DeploymentSpecWire) -> None:
    """Refuse what this server could only seem to do; decide the runtime where none is given."""
    spec.runtime = spec.runtime or "cloud"
    if spec.runtime == "device" or spec.device is not None:
        raise InvalidInput(
            "spec.runtime" if spec.runtime == "device" else "spec.device",
            problem="this server has no device engine",
            rule="use runtime 'cloud'",
        )
    if spec.volumes:
        raise InvalidInput("spec.volumes", problem="this server keeps no disks", rule="leave volumes out")
    for at, network in enumerate(spec.ros_networks or ()):
        _check_reference(network.depends, "Network", field=f"spec.rosNetworks[{at}].depends")
    for at, route in enumerate(spec.static_routes or ()):
        _check_reference(route.depends, "StaticRoute", field=f"spec.staticRoutes[{at}].depends")


def _check_reference(depends: Depends, kind: str, *, field: str) -> None:
    if referred(depends, kind, field=field) is None:
        raise InvalidInput(field, problem="names nothing", rule="give kind and nameOrGUID")


def _dependencies(listed: list[DependsOn] | None) -> tuple[Dependency, ...]:
    if len(listed or ()) > MOST_DEPENDENCIES:
        raise InvalidInput("spec.depends", problem="is too long", rule=f"use at most {MOST_DEPENDENCIES}")
    found: list[Dependency] = []
    for at, each in enumerate(listed or ()):
        place = f"spec.depends[{at}]"
        target = referred(each, "Deployment", field=place)
        if target is None:
            raise InvalidInput(place, problem="names no deployment", rule="give kind and nameOrGUID")
        found.append(Dependency(target, wait=bool(each.wait)))
    return tuple(found)


def _status(deployment: Deployment, needs: Needs, *, in_full: bool) -> DeploymentStatusDocument:
    known = deployment.status
    return DeploymentStatusDocument(
        phase=known.phase,
        status=known.status,
        error_codes=list(known.error_codes),
        executables_status=_executables(deployment),
        dependencies=Dependencies(
            deployments=[_needed(need.deployment, found) for need, found in needs], networks=[], disk=[]
        ),
        findings=[finding_document(finding, in_full=in_full) for finding in known.findings],
    )


def _executables(deployment: Deployment) -> dict[str, ExecutableDocument]:
    """Return every executable's state; those not looked at yet are pending (clients need the map filled)."""
    known: Mapping[str, ExecutableStatus] = {run.name: run for run in deployment.status.executables}
    wished = {run.name: ExecutableStatus(run.name, run.image) for run in deployment.executables}
    return {name: _executable(run) for name, run in {**wished, **known}.items()}


def _executable(run: ExecutableStatus) -> ExecutableDocument:
    return ExecutableDocument(
        name=run.name,
        image=run.image,
        status=run.state,
        error_code=run.error_code,
        reason=run.reason,
        restart_count=run.restart_count,
        exit_code=run.exit_code,
        replicas_running=run.replicas_running,
        digest=run.digest or None,
        layers=[_layer(layer) for layer in run.layers] or None,
    )


def _layer(layer: LayerProgress) -> LayerDocument:
    return LayerDocument(
        digest=layer.digest, size=layer.size, received=layer.received, unpacked=layer.unpacked
    )


def _needed(name: str, found: Deployment | None) -> NeededDocument:
    if found is None:
        return NeededDocument(name=name, status=Status.UNKNOWN)
    known = found.status
    return NeededDocument(
        name=found.name,
        guid=found.guid,
        status=known.status,
        phase=known.phase,
        error_codes=list(known.error_codes),
    )
