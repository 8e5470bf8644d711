"""Projects on the wire. Any top-level key beyond metadata, spec and status makes the SDK reject one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from towline.domain.account import GroupMember, Member, Organization, Project, SubjectRef
from towline.domain.errors import InvalidInput
from towline.wire.members import MemberDocument, MemberIn, member_documents, members_in
from towline.wire.metadata import API_VERSION, Inbound, Metadata, MetadataIn, check_frame, name_in, rfc3339
from towline.wire.problems import read, required

_encode = msgspec.json.Encoder().encode


class Vpn(msgspec.Struct, omit_defaults=True):
    """A VPN, which this server does not run."""

    enabled: bool | None = None
    subnets: list[str] | None = None


class Tracing(msgspec.Struct, omit_defaults=True):
    """Tracing, which this server does not run."""

    enabled: bool | None = None


class DockerCache(msgspec.Struct, omit_defaults=True):
    """A registry mirror on a device; ``registrySecret`` names a docker pull secret."""

    enabled: bool | None = None
    proxy_device: str | None = msgspec.field(default=None, name="proxyDevice")
    proxy_interface: str | None = msgspec.field(default=None, name="proxyInterface")
    registry_secret: str | None = msgspec.field(default=None, name="registrySecret")
    registry_url: str | None = msgspec.field(default=None, name="registryURL")
    data_directory: str | None = msgspec.field(default=None, name="dataDirectory")


class Features(msgspec.Struct, omit_defaults=True):
    """``spec.features``."""

    vpn: Vpn | None = None
    tracing: Tracing | None = None
    docker_cache: DockerCache | None = msgspec.field(default=None, name="dockerCache")


class ProjectSpecIn(msgspec.Struct):
    """``spec`` as clients send it; members that are absent or null stay as they are."""

    features: Features | None = None
    members: list[MemberIn] | None = None


class ProjectIn(Inbound):
    """A project to create or change; ``status`` is read-only and ignored."""

    metadata: MetadataIn | None = None
    spec: ProjectSpecIn | None = None


class ProjectSpec(msgspec.Struct, omit_defaults=True):
    """``spec`` of answers."""

    features: msgspec.Raw
    members: list[MemberDocument] | None = None


class ProjectStatus(msgspec.Struct):
    """``status`` of answers: a project is ready at once."""

    status: Literal["Success"]
    vpn: Literal["Disabled"]
    tracing: Literal["Disabled"]


class ProjectDocument(msgspec.Struct, omit_defaults=True):
    """A project as shown."""

    api_version: str = msgspec.field(name="apiVersion")
    kind: Literal["Project"]
    metadata: Metadata
    spec: ProjectSpec
    status: ProjectStatus


@dataclass(frozen=True, slots=True)
class ProjectDraft:
    """A project as somebody asks for it."""

    name: str
    organization_guid: str
    labels: dict[str, str]
    features: bytes
    members: Mapping[SubjectRef, tuple[str, ...]] | None = None


def draft(body: bytes, *, organization_guid: str) -> ProjectDraft:
    """Return the project that ``body`` asks for; the organization of the header where it names none."""
    asked = read(body, ProjectIn)
    check_frame(asked, "Project")
    metadata = required(asked.metadata, field="metadata", rule="give metadata.name")
    return ProjectDraft(
        name_in(metadata),
        metadata.organization_guid or organization_guid,
        labels=metadata.labels or {},
        features=_features(asked.spec),
        members=_members(asked.spec),
    )


def change(body: bytes) -> tuple[dict[str, str], bytes, Mapping[SubjectRef, tuple[str, ...]] | None]:
    """Return labels, features and members that a project is to have; None leaves the members."""
    asked = read(body, ProjectIn)
    check_frame(asked, "Project")
    labels = asked.metadata.labels if asked.metadata else None
    return labels or {}, _features(asked.spec), _members(asked.spec)


def document(
    project: Project,
    organization: Organization,
    members: Sequence[Member] = (),
    groups: Sequence[GroupMember] = (),
) -> bytes:
    """Return a project; with its members where they were asked for."""
    metadata = Metadata(
        name=project.name,
        guid=project.guid,
        organization_guid=organization.guid,
        organization_name=organization.name,
        organization_creator_guid=organization.creator_guid,
        creator_guid=project.creator_guid,
        labels=dict(project.labels) or None,
        created_at=rfc3339(project.created_at),
        updated_at=rfc3339(project.updated_at),
    )
    spec = ProjectSpec(
        features=msgspec.Raw(project.features), members=member_documents(members, groups) or None
    )
    status = ProjectStatus(status="Success", vpn="Disabled", tracing="Disabled")
    return _encode(
        ProjectDocument(api_version=API_VERSION, kind="Project", metadata=metadata, spec=spec, status=status)
    )


def _members(spec: ProjectSpecIn | None) -> Mapping[SubjectRef, tuple[str, ...]] | None:
    if spec is None or spec.members is None:
        return None
    return members_in(spec.members, field="spec.members")


def _features(spec: ProjectSpecIn | None) -> bytes:
    features = (spec.features if spec else None) or Features()
    if features.docker_cache and features.docker_cache.enabled:
        _check_docker_cache(features.docker_cache)
    return _encode(features)


def _check_docker_cache(cache: DockerCache) -> None:
    needed = {
        "proxyDevice": cache.proxy_device,
        "proxyInterface": cache.proxy_interface,
        "registrySecret": cache.registry_secret,
        "registryURL": cache.registry_url,
    }
    for key, value in needed.items():
        if not value:
            raise InvalidInput(
                f"spec.features.dockerCache.{key}", problem="is missing", rule="an enabled cache needs it"
            )
