"""The rows that make a person a member: user, organization, project, roles. Plain functions on a
transaction, so that all of it happens or nothing does.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from towline.domain.account import (
    Organization,
    OrganizationRole,
    Project,
    ProjectRole,
    User,
)
from towline.domain.errors import InvalidInput
from towline.domain.names import email_address, project_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from towline.domain.account import Member
    from towline.ports import NewGuid, Transaction

_MOST_NAME = 100


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A person who is to get an account, already checked; empty organization or project: none."""

    email: str
    first_name: str = ""
    last_name: str = ""
    organization: str = ""
    project: str = ""

    @classmethod
    def checked(
        cls, *, email: str, first_name: str, last_name: str, organization: str, project: str
    ) -> Enrolment:
        """Return the enrolment, or raise InvalidInput naming the field."""
        if project and not organization:
            raise InvalidInput("organization", problem="is empty", rule="a project needs an organization")
        return cls(
            email_address(email, field="email"),
            person_name(first_name, field="firstName"),
            person_name(last_name, field="lastName"),
            organization=person_name(organization, field="organization"),
            project=project and project_name(project, field="project"),
        )

    def with_place(self) -> Enrolment:
        """Return the enrolment of a first user, who needs an organization and a project to do anything."""
        for field, text in (("organization", self.organization), ("project", self.project)):
            if not text:
                raise InvalidInput(field, problem="is empty", rule="the first user needs one")
        return self


def person_name(text: str, *, field: str) -> str:
    """Return a name of a person or organization if it may be shown anywhere."""
    bare = text.strip()
    if len(bare) > _MOST_NAME or not bare.isprintable():
        raise InvalidInput(
            field, problem="is not a legal name", rule=f"use at most {_MOST_NAME} printable characters"
        )
    return bare


def enrol(
    tx: Transaction, enrolment: Enrolment, *, password_hash: str, new_guid: NewGuid, at: datetime
) -> User:
    """Insert the user, and organization and project where they are absent, with the user's roles.

    Who brings a new organization is its admin; who joins one is a member, and admin of the project.
    """
    # rapyuta.io's clients show a creator's identifier as a UUID
    guid = str(uuid.uuid5(uuid.NAMESPACE_OID, new_guid("user")))
    user = User(guid, enrolment.email, enrolment.first_name, last_name=enrolment.last_name, created_at=at)
    tx.accounts.add_user(user, password_hash=password_hash)
    if enrolment.organization:
        organization = _join(tx, user, enrolment.organization, new_guid=new_guid)
        if enrolment.project:
            _join_project(tx, user, organization, enrolment.project, new_guid=new_guid)
    return user


def replace_members(
    tx: Transaction, organization: Organization, members: Mapping[str, tuple[str, ...]]
) -> Sequence[Member]:
    """Make ``members`` (by address or guid) the whole membership; at least one admin must remain."""
    wanted = {_known_user(tx, name).guid: _checked_roles(roles) for name, roles in members.items()}
    if not any(OrganizationRole.ADMIN in roles for roles in wanted.values()):
        raise InvalidInput(
            "spec.members",
            problem="would leave the organization without an admin",
            rule=f"keep one member with the role {OrganizationRole.ADMIN.value!r}",
        )
    for present in tx.tenants.members(organization.guid):
        if present.user.guid not in wanted:
            tx.tenants.set_member(organization.guid, present.user.guid, ())
    for guid, roles in wanted.items():
        tx.tenants.set_member(organization.guid, guid, roles)
    return tx.tenants.members(organization.guid)


def _join(tx: Transaction, user: User, name: str, *, new_guid: NewGuid) -> Organization:
    known = tx.tenants.organization_named(name)
    if known is not None:
        tx.tenants.set_member(known.guid, user.guid, (OrganizationRole.MEMBER.value,))
        return known
    guid = new_guid("org")
    short = guid.removeprefix("org-")[:5]
    made = Organization(guid, name, short, creator_guid=user.guid, created_at=user.created_at)
    tx.tenants.add_organization(made)
    tx.tenants.set_member(guid, user.guid, (OrganizationRole.ADMIN.value,))
    return made


def _join_project(
    tx: Transaction, user: User, organization: Organization, name: str, *, new_guid: NewGuid
) -> None:
    project = tx.tenants.project_named(organization.guid, name)
    if project is None:
        project = Project(
            new_guid("project"),
            name,
            organization_guid=organization.guid,
            creator_guid=user.guid,
            created_at=user.created_at,
            updated_at=user.created_at,
        )
        tx.tenants.add_project(project)
    tx.tenants.set_member(project.guid, user.guid, (ProjectRole.ADMIN.value,))


def _known_user(tx: Transaction, name: str) -> User:
    found = tx.accounts.user(email=name) if "@" in name else tx.accounts.user(guid=name)
    if found is None:
        raise InvalidInput(
            "spec.members", problem=f"{name[:80]!a} has no account here", rule="create the user first"
        )
    return found[0]


def _checked_roles(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name not in set(OrganizationRole):
            known = ", ".join(role.value for role in OrganizationRole)
            raise InvalidInput(
                "spec.members.roleNames", problem=f"{name[:60]!a} is no role", rule=f"use one of {known}"
            )
    if not names:
        return (OrganizationRole.MEMBER.value,)
    return tuple(dict.fromkeys(names))
