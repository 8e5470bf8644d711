"""User groups on the wire, as ``rio usergroup`` and the SDK send and read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from towline.domain.groups import GroupDraft
from towline.wire.members import Domain, MemberDocument, MemberIn, domain_in, member_documents, members_in
from towline.wire.metadata import API_VERSION, Inbound, Metadata, MetadataIn, check_frame, name_in, rfc3339
from towline.wire.problems import read, required

if TYPE_CHECKING:
    from towline.domain.groups import GroupView


class GroupRole(msgspec.Struct):
    """A role that a group holds."""

    domain: Domain
    role_name: str = msgspec.field(name="roleName")


class GroupRoleIn(msgspec.Struct):
    """A role that a group is to hold."""

    domain: Domain | None = None
    role_name: str | None = msgspec.field(default=None, name="roleName")


class GroupSpecIn(msgspec.Struct):
    """``spec`` as clients send it: what is absent or null stays as it is."""

    description: str | None = None
    members: list[MemberIn] | None = None
    roles: list[GroupRoleIn] | None = None


class GroupIn(Inbound):
    """A user group to make or change."""

    metadata: MetadataIn | None = None
    spec: GroupSpecIn | None = None


class GroupSpec(msgspec.Struct):
    """``spec`` of answers."""

    description: str
    members_count: int = msgspec.field(name="membersCount")
    members: list[MemberDocument]
    roles: list[GroupRole]


class GroupDocument(msgspec.Struct):
    """A user group as shown."""

    api_version: str = msgspec.field(name="apiVersion")
    kind: Literal["UserGroup"]
    metadata: Metadata
    spec: GroupSpec


def draft(body: bytes, *, name: str = "") -> GroupDraft:
    """Return the group that ``body`` asks for; ``name`` is that of the path, where it has one."""
    asked = read(body, GroupIn)
    check_frame(asked, "UserGroup")
    name, spec = name or name_in(asked.metadata), asked.spec or GroupSpecIn()
    roles = None
    if spec.roles is not None:
        roles = []
        for at, each in enumerate(spec.roles):
            kind, of, guid = domain_in(each.domain, field=f"spec.roles[{at}].domain")
            role = required(each.role_name, field=f"spec.roles[{at}].roleName")
            roles.append((kind, of, guid, role))
    return GroupDraft(
        name,
        description=spec.description or "",
        labels=asked.metadata.labels if asked.metadata else None,
        members=None if spec.members is None else members_in(spec.members, field="spec.members"),
        roles=roles,
    )


def document(view: GroupView) -> bytes:
    """Return a group with its members and roles."""
    group, owner = view.group, view.organization
    spec = GroupSpec(
        description=group.description,
        members_count=len(view.members),
        members=member_documents(view.members),
        roles=[GroupRole(Domain(each.kind, each.name, each.guid), each.role) for each in view.roles],
    )
    metadata = Metadata(
        name=group.name,
        guid=group.guid,
        organization_guid=owner.guid,
        organization_name=owner.name,
        organization_creator_guid=owner.creator_guid,
        creator_guid=group.creator_guid,
        labels=dict(group.labels) or None,
        created_at=rfc3339(group.created_at),
        updated_at=rfc3339(group.updated_at),
    )
    return msgspec.json.encode(
        GroupDocument(api_version=API_VERSION, kind="UserGroup", metadata=metadata, spec=spec)
    )
