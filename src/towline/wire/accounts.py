"""Signing in, users and organizations on the wire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from towline.domain.account import Member, Organization, Project, User
from towline.domain.credential import Password
from towline.domain.errors import InvalidInput
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


class UserSpec(msgspec.Struct):
    """``spec`` of a user."""

    first_name: str = msgspec.field(name="firstName")
    last_name: str = msgspec.field(name="lastName")
    email_id: str = msgspec.field(name="emailID")
    organizations: list[UserOrganization]
    projects: list[UserProject]
    user_groups: list[dict[str, str]] = msgspec.field(name="userGroups")


class UserDocument(msgspec.Struct):
    """A user as shown."""

    api_version: str = msgspec.field(name="apiVersion")
    kind: Literal["User"]
    metadata: Metadata
    spec: UserSpec


class UserSpecIn(msgspec.Struct):
    """What people may change of themselves."""

    first_name: str | None = msgspec.field(default=None, name="firstName")
    last_name: str | None = msgspec.field(default=None, name="lastName")


class UserIn(Inbound):
    """Oneself, changed."""

    spec: UserSpecIn | None = None


class Subject(msgspec.Struct, omit_defaults=True):
    """Who is a member."""

    kind: str | None = None
    name: str | None = None
    guid: str | None = None


class MemberIn(msgspec.Struct):
    """A member and its role names."""

    subject: Subject | None = None
    role_names: list[str] | None = msgspec.field(default=None, name="roleNames")


class OrganizationSpecIn(msgspec.Struct):
    """``spec`` of an organization to put in place."""

    members: list[MemberIn] | None = None


class OrganizationIn(Inbound):
    """An organization, changed: its members replace the present ones."""

    spec: OrganizationSpecIn | None = None


class MemberDocument(msgspec.Struct):
    """A member as shown."""

    subject: Subject
    role_names: list[str] = msgspec.field(name="roleNames")


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
) -> bytes:
    """Return a user with the organizations and projects it is in."""
    spec = UserSpec(
        first_name=user.first_name,
        last_name=user.last_name,
        email_id=user.email,
        organizations=[_organization(each, roles) for each, roles in organizations],
        projects=[_project(each, owner, roles) for each, owner, roles in projects],
        user_groups=[],
    )
    metadata = Metadata(name=user.name, guid=user.guid, created_at=rfc3339(user.created_at))
    return _encode(UserDocument(api_version=API_VERSION, kind="User", metadata=metadata, spec=spec))


def members(body: bytes) -> Mapping[str, tuple[str, ...]]:
    """Return role names by address or guid, as they are to be."""
    asked = read(body, OrganizationIn)
    check_frame(asked, "Organization")
    spec = required(asked.spec, field="spec")
    wanted: dict[str, tuple[str, ...]] = {}
    for at, member in enumerate(required(spec.members, field="spec.members")):
        place = f"spec.members[{at}]"
        wanted[_who(member.subject, place=place)] = tuple(
            required(member.role_names, field=f"{place}.roleNames")
        )
    return wanted


def organization_document(organization: Organization, listed: Sequence[Member]) -> bytes:
    """Return an organization with its members."""
    metadata = Metadata(
        name=organization.name,
        guid=organization.guid,
        short_guid=organization.short_guid,
        creator_guid=organization.creator_guid,
        created_at=rfc3339(organization.created_at),
    )
    spec = OrganizationSpec([member_document(member) for member in listed])
    return _encode(
        OrganizationDocument(api_version=API_VERSION, kind="Organization", metadata=metadata, spec=spec)
    )


def member_document(member: Member) -> MemberDocument:
    """Return a member as organizations and projects show it."""
    subject = Subject(kind="User", name=member.user.email, guid=member.user.guid)
    return MemberDocument(subject=subject, role_names=list(member.role_names))


def _who(subject: Subject | None, *, place: str) -> str:
    if subject is None or not (subject.guid or subject.name):
        raise InvalidInput(f"{place}.subject", problem="names nobody", rule="give name (an address) or guid")
    if subject.kind not in (None, "User"):
        raise InvalidInput(
            f"{place}.subject.kind", problem="is not 'User'", rule="only users are members here"
        )
    return subject.guid or subject.name or ""


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
