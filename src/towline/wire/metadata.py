"""What every document has in common: kind, API version, metadata; and times as RFC 3339 text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from towline.domain.account import Organization, Project
from towline.domain.errors import InvalidInput
from towline.wire.problems import required

API_VERSION = "api.rapyuta.io/v2"
_API_VERSIONS = frozenset({API_VERSION, "apiextensions.rapyuta.io/v1"})


class Depends(msgspec.Struct, omit_defaults=True):
    """A reference by name or guid; clients spell the key in two ways."""

    kind: str | None = None
    name_or_guid: str | None = msgspec.field(default=None, name="nameOrGUID")
    name_or_guid_too: str | None = msgspec.field(default=None, name="nameOrGuid")

    @property
    def target(self) -> str:
        """What is referred to; empty where nothing is."""
        return self.name_or_guid or self.name_or_guid_too or ""


class MetadataIn(msgspec.Struct):
    """What clients may set; everything else in ``metadata`` is read-only and ignored."""

    name: str | None = None
    labels: dict[str, str] | None = None
    region: str | None = None
    organization_guid: str | None = msgspec.field(default=None, name="organizationGUID")


class Inbound(msgspec.Struct):
    """The frame of every inbound document."""

    kind: str | None = None
    api_version: str | None = msgspec.field(default=None, name="apiVersion")


class Metadata(msgspec.Struct, omit_defaults=True):
    """``metadata`` of answers."""

    name: str
    guid: str | None = None
    version: str | None = None
    description: str | None = None
    depends: Depends | None = None
    generation: int | None = None
    project_guid: str | None = msgspec.field(default=None, name="projectGUID")
    project_name: str | None = msgspec.field(default=None, name="projectName")
    organization_guid: str | None = msgspec.field(default=None, name="organizationGUID")
    organization_name: str | None = msgspec.field(default=None, name="organizationName")
    organization_creator_guid: str | None = msgspec.field(default=None, name="organizationCreatorGUID")
    creator_guid: str | None = msgspec.field(default=None, name="creatorGUID")
    short_guid: str | None = msgspec.field(default=None, name="shortGUID")
    region: str | None = None
    labels: dict[str, str] | None = None
    created_at: str | None = msgspec.field(default=None, name="createdAt")
    updated_at: str | None = msgspec.field(default=None, name="updatedAt")
    deleted_at: str | None = msgspec.field(default=None, name="deletedAt")


def check_frame(document: Inbound, kind: str) -> None:
    """Raise InvalidInput where ``kind`` or ``apiVersion`` are given and wrong."""
    if document.kind is not None and document.kind.lower() != kind.lower():
        raise InvalidInput("kind", problem=f"is {document.kind[:60]!a}", rule=f"use {kind!r}")
    if document.api_version is not None and document.api_version not in _API_VERSIONS:
        raise InvalidInput(
            "apiVersion", problem=f"is {document.api_version[:60]!a}", rule=f"use {API_VERSION!r}"
        )


def name_in(metadata: MetadataIn | None) -> str:
    """Return the name that a body gives; raise InvalidInput where it gives none."""
    name = required(metadata, field="metadata", rule="give metadata.name").name
    return required(name, field="metadata.name")


def referred(depends: Depends | None, kind: str, *, field: str) -> str | None:
    """Return what ``depends`` names; None for an absent or empty one; raise InvalidInput otherwise.

    The reference is left in the one spelling that answers use.
    """
    if depends is None or (depends.kind is None and not depends.target):
        return None
    if depends.kind is not None and depends.kind not in (kind, kind.lower()):
        raise InvalidInput(f"{field}.kind", problem=f"is {depends.kind[:60]!a}", rule=f"use {kind.lower()!r}")
    if not depends.target:
        raise InvalidInput(f"{field}.nameOrGUID", problem="is empty", rule=f"name the {kind.lower()}")
    if len(depends.target) > 253 or not depends.target.isprintable():
        raise InvalidInput(f"{field}.nameOrGUID", problem="is not a name", rule="give a name or guid")
    depends.name_or_guid, depends.name_or_guid_too = depends.target, None
    return depends.target


def rfc3339(moment: datetime) -> str:
    """Return ``moment`` as ``2026-01-01T10:00:00Z``."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def rfc3339_or_none(moment: datetime | None) -> str | None:
    """Return ``moment`` as text, None where there is none."""
    return None if moment is None else rfc3339(moment)


def in_project(
    project: Project,
    organization: Organization,
    *,
    name: str,
    guid: str,
    creator_guid: str,
    created_at: datetime,
    updated_at: datetime | None = None,
    labels: Mapping[str, str],
) -> Metadata:
    """Return the metadata of an object that lives in a project."""
    return Metadata(
        name=name,
        guid=guid,
        project_guid=project.guid,
        project_name=project.name,
        organization_guid=organization.guid,
        organization_name=organization.name,
        organization_creator_guid=organization.creator_guid,
        creator_guid=creator_guid,
        labels=dict(labels) or None,
        created_at=rfc3339(created_at),
        updated_at=rfc3339(updated_at or created_at),
    )
