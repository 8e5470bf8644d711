"""Disks on the wire.

Beside rapyuta.io's fields stands ``status.engine``, where the disk lives, empty until it is mounted first.
``capacityUsed`` and ``capacityAvailable`` are bytes: ``rio disk list`` shows them divided by 2**30.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from towline.domain.account import Access
from towline.domain.disk import CAPACITY_RULE, DiskDraft, DiskState, DiskView, checked_capacity
from towline.domain.engine import ENGINE_LABEL
from towline.domain.errors import InvalidInput
from towline.domain.names import disk_name
from towline.domain.secret import checked_labels
from towline.wire.lists import Query
from towline.wire.metadata import API_VERSION, Inbound, Metadata, MetadataIn, check_frame, in_project, name_in
from towline.wire.package_spec import Runtime
from towline.wire.problems import read, required

GIB = 1 << 30
_encode = msgspec.json.Encoder().encode


class DiskSpec(msgspec.Struct):
    """``spec`` of a disk; ``capacity`` in GiB, an even number from 4 to 512."""

    runtime: Runtime = "cloud"
    capacity: Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)] | None = None


class DiskIn(Inbound):
    """A disk to make; ``status`` is read-only and ignored."""

    metadata: MetadataIn | None = None
    spec: DiskSpec | None = None


class Bound(msgspec.Struct):
    """Which deployment has a disk."""

    deployment_guid: str
    deployment_name: str


class DiskStatusDocument(msgspec.Struct, omit_defaults=True):
    """``status`` of a disk."""

    status: DiskState
    engine: str
    capacity_used: int | None = msgspec.field(default=None, name="capacityUsed")
    capacity_available: int | None = msgspec.field(default=None, name="capacityAvailable")
    error_code: str | None = msgspec.field(default=None, name="errorCode")
    disk_bound: Bound | None = msgspec.field(default=None, name="diskBound")


class DiskDocument(msgspec.Struct):
    """A disk as shown."""

    api_version: str = msgspec.field(name="apiVersion")
    kind: Literal["Disk"]
    metadata: Metadata
    spec: DiskSpec
    status: DiskStatusDocument


def draft(body: bytes) -> DiskDraft:
    """Return the disk that ``body`` asks for."""
    asked = read(body, DiskIn)
    check_frame(asked, "Disk")
    name = disk_name(name_in(asked.metadata))
    spec = required(asked.spec, field="spec")
    if spec.runtime != "cloud":
        raise InvalidInput(
            "spec.runtime", problem="this server has no device engine", rule="use runtime 'cloud'"
        )
    capacity = required(spec.capacity, field="spec.capacity", rule=CAPACITY_RULE)
    labels = checked_labels((asked.metadata.labels if asked.metadata else None) or {})
    return DiskDraft(name, checked_capacity(capacity), labels=labels, engine=labels.get(ENGINE_LABEL, ""))


def document(view: DiskView, access: Access) -> bytes:
    """Return a disk as shown."""
    disk = view.disk
    size = disk.capacity * GIB
    return _encode(
        DiskDocument(
            api_version=API_VERSION,
            kind="Disk",
            metadata=in_project(
                access.project,
                access.organization,
                name=disk.name,
                guid=disk.guid,
                creator_guid=disk.creator_guid,
                created_at=disk.created_at,
                labels=disk.labels,
            ),
            spec=DiskSpec("cloud", disk.capacity),
            status=DiskStatusDocument(
                view.state,
                disk.engine,
                capacity_used=view.used,
                capacity_available=None if view.used is None else max(size - view.used, 0),
                error_code=view.error_code or None,
                disk_bound=Bound(disk.holder.guid, disk.holder.name) if disk.holder else None,
            ),
        )
    )


def states_of(query: Query) -> tuple[DiskState, ...]:
    """Return the states that a list of disks is limited to."""
    known = {state.value: state for state in DiskState}
    for text in query.get("status", ()):
        if text not in known:
            raise InvalidInput(
                "status", problem=f"{text[:40]!a} is not a state", rule=f"use {', '.join(known)}"
            )
    return tuple(known[text] for text in query.get("status", ()))
