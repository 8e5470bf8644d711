"""Engines on the wire. What opens one (TLS keys, a kubeconfig) comes in and is never shown."""

from __future__ import annotations

from typing import Literal

import msgspec

from towline.domain.credential import Password
from towline.domain.engine import (
    USUAL_PLATFORM,
    USUAL_PREFIX,
    EngineHealth,
    EngineKeys,
    EngineKind,
    EngineSpec,
    EngineView,
    KeptImage,
    Storage,
)
from towline.wire.metadata import API_VERSION, Inbound, MetadataIn, check_frame, name_in, rfc3339
from towline.wire.problems import read, required
from towline.wire.proofs import FindingDocument, finding_document

_encode = msgspec.json.Encoder().encode


class EngineTls(msgspec.Struct):
    """Keys of a tcp:// engine, each in PEM: the authority's certificate, our own and its private key."""

    ca: str
    cert: str | None = None
    key: str | None = None


class EngineSpecIn(msgspec.Struct):
    """An engine to add: ``address`` for docker and swarm, ``kubeconfig`` for kubernetes."""

    kind: Literal["docker", "swarm", "kubernetes"] = "docker"
    address: str | None = None
    network: str | None = None
    tls: EngineTls | None = None
    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None
    namespace_prefix: str | None = msgspec.field(default=None, name="namespacePrefix")
    platform: str | None = None


class EngineIn(Inbound):
    """An engine to add."""

    metadata: MetadataIn | None = None
    spec: EngineSpecIn | None = None


class DefaultIn(msgspec.Struct):
    """For which project an engine is to be the default; without one, for the installation."""

    project: str | None = None


class EngineMetadata(msgspec.Struct, omit_defaults=True):
    """The engine's name, and since when it is here."""

    name: str
    guid: str | None = None
    created_at: str | None = msgspec.field(default=None, name="createdAt")


class EngineSpecOut(msgspec.Struct, omit_defaults=True):
    """How an engine is reached; without what opens it."""

    kind: EngineKind
    address: str | None = None
    network: str | None = None
    context: str | None = None
    namespace: str | None = None
    platform: str | None = None


class EngineProject(msgspec.Struct):
    """A project whose deployments go to an engine by default."""

    guid: str
    name: str


class EngineStatus(msgspec.Struct, omit_defaults=True):
    """How an engine fares."""

    answers: bool
    since: str
    deployments: int
    own: bool
    default: bool
    version: str | None = None
    finding: FindingDocument | None = None
    default_of: list[EngineProject] | None = None


class EngineDocument(msgspec.Struct):
    """An engine as shown."""

    api_version: str = msgspec.field(name="apiVersion")
    kind: Literal["Engine"]
    metadata: EngineMetadata
    spec: EngineSpecOut
    status: EngineStatus


class ImageDocument(msgspec.Struct):
    """An image that an engine keeps, ``size`` in bytes; ``ours``: this installation had it pulled."""

    reference: str
    size: int
    used: bool
    ours: bool


class StorageDocument(msgspec.Struct, omit_defaults=True):
    """What an engine keeps on its disk, in bytes as far as it tells."""

    images: list[ImageDocument]
    collectable: bool
    disk_used: int | None = None
    disk_free: int | None = None


class CollectedDocument(msgspec.Struct):
    """How many images were deleted."""

    deleted: int


def asked(body: bytes) -> tuple[str, EngineSpec, EngineKeys]:
    """Return the name, address and keys of the engine that ``body`` asks for."""
    engine = read(body, EngineIn)
    check_frame(engine, "Engine")
    metadata = required(engine.metadata, field="metadata", rule="give metadata.name")
    spec = required(engine.spec, field="spec", rule="give spec.address, or spec.kubeconfig")
    known = EngineSpec(
        EngineKind(spec.kind),
        address=spec.address or "",
        network=spec.network or "",
        context=spec.context or "",
        namespace=spec.namespace or "",
        namespace_prefix=spec.namespace_prefix or USUAL_PREFIX,
        platform=spec.platform or USUAL_PLATFORM,
    )
    return name_in(metadata), known, _keys(spec)


def project(body: bytes) -> str:
    """Return the project's guid that ``body`` names; empty for the installation."""
    return read(body, DefaultIn).project or ""


def document(view: EngineView) -> bytes:
    """Return an engine as shown."""
    record, spec = view.record, view.record.spec
    metadata = EngineMetadata(
        record.name,
        guid=record.guid or None,
        created_at=rfc3339(record.added_at) if record.added_at else None,
    )
    is_cluster = spec.kind is EngineKind.KUBERNETES
    shown = EngineSpecOut(
        spec.kind,
        address=spec.address or None,
        network=spec.network or None,
        context=spec.context or None,
        namespace=(spec.namespace or f"{spec.namespace_prefix}*") if is_cluster else None,
        platform=spec.platform if is_cluster else None,
    )
    return _encode(
        EngineDocument(
            api_version=API_VERSION, kind="Engine", metadata=metadata, spec=shown, status=_status(view)
        )
    )


def storage_document(storage: Storage) -> bytes:
    """Return what an engine keeps."""
    return _encode(
        StorageDocument(
            images=[_image(each) for each in storage.images],
            collectable=storage.can_collect,
            disk_used=storage.disk_used,
            disk_free=storage.disk_free,
        )
    )


def collected(count: int) -> bytes:
    """Return how many images were deleted."""
    return _encode(CollectedDocument(count))


def _keys(spec: EngineSpecIn) -> EngineKeys:
    tls = spec.tls
    return EngineKeys(
        ca=tls.ca if tls else "",
        certificate=(tls.cert or "") if tls else "",
        key=Password((tls.key or "") if tls else ""),
        kubeconfig=Password(spec.kubeconfig or ""),
    )


def _status(view: EngineView) -> EngineStatus:
    health: EngineHealth = view.health
    return EngineStatus(
        answers=health.answers,
        since=rfc3339(health.since),
        deployments=view.deployments,
        own=view.is_own,
        default=view.is_default,
        version=health.version or None,
        finding=finding_document(health.trouble, in_full=True) if health.trouble else None,
        default_of=[EngineProject(guid, name) for guid, name in view.default_of.items()] or None,
    )


def _image(image: KeptImage) -> ImageDocument:
    return ImageDocument(image.reference, image.size, used=image.is_used, ours=image.is_ours)
