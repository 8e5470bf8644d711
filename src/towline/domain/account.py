"""People, organizations, projects, and who may do what.

Role names are those that rapyuta.io's clients show; ``project_developer`` is ours, between viewer
and admin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Literal, Self

if TYPE_CHECKING:
    from towline.domain.scopes import Scope, ScopeKind


class ProjectRole(StrEnum):
    """What a member may do in a project; each role includes those before it."""

    VIEWER = "project_viewer"
    DEVELOPER = "project_developer"
    ADMIN = "project_admin"


class OrganizationRole(StrEnum):
    """What a member may do in an organization; an admin is admin of all its projects."""

    MEMBER = "rio-org_member"
    ADMIN = "rio-org_admin"


class GroupRole(StrEnum):
    """What a member may do in a user group; an admin puts people into it and takes them out."""

    MEMBER = "rio-group_member"
    ADMIN = "rio-group_admin"


class UserKind(StrEnum):
    """Who holds an account, as rapyuta.io's documents name it."""

    PERSON = "User"
    SERVICE = "ServiceAccount"


class Permission(IntEnum):
    """What a route asks for; a larger one includes the smaller ones."""

    OPEN = 0
    """Nobody needs to sign in."""
    SIGNED_IN = 1
    VIEW = 2
    DEPLOY = 3
    MANAGE_SECRETS = 4
    MANAGE_PROJECT = 5
    MANAGE_ORGANIZATION = 6


_ROLE_MAY = {
    ProjectRole.VIEWER: Permission.VIEW,
    ProjectRole.DEVELOPER: Permission.DEPLOY,
    ProjectRole.ADMIN: Permission.MANAGE_PROJECT,
}


@dataclass(frozen=True, slots=True)
class User:
    """Somebody with an account: a person, or a service account, which has no password.

    A service account belongs to the organization ``organization_guid``; its name is its ``first_name``,
    and ``email`` is what the audit trail calls it.
    """

    guid: str
    email: str
    first_name: str
    last_name: str
    created_at: datetime
    kind: UserKind = UserKind.PERSON
    organization_guid: str = ""
    disabled_at: datetime | None = None
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """First and last name, or the address where neither is known."""
        return f"{self.first_name} {self.last_name}".strip() or self.email

    @property
    def is_person(self) -> bool:
        """Whether a person holds the account."""
        return self.kind is UserKind.PERSON

    @property
    def address_key(self) -> str:
        """What no two accounts share: a person's address, a service account's name and organization."""
        return self.email.casefold() if self.is_person else f"{self.email} {self.organization_guid}"


def service_address(name: str) -> str:
    """Return what stands for the address of a service account; no e-mail address looks like it."""
    return f"service-account/{name}"


@dataclass(frozen=True, slots=True)
class Organization:
    """The owner of projects. ``short_guid`` is five letters that ``rio`` insists on."""

    guid: str
    name: str
    short_guid: str
    creator_guid: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Project:
    """The boundary of ownership. ``features`` is the wire document of ``spec.features``, as JSON."""

    guid: str
    name: str
    organization_guid: str
    creator_guid: str
    created_at: datetime
    updated_at: datetime
    labels: Mapping[str, str] = field(default_factory=dict)
    features: bytes = b"{}"


@dataclass(frozen=True, slots=True)
class UserGroup:
    """Members of an organization who hold roles together."""

    guid: str
    name: str
    organization_guid: str
    creator_guid: str
    created_at: datetime
    updated_at: datetime
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Member:
    """A user's role names in an organization, project or group.

    ``implied`` are those that the sign-in provider's claims gave.
    """

    user: User
    role_names: tuple[str, ...]
    implied: tuple[str, ...] = ()

    @property
    def all_roles(self) -> tuple[str, ...]:
        """The role names from wherever they are, each once."""
        return tuple(dict.fromkeys((*self.role_names, *self.implied)))


@dataclass(frozen=True, slots=True)
class GroupMember:
    """A group's role names in an organization or project."""

    group: UserGroup
    role_names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SubjectRef:
    """Somebody as a document names them: by guid or by name (a person's name is the address)."""

    kind: Literal["User", "UserGroup", "ServiceAccount"]
    name: str = ""
    guid: str = ""

    def __str__(self) -> str:
        return self.name or self.guid


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking: a signed-in user and the token that the request came with.

    The token allows at most ``ceiling``, whatever the user's roles. With ``scopes`` it allows only what
    they say, and with ``project_guid`` only in that project.
    """

    user: User
    token_guid: str
    expires_at: datetime
    ceiling: Permission = Permission.MANAGE_ORGANIZATION
    token_name: str = ""
    scopes: tuple[Scope, ...] = ()
    project_guid: str = ""
    via: str = ""

    def has_scope(self, kind: ScopeKind, name: str = "") -> bool:
        """Whether the token may do what needs ``kind``, for the secret ``name`` where one is given."""
        return not self.scopes or any(scope.covers(kind, name) for scope in self.scopes)

    @property
    def holder(self) -> str:
        """Who keeps credentials here: a program by its token, a person whatever session it is."""
        return self.token_guid if self.token_name else self.user.guid


@dataclass(frozen=True, slots=True)
class Access:
    """A principal inside one project, with what it may do there."""

    principal: Principal
    project: Project
    organization: Organization
    permission: Permission

    @property
    def actor(self) -> str:
        """The address that the audit trail names."""
        return self.principal.user.email

    def may(self, permission: Permission) -> bool:
        """Whether ``permission`` is included."""
        return self.permission >= permission


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token as it is stored: by its SHA-256, never itself.

    ``kind`` is ``login`` for those that signing in makes, ``api`` for those that people make for programs
    under a ``name``, which allow at most ``ceiling``, and only their ``scopes`` where they have any.
    A session says how it began (``via``: ``password``, ``sso``, ``device PROGRAM`` ...) and from where
    (``peer``), which session approved it (``parent_guid``) and the provider's own id of it.
    """

    guid: str
    user_guid: str
    digest: bytes
    created_at: datetime
    expires_at: datetime
    kind: str = "login"
    name: str = ""
    ceiling: Permission = Permission.MANAGE_ORGANIZATION
    scopes: tuple[Scope, ...] = ()
    project_guid: str = ""
    via: str = ""
    peer: str = ""
    parent_guid: str = ""
    provider_session: str = ""

    @property
    def is_by_provider(self) -> bool:
        """Whether a sign-in provider said who this is, now or when the session was approved."""
        return self.via.endswith("sso")

    def is_valid(self, now: datetime) -> bool:
        """Whether the token has not expired."""
        return now < self.expires_at


class TokenLevel(StrEnum):
    """The ``type`` of ``POST /user/login``: how long the token lives."""

    LOW = "low"
    MEDIUM = "med"
    HIGH = "high"

    @property
    def hours(self) -> int:
        """The life of such a token."""
        return {"low": 24, "med": 7 * 24, "high": 30 * 24}[self.value]

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """Return the level named ``text``; without one, the middle one."""
        return cls(text) if text in set(cls) else cls("med")


def permission_of(project_roles: tuple[str, ...], organization_roles: tuple[str, ...]) -> Permission | None:
    """Return what these roles allow in a project, None when they open nothing."""
    if OrganizationRole.ADMIN in organization_roles:
        return Permission.MANAGE_ORGANIZATION
    granted = [_ROLE_MAY[ProjectRole(name)] for name in project_roles if name in set(ProjectRole)]
    return max(granted, default=None)
