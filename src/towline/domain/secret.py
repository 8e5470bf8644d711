"""Secrets: docker pull secrets and opaque key-value data.

Metadata is readable; the value is sealed by the vault and never part of these values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self

from towline.domain.credential import Credential, Password
from towline.domain.credential_shape import Shape
from towline.domain.errors import InvalidInput
from towline.domain.findings import Finding
from towline.domain.minting import Mint, Minted, checked_key
from towline.domain.names import email_address, secret_name
from towline.domain.proof import Standing
from towline.domain.registry import RegistryAddress

DOCKER_KEYS = ("username", "password", "email", "registry")

_DATA_KEY = re.compile(r"[A-Za-z0-9_.-]{1,253}")
_LABEL_KEY = re.compile(r"(?:[A-Za-z0-9.-]{1,253}/)?[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
MAX_DATA_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class DockerDraft:
    """A docker pull secret as somebody asks for it, already checked; holds the password."""

    name: str
    registry: RegistryAddress
    credential: Credential
    email: str
    labels: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def checked(
        cls, name: str, *, registry: str, username: str, password: str, email: str, labels: Mapping[str, str]
    ) -> Self:
        """Return the draft, or raise InvalidInput naming the field by its place in the request body."""
        return cls(
            secret_name(name),
            RegistryAddress.parse(registry) if registry else RegistryAddress.hub(),
            _credential(username, password),
            email_address(email, field="spec.docker.email"),
            labels=checked_labels(labels),
        )


@dataclass(frozen=True, slots=True)
class OpaqueDraft:
    """An opaque secret as somebody asks for it, already checked; holds the values."""

    name: str
    data: Mapping[str, Password]
    labels: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def checked(cls, name: str, *, data: Mapping[str, str], labels: Mapping[str, str]) -> Self:
        """Return the draft, or raise InvalidInput naming the field by its place in the request body."""
        if not data:
            raise InvalidInput("spec.data", problem="is empty", rule="give at least one key and value")
        for key in data:
            if not _DATA_KEY.fullmatch(key):
                raise InvalidInput(
                    "spec.data",
                    problem=f"key {key[:60]!a} is not legal",
                    rule="use at most 253 letters, digits, '-', '_' and '.'",
                )
        if sum(len(key) + len(value.encode()) for key, value in data.items()) > MAX_DATA_BYTES:
            raise InvalidInput("spec.data", problem="is larger than 1 MiB", rule="keep large data elsewhere")
        values = {key: Password(value) for key, value in data.items()}
        return cls(secret_name(name), values, labels=checked_labels(labels))


@dataclass(frozen=True, slots=True)
class MintDraft:
    """A docker pull secret whose username and password Towline mints; holds the parent credential."""

    name: str
    registry: RegistryAddress
    mint: Mint
    key: Password
    email: str
    labels: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def checked(
        cls,
        name: str,
        *,
        registry: str,
        mint: tuple[str, Mapping[str, str]],
        key: str,
        email: str,
        labels: Mapping[str, str],
    ) -> Self:
        """Return the draft, or raise InvalidInput naming the field; ``mint`` is kind and settings."""
        if not registry:
            raise InvalidInput(
                "spec.docker.registry", problem="is missing", rule="name the registry that logins are for"
            )
        address = RegistryAddress.parse(registry)
        kind, settings = mint
        return cls(
            secret_name(name),
            address,
            Mint.checked(kind, settings, registry=address),
            checked_key(key),
            email_address(email, field="spec.docker.email"),
            labels=checked_labels(labels),
        )


SecretDraft = DockerDraft | OpaqueDraft | MintDraft


@dataclass(frozen=True, slots=True)
class SecretMetadata:
    """What every secret has, whatever its type. ``version`` counts from 1 with every replacement."""

    guid: str
    name: str
    project_guid: str
    creator_guid: str
    created_at: datetime
    updated_at: datetime
    version: int = 1
    labels: Mapping[str, str] = field(default_factory=dict)

    def replaced(self, *, labels: Mapping[str, str], at: datetime) -> Self:
        """Return the metadata of the next version."""
        return replace(self, labels=labels, updated_at=at, version=self.version + 1)


@dataclass(frozen=True, slots=True)
class DockerSecret:
    """A docker pull secret without its password."""

    metadata: SecretMetadata
    registry: RegistryAddress
    username: str
    email: str
    standing: Standing = field(default_factory=Standing)
    shape: Shape = field(default_factory=Shape)
    mint: Minted | None = None
    """How its login is minted and renewed, where Towline does that."""

    @property
    def expires_at(self) -> datetime | None:
        """When its login ends, as far as that is known."""
        return self.shape.expires_at if self.mint is None else self.mint.expires_at

    def stands(self, standing: Standing) -> Self:
        """Return the secret with another standing; version and ``updated_at`` stay."""
        return replace(self, standing=standing)


@dataclass(frozen=True, slots=True)
class OpaqueSecret:
    """Key-value data without its values."""

    metadata: SecretMetadata
    keys: tuple[str, ...]
    finding: Finding | None = None
    """Why its value cannot be opened, while it cannot."""

    def found(self, finding: Finding | None) -> Self:
        """Return the secret with another finding; version and ``updated_at`` stay."""
        return replace(self, finding=finding)


Secret = DockerSecret | OpaqueSecret


def checked_labels(labels: Mapping[str, str]) -> Mapping[str, str]:
    """Return ``labels`` if they are legal, at most 64 of them; raise InvalidInput otherwise."""
    if len(labels) > 64:
        raise InvalidInput("metadata.labels", problem=f"holds {len(labels)} labels", rule="use at most 64")
    for key, value in labels.items():
        if not _LABEL_KEY.fullmatch(key):
            raise InvalidInput(
                f"metadata.labels[{key[:60]!a}]",
                problem="is not a legal label key",
                rule="use [prefix/]name of letters, digits, '-', '_' and '.', the name at most 63 characters",
            )
        if len(value) > 253 or not value.isprintable():
            raise InvalidInput(
                f"metadata.labels.{key}",
                problem="is not a legal label value",
                rule="use at most 253 printable characters",
            )
    return dict(labels)


def _credential(username: str, password: str) -> Credential:
    try:
        return Credential(username, Password(password))
    except InvalidInput as error:
        raise error.within(f"spec.docker.{error.field}") from None
