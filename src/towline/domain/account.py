"""People, organizations, projects, and who may do what.

Role names are those that rapyuta.io's clients show; ``project_developer`` is ours, between viewer
and admin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Self

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
    """A person with an account."""

    guid: str
    email: str
    first_name: str
    last_name: str
    created_at: datetime

    @property
    def name(self) -> str:
        """First and last name, or the address where neither is known."""
        return f"{self.first_name} {self.last_name}".strip() or self.email


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
class Member:
    """A user's role names in an organization or project."""

    user: User
    role_names: tuple[str, ...]


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
