"""Signing in, users and organizations on the wire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from towline.domain.account import GroupMember, Member, Organization, Project, SubjectRef, User, UserGroup
from towline.domain.credential import Password
from towline.wire.members import MemberDocument, MemberIn, member_documents, members_in, shown_name
from towline.wire.metadata import API_VERSION, Inbound, Metadata, check_frame, rfc3339
from towline.wire.problems import read, required

_encode = msgspec.json.Encoder().encode


class LoginIn(msgspec.Struct):
    """Body of a login."""

    email: str | None = None
    password: str | None = None


class RefreshIn(msgspec.Struct):
    """Body of a token's renewal."""

    token: str | None = None


class TokenData(msgspec.Struct):
    """A new token, under both names that clients read."""

    token: str
    token_too: str = msgspec.field(name="Token")


class TokenDocument(msgspec.Struct):
    """The answer to a login or renewal."""

    data: TokenData


class InfoData(msgspec.Struct):
    """Who holds the token."""

    email: str
    guid: str
    first_name: str = msgspec.field(name="firstName")
    last_name: str = msgspec.field(name="lastName")


class InfoDocument(msgspec.Struct):
    """The answer to "who am I" of the login host."""

    data: InfoData


class UserOrganization(msgspec.Struct):
    """An organization as its member sees it; every key must exist for ``rio``."""

    guid: str
    name: str
    creator: str
    short_guid: str = msgspec.field(name="shortGUID")
    role_names: list[str] = msgspec.field(name="roleNames")


class UserProject(msgspec.Struct):
    """A project as its member sees it; every key must exist for ``rio``."""

    guid: str
    name: str
    creator: str
    organization_guid: str = msgspec.field(name="organizationGUID")
    organization_creator: str = msgspec.field(name="organizationCreator")
    role_names: list[str] = msgspec.field(name="roleNames")


class UserUserGroup(msgspec.Struct):
    """A group as its member sees it; role names must exist for the SDK."""

    guid: str
    name: str
    creator: str
    organization_guid: str = msgspec.field(name="organizationGUID")
    role_names: list[str] = msgspec.field(name="roleNames")


class UserSpec(msgspec.Struct):
    """``spec`` of a user."""

    first_name: str = msgspec.field(name="firstName")
    last_name: str = msgspec.field(name="lastName")
    email_id: str = msgspec.field(name="emailID")
    organizations: list[UserOrganization]
    projects: list[UserProject]
    user_groups: list[UserUserGroup] = msgspec.field(name="userGroups")


class UserDocument(msgspec.Struct):
    """A user as shown."""

    api_version: str = msgspec.field(name="apiVersion")
    kind: Literal["User", "ServiceAccount"]
    metadata: Metadata
    spec: UserSpec


class UserSpecIn(msgspec.Struct):
    """What people may change of themselves."""

    first_name: str | None = msgspec.field(default=None, name="firstName")
    last_name: str | None = msgspec.field(default=None, name="lastName")


class UserIn(Inbound):
    """Oneself, changed."""

    spec: UserSpecIn | None = None


class OrganizationSpecIn(msgspec.Struct):
    """``spec`` of an organization to put in place."""

    members: list[MemberIn] | None = None


class OrganizationIn(Inbound):
    """An organization, changed: its members replace the present ones."""

    spec: OrganizationSpecIn | None = None


class OrganizationSpec(msgspec.Struct):
    """``spec`` of an organization as shown."""

    members: list[MemberDocument]


class OrganizationDocument(msgspec.Struct):
    """An organization as shown."""

    api_version: str = msgspec.field(name="apiVersion")
    kind: Literal["Organization"]
    metadata: Metadata
    spec: OrganizationSpec


def login(body: bytes) -> tuple[str, Password]:
    """Return address and password; raise InvalidInput where one is missing."""
    asked = read(body, LoginIn)
    email = required(asked.email, field="email")
    return email, Password(required(asked.password, field="password"))


def refresh(body: bytes) -> str:
    """Return the token to renew."""
    return required(read(body, RefreshIn).token, field="token")


def token_document(token: str) -> bytes:
    """Return the answer that carries a new token."""
    return _encode(TokenDocument(TokenData(token, token)))


def info_document(user: User) -> bytes:
    """Return who holds the token."""
    return _encode(InfoDocument(InfoData(user.email, user.guid, user.first_name, user.last_name)))


def names(body: bytes, user: User) -> tuple[str, str]:
    """Return first and last name that ``user`` wants; those not given stay."""
    asked = read(body, UserIn)
    check_frame(asked, "User")
    spec = required(asked.spec, field="spec")
    first = user.first_name if spec.first_name is None else spec.first_name
    return first, user.last_name if spec.last_name is None else spec.last_name


def user_document(
    user: User,
    organizations: Sequence[tuple[Organization, tuple[str, ...]]],
    projects: Sequence[tuple[Project, Organization, tuple[str, ...]]] = (),
    groups: Sequence[tuple[UserGroup, tuple[str, ...]]] = (),
) -> bytes:
    """Return a user with the organizations, projects and groups it is in."""
    spec = UserSpec(
        first_name=user.first_name,
        last_name=user.last_name,
        email_id=shown_name(user),
        organizations=[_organization(each, roles) for each, roles in organizations],
        projects=[_project(each, owner, roles) for each, owner, roles in projects],
        user_groups=[_group(each, roles) for each, roles in groups],
    )
    metadata = Metadata(name=user.name, guid=user.guid, created_at=rfc3339(user.created_at))
    kind: Literal["User", "ServiceAccount"] = "User" if user.is_person else "ServiceAccount"
    return _encode(UserDocument(api_version=API_VERSION, kind=kind, metadata=metadata, spec=spec))


def members(body: bytes) -> Mapping[SubjectRef, tuple[str, ...]]:
    """Return role names by whom they are for, as they are to be."""
    asked = read(body, OrganizationIn)
    check_frame(asked, "Organization")
    spec = required(asked.spec, field="spec")
    return members_in(required(spec.members, field="spec.members"), field="spec.members")


def organization_document(
    organization: Organization, listed: Sequence[Member], groups: Sequence[GroupMember] = ()
) -> bytes:
    """Return an organization with its members, and the groups that hold roles in it."""
    metadata = Metadata(
        name=organization.name,
        guid=organization.guid,
        short_guid=organization.short_guid,
        creator_guid=organization.creator_guid,
        created_at=rfc3339(organization.created_at),
    )
    spec = OrganizationSpec(member_documents(listed, groups))
    return _encode(
        OrganizationDocument(api_version=API_VERSION, kind="Organization", metadata=metadata, spec=spec)
    )


def _organization(organization: Organization, roles: tuple[str, ...]) -> UserOrganization:
    return UserOrganization(
        guid=organization.guid,
        name=organization.name,
        creator=organization.creator_guid,
        short_guid=organization.short_guid,
        role_names=list(roles),
    )


def _project(project: Project, owner: Organization, roles: tuple[str, ...]) -> UserProject:
    return UserProject(
        guid=project.guid,
        name=project.name,
        creator=project.creator_guid,
        organization_guid=owner.guid,
        organization_creator=owner.creator_guid,
        role_names=list(roles),
    )


def _group(group: UserGroup, roles: tuple[str, ...]) -> UserUserGroup:
    return UserUserGroup(
        guid=group.guid,
        name=group.name,
        creator=group.creator_guid,
        organization_guid=group.organization_guid,
        role_names=list(roles),
    )
