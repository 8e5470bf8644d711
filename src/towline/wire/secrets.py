"""Secrets on the wire: drafts in, documents out. No document holds a password or a value."""

from __future__ import annotations

from typing import Literal, assert_never

import msgspec

from towline.domain.account import Organization, Project
from towline.domain.credential_shape import Shape
from towline.domain.errors import InvalidInput
from towline.domain.proof import Standing
from towline.domain.secret import (
    DOCKER_KEYS,
    DockerDraft,
    DockerSecret,
    MintDraft,
    OpaqueDraft,
    OpaqueSecret,
    Secret,
    SecretDraft,
)
from towline.wire.metadata import (
    API_VERSION,
    Depends,
    Inbound,
    Metadata,
    MetadataIn,
    check_frame,
    in_project,
    name_in,
)
from towline.wire.mints import (
    MintDocument,
    MintedDocument,
    MintIn,
    mint_document,
    mint_draft,
    minted_document,
)
from towline.wire.problems import read, required
from towline.wire.proofs import StandingDocument, standing_document

_TYPE_RULE = "use 'Docker' or 'Opaque'"
_encode = msgspec.json.Encoder().encode


class DockerIn(msgspec.Struct):
    """``spec.docker`` as clients send it; with ``mint`` username and password are made, not sent."""

    registry: str | None = None
    username: str | None = None
    email: str | None = None
    password: str | None = None
    mint: MintIn | None = None


class SecretSpecIn(msgspec.Struct):
    """``spec`` as clients send it; ``secretKeys`` is read-only and ignored."""

    type: str | None = None
    docker: DockerIn | None = None
    data: dict[str, str] | None = None
    runtime: str | None = None
    depends: Depends | None = None


class SecretIn(Inbound):
    """A secret to create or to put in place of one."""

    metadata: MetadataIn | None = None
    spec: SecretSpecIn | None = None


class DockerDocument(msgspec.Struct):
    """``spec.docker`` of answers; without the password. ``mint``: how Towline makes it, where it does."""

    registry: str
    username: str
    email: str
    mint: MintDocument | msgspec.UnsetType = msgspec.UNSET


class SecretSpecDocument(msgspec.Struct, omit_defaults=True):
    """``spec`` of answers."""

    type: Literal["Docker", "Opaque"]
    docker: DockerDocument | None = None
    secret_keys: list[str] | None = msgspec.field(default=None, name="secretKeys")


class SecretStatusDocument(StandingDocument, omit_defaults=True):
    """How a secret stands; ``mint`` where Towline makes its login."""

    mint: MintedDocument | None = None


class SecretDocument(msgspec.Struct, omit_defaults=True):
    """A secret as it is shown; ``status`` is Towline's addition: how a docker pull secret stands.

    An opaque secret has one only while its value cannot be opened.
    """

    api_version: str = msgspec.field(name="apiVersion")
    kind: Literal["Secret"]
    metadata: Metadata
    spec: SecretSpecDocument
    status: SecretStatusDocument | None = None


def draft(body: bytes, *, name: str | None = None) -> SecretDraft:
    """Return the secret that ``body`` asks for; raise InvalidInput naming the field.

    ``name`` is the one of the path: it stands in where the body gives none, as for a replacement.
    """
    asked = read(body, SecretIn)
    check_frame(asked, "Secret")
    spec = required(asked.spec, field="spec")
    metadata = asked.metadata or MetadataIn()
    chosen = name_in(asked.metadata) if name is None or metadata.name else name
    labels = metadata.labels or {}
    match spec.type:
        case "Docker":
            return _docker(chosen, spec, labels)
        case "Opaque":
            return _opaque(chosen, spec, labels)
        case None:
            raise InvalidInput("spec.type", problem="is missing", rule=_TYPE_RULE)
        case other:
            raise InvalidInput("spec.type", problem=f"is {other[:60]!a}", rule=_TYPE_RULE)


def present(secret: Secret, project: Project, organization: Organization) -> bytes:
    """Return the document of a secret for those who may deploy with it."""
    metadata = _metadata(secret, project, organization)
    match secret:
        case DockerSecret():
            spec = SecretSpecDocument(
                type="Docker",
                docker=DockerDocument(
                    registry=secret.registry.key,
                    username=secret.username,
                    email=secret.email,
                    mint=msgspec.UNSET if secret.mint is None else mint_document(secret.mint),
                ),
                secret_keys=list(DOCKER_KEYS),
            )
            return _document(metadata, spec, status=_status(secret))
        case OpaqueSecret():
            spec = SecretSpecDocument(type="Opaque", secret_keys=list(secret.keys))
            return _document(metadata, spec, status=_trouble(secret))
        case _:
            assert_never(secret)


def present_public(secret: Secret, project: Project, organization: Organization) -> bytes:
    """Return the document of a secret for viewers: that it exists, and of which type it is.

    ``spec.docker`` is left out as a whole: half of it does not pass the official SDK.
    """
    match secret:
        case DockerSecret():
            spec = SecretSpecDocument(type="Docker")
        case OpaqueSecret():
            spec = SecretSpecDocument(type="Opaque")
        case _:
            assert_never(secret)
    return _document(_metadata(secret, project, organization), spec)


def _docker(name: str, spec: SecretSpecIn, labels: dict[str, str]) -> DockerDraft | MintDraft:
    if spec.data:
        raise InvalidInput(
            "spec.data", problem="does not belong into a Docker secret", rule="give spec.docker alone"
        )
    docker = required(spec.docker, field="spec.docker", rule="give registry, username, password and email")
    if docker.mint is not None:
        return _minted(name, docker, docker.mint, labels)
    return DockerDraft.checked(
        name,
        registry=docker.registry or "",
        username=required(docker.username, field="spec.docker.username"),
        password=required(docker.password, field="spec.docker.password"),
        email=required(docker.email, field="spec.docker.email"),
        labels=labels,
    )


def _minted(name: str, docker: DockerIn, mint: MintIn, labels: dict[str, str]) -> MintDraft:
    """Return a draft whose login is minted; what answers tell of the login is let pass, a password is not."""
    if docker.password:
        raise InvalidInput(
            "spec.docker.password", problem="goes not with spec.docker.mint", rule="leave one of them out"
        )
    email = required(docker.email, field="spec.docker.email")
    return mint_draft(name, mint, registry=docker.registry or "", email=email, labels=labels)


def _opaque(name: str, spec: SecretSpecIn, labels: dict[str, str]) -> OpaqueDraft:
    if spec.docker is not None:
        raise InvalidInput(
            "spec.docker", problem="does not belong into an Opaque secret", rule="give spec.data alone"
        )
    data = required(spec.data, field="spec.data", rule="give at least one key and value")
    return OpaqueDraft.checked(name, data=data, labels=labels)


def _metadata(secret: Secret, project: Project, organization: Organization) -> Metadata:
    known = secret.metadata
    return in_project(
        project,
        organization,
        name=known.name,
        guid=known.guid,
        creator_guid=known.creator_guid,
        created_at=known.created_at,
        updated_at=known.updated_at,
        labels=known.labels,
    )


def _status(secret: DockerSecret) -> SecretStatusDocument:
    standing = standing_document(secret.standing, secret.shape)
    minted = None if secret.mint is None else minted_document(secret.mint)
    return SecretStatusDocument(**msgspec.structs.asdict(standing), mint=minted)


def _trouble(secret: OpaqueSecret) -> SecretStatusDocument | None:
    """Return why an opaque secret's value cannot be opened; None as long as it can."""
    if secret.finding is None:
        return None
    return SecretStatusDocument(
        **msgspec.structs.asdict(standing_document(Standing(finding=secret.finding), Shape()))
    )


def _document(
    metadata: Metadata, spec: SecretSpecDocument, *, status: SecretStatusDocument | None = None
) -> bytes:
    return _encode(
        SecretDocument(api_version=API_VERSION, kind="Secret", metadata=metadata, spec=spec, status=status)
    )
