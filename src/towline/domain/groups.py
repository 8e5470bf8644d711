"""What people see and ask of organizations, user groups and service accounts: values beyond the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from towline.domain.account import GroupMember, Member, Organization, SubjectRef, User, UserGroup
from towline.domain.joining import ClaimRule, Invitation


@dataclass(frozen=True, slots=True)
class GroupDraft:
    """A group as somebody asks for it; ``members`` and ``roles`` stay as they are where they are None.

    ``roles``: kind, name and guid of what a role is for, and the role's name.
    """

    name: str
    description: str = ""
    labels: Mapping[str, str] | None = None
    members: Mapping[SubjectRef, Sequence[str]] | None = None
    roles: Sequence[tuple[str, str, str, str]] | None = None


@dataclass(frozen=True, slots=True)
class HeldRole:
    """A role of a group: kind, name and guid of what it is for, and its name."""

    kind: str
    name: str
    guid: str
    role: str


@dataclass(frozen=True, slots=True)
class GroupView:
    """A group with its organization, members, and the roles that it holds."""

    group: UserGroup
    organization: Organization
    members: Sequence[Member]
    roles: Sequence[HeldRole]


@dataclass(frozen=True, slots=True)
class ServiceAccountDraft:
    """A service account as somebody asks for it; ``roles`` stay as they are where they are None.

    ``roles``: kind, name and guid of what roles are for, and the roles' names.
    """

    name: str
    description: str = ""
    labels: Mapping[str, str] | None = None
    roles: Sequence[tuple[str, str, str, tuple[str, ...]]] | None = None


@dataclass(frozen=True, slots=True)
class ServiceAccountView:
    """A service account with its organization, and its roles by kind, name and guid of what they are for."""

    account: User
    organization: Organization
    roles: Sequence[tuple[str, str, str, tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class Membership:
    """An organization with its members and the groups that hold roles in it.

    ``invited`` are invitations just made, each with its secret, which is told this once.
    """

    organization: Organization
    members: Sequence[Member]
    groups: Sequence[GroupMember] = ()
    invited: Sequence[tuple[Invitation, str]] = ()


@dataclass(frozen=True, slots=True)
class NamedRule:
    """A rule about the provider's claims, with kind and name of what it gives a role in."""

    rule: ClaimRule
    kind: str
    name: str
