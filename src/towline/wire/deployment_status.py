"""``status`` of a deployment on the wire, snake_case inside.

Beside rapyuta.io's fields stand ``findings``, ``generation`` (the one that all of this is about),
``serving`` (the newest one that was stable, 0 before any was), ``engine`` (where the deployment lives), and
for each executable ``digest``, ``layers`` and ``replicas_running``: additions that its clients ignore.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from towline.domain.deployment import (
    Dependency,
    Deployment,
    ExecutableState,
    ExecutableStatus,
    LayerProgress,
    Phase,
    Status,
)
from towline.domain.disk import DiskState, DiskView
from towline.wire.proofs import FindingDocument, finding_document

Needs = Sequence[tuple[Dependency, Deployment | None]]
"""What a deployment depends on; None for one that does not exist (any more)."""


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


class NeededDisk(msgspec.Struct, omit_defaults=True):
    """A disk that a deployment mounts; its codes are one text here."""

    name: str
    guid: str
    status: DiskState
    error_codes: str | None = None


class Dependencies(msgspec.Struct):
    """What a deployment depends on; networks are not kept here."""

    deployments: list[NeededDocument]
    networks: list[NeededDocument]
    disk: list[NeededDisk]


class DeploymentStatusDocument(msgspec.Struct):
    """``status`` of a deployment."""

    phase: Phase
    status: Status
    error_codes: list[str]
    executables_status: dict[str, ExecutableDocument]
    dependencies: Dependencies
    findings: list[FindingDocument]
    generation: int
    serving: int
    engine: str


def status_document(
    deployment: Deployment, needs: Needs, disks: Sequence[DiskView], *, in_full: bool
) -> DeploymentStatusDocument:
    """Return how a deployment is; without ``in_full`` as a viewer may see it."""
    known = deployment.status
    return DeploymentStatusDocument(
        phase=known.phase,
        status=known.status,
        error_codes=list(known.error_codes),
        executables_status=_executables(deployment),
        dependencies=Dependencies(
            deployments=[needed_document(need.deployment, found) for need, found in needs],
            networks=[],
            disk=[
                NeededDisk(view.disk.name, view.disk.guid, view.state, error_codes=view.error_code or None)
                for view in disks
            ],
        ),
        findings=[finding_document(finding, in_full=in_full) for finding in known.findings],
        generation=known.generation,
        serving=known.serving,
        engine=deployment.engine,
    )


def needed_document(name: str, found: Deployment | None) -> NeededDocument:
    """Return the state of a deployment that another one depends on under ``name``."""
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
