"""What a transaction knows about people: profiles, own organizations, permissions. Plain functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from towline.domain.account import Permission, permission_of
from towline.domain.errors import NotAllowed, NotFound
from towline.domain.listing import LabelSelector
from towline.services.paging import every

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towline.domain.account import Organization, Principal, Project, User, UserGroup
    from towline.ports import Transaction


@dataclass(frozen=True, slots=True)
class Profile:
    """A user with all organizations, projects and groups, and the user's role names in each."""

    user: User
    organizations: tuple[tuple[Organization, tuple[str, ...]], ...]
    projects: tuple[tuple[Project, Organization, tuple[str, ...]], ...]
    groups: tuple[tuple[UserGroup, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Granted:
    """What a user may do in a project."""

    project: Project
    organization: Organization
    permission: Permission


@dataclass(frozen=True, slots=True)
class Powers:
    """What a user may do in an organization, and in each of its projects by guid."""

    in_organization: Permission
    in_projects: Mapping[str, Permission]


def granted(tx: Transaction, principal: Principal, project_guid: str, *, permission: Permission) -> Granted:
    """Return what the principal may do in a project.

    Raises NotFound where there is none that the principal sees, NotAllowed where ``permission`` is more.
    """
    require_project(principal, project_guid)
    project = tx.tenants.project(project_guid)
    if project is None:
        raise NotFound("project", project_guid)
    user = principal.user.guid
    present = permission_of(
        tx.tenants.roles(project.guid, user), tx.tenants.roles(project.organization_guid, user)
    )
    if present is None:
        raise NotFound("project", project_guid)
    present = min(present, principal.ceiling)
    require(present, permission)
    return Granted(project, organization_of(tx, project), present)


def require_project(principal: Principal, project_guid: str) -> None:
    """Raise NotFound where the principal's token is for another project."""
    if principal.project_guid and principal.project_guid != project_guid:
        raise NotFound("project", project_guid)


def require(present: Permission, wanted: Permission) -> None:
    """Raise NotAllowed, in the words that clients of rapyuta.io know, unless ``present`` is enough."""
    if present < wanted:
        raise NotAllowed("subject is not authorized for this operation")


def is_operator(tx: Transaction, principal: Principal) -> bool:
    """Whether the principal runs the installation: an admin of the organization it was set up with."""
    first = tx.tenants.first_organization()
    roles = tx.tenants.roles(first.guid, principal.user.guid) if first is not None else ()
    present = permission_of((), roles) or Permission.SIGNED_IN
    return min(present, principal.ceiling) >= Permission.MANAGE_ORGANIZATION


def require_operator(tx: Transaction, principal: Principal) -> None:
    """Raise NotAllowed unless the principal runs the installation."""
    if not is_operator(tx, principal):
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


def powers_of(tx: Transaction, principal: Principal, guid: str, *, user_guid: str) -> Powers:
    """Return what a user may do in an organization; the principal where ``user_guid`` is empty.

    Raises NotAllowed for another user unless the principal is the organization's admin, NotFound for
    one who is not in it.
    """
    organization, own = own_organization(tx, principal, guid)
    wanted = user_guid or principal.user.guid
    ceiling = Permission.MANAGE_ORGANIZATION
    if wanted == principal.user.guid:
        ceiling, roles = principal.ceiling, own
    else:
        held = permission_of((), own) or Permission.SIGNED_IN
        require(min(held, principal.ceiling), Permission.MANAGE_ORGANIZATION)
        roles = tx.tenants.roles(organization.guid, wanted)
        if not roles:
            raise NotFound("user", wanted)
    visible = every(
        lambda page: tx.tenants.projects_of(
            wanted, page, organizations=(organization.guid,), selector=LabelSelector()
        )
    )
    in_projects = {project.guid: permission_of(mine, roles) for project, mine in visible}
    return Powers(
        min(permission_of((), roles) or Permission.SIGNED_IN, ceiling),
        {project: min(each, ceiling) for project, each in in_projects.items() if each is not None},
    )


def colleague(tx: Transaction, principal: Principal, email: str) -> Profile:
    """Return somebody of the principal's organizations, as far as those go; raise NotFound."""
    found = tx.accounts.user(email=email)
    if found is None:
        raise NotFound("user", email)
    user = found[0]
    shared = tuple(
        (organization, tx.tenants.roles(organization.guid, user.guid))
        for organization, _ in tx.tenants.organizations_of(principal.user.guid)
    )
    organizations = tuple(each for each in shared if each[1])
    if not organizations:
        raise NotFound("user", email)
    return Profile(user, organizations, ())


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
    groups = tuple(tx.groups.of_user(user_guid))
    return Profile(user, tuple(tx.tenants.organizations_of(user_guid)), projects, groups)
