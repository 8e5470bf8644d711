"""What a transaction knows about people: profiles, own organizations, permissions. Plain functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from towline.domain.account import Permission, permission_of
from towline.domain.errors import NotAllowed, NotFound
from towline.domain.listing import LabelSelector
from towline.services.paging import every

if TYPE_CHECKING:
    from towline.domain.account import Organization, Principal, Project, User
    from towline.ports import Transaction


@dataclass(frozen=True, slots=True)
class Profile:
    """A user with all organizations and projects, and the user's role names in each."""

    user: User
    organizations: tuple[tuple[Organization, tuple[str, ...]], ...]
    projects: tuple[tuple[Project, Organization, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Granted:
    """What a user may do in a project."""

    project: Project
    organization: Organization
    permission: Permission


def granted(tx: Transaction, principal: Principal, project_guid: str, *, permission: Permission) -> Granted:
    """Return what the principal may do in a project.

    Raises NotFound where there is none that the principal sees, NotAllowed where ``permission`` is more.
    """
    project = tx.tenants.project(project_guid)
    if project is None:
        raise NotFound("project", project_guid)
    user = principal.user.guid
    present = permission_of(
        tx.tenants.roles(project.guid, user), tx.tenants.roles(project.organization_guid, user)
    )
    if present is None:
        raise NotFound("project", project_guid)
    require(present, permission)
    return Granted(project, organization_of(tx, project), present)


def require(present: Permission, wanted: Permission) -> None:
    """Raise NotAllowed, in the words that clients of rapyuta.io know, unless ``present`` is enough."""
    if present < wanted:
        raise NotAllowed("subject is not authorized for this operation")


def organization_of(tx: Transaction, project: Project) -> Organization:
    """Return the owner of a project; raise NotFound if it is gone."""
    organization = tx.tenants.organization(project.organization_guid)
    if organization is None:
        raise NotFound("organization", project.organization_guid)
    return organization


def own_organization(
    tx: Transaction, principal: Principal, guid: str
) -> tuple[Organization, tuple[str, ...]]:
    """Return an organization of the principal's with the roles there; without a guid the first."""
    for organization, roles in tx.tenants.organizations_of(principal.user.guid):
        if not guid or organization.guid == guid:
            return organization, roles
    raise NotFound("organization", guid)


def user_with_hash(tx: Transaction, guid: str) -> tuple[User, str]:
    """Return a user and the password hash; raise NotFound."""
    found = tx.accounts.user(guid=guid)
    if found is None:
        raise NotFound("user", guid)
    return found


def profile_of(tx: Transaction, user_guid: str) -> Profile:
    """Return a user with all organizations and projects; raise NotFound."""
    user, _ = user_with_hash(tx, user_guid)
    visible = every(lambda page: tx.tenants.projects_of(user_guid, page, selector=LabelSelector()))
    projects = tuple((project, organization_of(tx, project), roles) for project, roles in visible)
    return Profile(user, tuple(tx.tenants.organizations_of(user_guid)), projects)
