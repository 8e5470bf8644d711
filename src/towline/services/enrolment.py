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
    from datetime import datetime

    from towline.ports import NewGuid, Transaction

_MOST_NAME = 100
_MOST_DESCRIPTION = 1000


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


def new_person_guid(new_guid: NewGuid) -> str:
    """Return a fresh identifier of a user: rapyuta.io's clients show a creator's as a UUID."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, new_guid("user")))


def description_text(text: str) -> str:
    """Return what is said about a group or service account if it may be shown anywhere."""
    bare = text.strip()
    if len(bare) > _MOST_DESCRIPTION or not bare.replace("\n", "").isprintable():
        rule = f"use at most {_MOST_DESCRIPTION} printable characters"
        raise InvalidInput("spec.description", problem="cannot be kept", rule=rule)
    return bare


def enrol(
    tx: Transaction, enrolment: Enrolment, *, password_hash: str, new_guid: NewGuid, at: datetime
) -> User:
    """Insert the user, and organization and project where they are absent, with the user's roles.

    Who brings a new organization is its admin; who joins one is a member, and admin of the project.
    """
    user = User(
        new_person_guid(new_guid),
        enrolment.email,
        enrolment.first_name,
        last_name=enrolment.last_name,
        created_at=at,
    )
    tx.accounts.add_user(user, password_hash=password_hash)
    if enrolment.organization:
        organization = _join(tx, user, enrolment.organization, new_guid=new_guid)
        if enrolment.project:
            _join_project(tx, user, organization, enrolment.project, new_guid=new_guid)
    return user


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
