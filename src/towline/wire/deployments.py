"""Deployments on the wire: drafts in; documents, history and graph out.

The document kept beside a deployment is its ``spec`` as sent, without nulls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from towline.domain.account import Organization, Project
from towline.domain.audit import AuditEntry
from towline.domain.deployment import (
    Dependency,
    Deployment,
    DeploymentDraft,
)
from towline.domain.disk import DiskView
from towline.domain.engine import ENGINE_LABEL
from towline.domain.errors import InvalidInput
from towline.domain.names import deployment_name, resource_name
from towline.domain.package import RestartPolicy
from towline.domain.secret import checked_labels
from towline.wire.deployment_spec import DependsOn, DeploymentSpecWire
from towline.wire.deployment_status import (
    DeploymentStatusDocument,
    NeededDocument,
    Needs,
    needed_document,
    status_document,
)
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
from towline.wire.volumes import volumes_of

MOST_DEPENDENCIES = 50
_encode = msgspec.json.Encoder().encode


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
    labels = checked_labels(metadata.labels or {})
    return DeploymentDraft(
        _name(metadata, name),
        package=package,
        package_version=version,
        document=_encode(spec),
        labels=labels,
        environment=environment,
        dependencies=_dependencies(spec.depends),
        restart=RestartPolicy(spec.restart or "always"),
        volumes=volumes_of(spec.volumes),
        engine=labels.get(ENGINE_LABEL, ""),
    )


def document(
    deployment: Deployment, view: View, *, needs: Needs = (), disks: Sequence[DiskView] = ()
) -> bytes:
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
            status=status_document(deployment, needs, disks, in_full=view.in_full),
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
        needed_document(deployment.name, deployment),
        *(needed_document(need.deployment, found) for need, found in needs),
    ]
    edges = [
        Edge(source=deployment.name, target=needed_document(need.deployment, found).name, wait=need.wait)
        for need, found in needs
    ]
    return _encode(GraphDocument(kind="DeploymentGraph", api_version=API_VERSION, nodes=nodes, edges=edges))


def _name(metadata: DeploymentMetadataIn, known: str | None) -> str:
    """Return the name of a new deployment, or of the one that is known and updated."""
    if known is None:
        return deployment_name(name_in(metadata))
    return resource_name(metadata.name or known)


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
