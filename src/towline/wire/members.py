"""Members on the wire, as organizations, projects and user groups show and take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from towline.domain.account import GroupMember, Member, SubjectRef, User
from towline.domain.errors import InvalidInput
from towline.wire.problems import required

_KINDS = {"user": "User", "usergroup": "UserGroup", "serviceaccount": "ServiceAccount"}
_DOMAINS = {"organization": "Organization", "project": "Project", "usergroup": "UserGroup"}


class Subject(msgspec.Struct, omit_defaults=True):
    """Who is a member: a User by address, a UserGroup or ServiceAccount by name, or any by guid."""

    kind: str | None = None
    name: str | None = None
    guid: str | None = None


class MemberIn(msgspec.Struct):
    """A member and its role names; what implies further ones is read-only and ignored."""

    subject: Subject | None = None
    role_names: list[str] | None = msgspec.field(default=None, name="roleNames")


class MemberDocument(msgspec.Struct, omit_defaults=True):
    """A member as shown: roles by name, and those that the sign-in provider's claims give."""

    subject: Subject
    role_names: list[str] = msgspec.field(name="roleNames")
    implicit_role_names: list[str] | None = msgspec.field(default=None, name="implicitRoleNames")


class Domain(msgspec.Struct, omit_defaults=True):
    """What a role is for: an Organization, Project or UserGroup, by name or guid."""

    kind: str | None = None
    name: str | None = None
    guid: str | None = None


DomainRef = tuple[str, str, str]
"""Kind, name and guid of what a role is for."""


def members_in(members: Sequence[MemberIn], *, field: str) -> Mapping[SubjectRef, tuple[str, ...]]:
    """Return role names by whom they are for."""
    wanted: dict[SubjectRef, tuple[str, ...]] = {}
    for at, member in enumerate(members):
        place = f"{field}[{at}]"
        names = required(member.role_names, field=f"{place}.roleNames")
        wanted[_subject_in(member.subject, place=f"{place}.subject")] = tuple(names)
    return wanted


def member_documents(members: Sequence[Member], groups: Sequence[GroupMember] = ()) -> list[MemberDocument]:
    """Return users and service accounts, then groups."""
    return [*(_member_document(each) for each in members), *(_group_document(each) for each in groups)]


def subject_document(user: User) -> Subject:
    """Return a user or service account as documents name it."""
    return Subject(kind=user.kind.value, name=shown_name(user), guid=user.guid)


def shown_name(user: User) -> str:
    """Return the name by which documents name a user or service account."""
    return user.email if user.is_person else user.first_name


def domain_in(domain: Domain | None, *, field: str) -> DomainRef:
    """Return what a role is for."""
    given = required(domain, field=field)
    kind = _DOMAINS.get((given.kind or "").lower())
    if kind is None or not (given.name or given.guid):
        raise InvalidInput(
            field,
            problem="names nothing that roles are for",
            rule=f"give kind ({', '.join(_DOMAINS.values())}) and name or guid",
        )
    return kind, given.name or "", given.guid or ""


def _subject_in(subject: Subject | None, *, place: str) -> SubjectRef:
    if subject is None or not (subject.guid or subject.name):
        raise InvalidInput(place, problem="names nobody", rule="give name (of a user the address) or guid")
    kind = _KINDS.get((subject.kind or "User").lower())
    if kind is None:
        rule = f"use one of {', '.join(_KINDS.values())}"
        raise InvalidInput(f"{place}.kind", problem=f"is {(subject.kind or '')[:60]!a}", rule=rule)
    name, guid = subject.name or "", subject.guid or ""
    for text in (name, guid):
        if len(text) > 254 or not text.isprintable():
            raise InvalidInput(place, problem="is no name", rule="give a name or guid")
    if kind == "User" and not guid and "@" not in name:
        name, guid = "", name
    return SubjectRef(_kind(kind), name, guid)


def _kind(text: str) -> Literal["User", "UserGroup", "ServiceAccount"]:
    if text == "User":
        return "User"
    return "UserGroup" if text == "UserGroup" else "ServiceAccount"


def _member_document(member: Member) -> MemberDocument:
    return MemberDocument(
        subject_document(member.user),
        role_names=list(member.role_names),
        implicit_role_names=list(member.implied) or None,
    )


def _group_document(member: GroupMember) -> MemberDocument:
    subject = Subject(kind="UserGroup", name=member.group.name, guid=member.group.guid)
    return MemberDocument(subject, role_names=list(member.role_names))
