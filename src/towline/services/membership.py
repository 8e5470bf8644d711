"""Who holds which role in an organization, project or group. Plain functions on a transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.domain.account import GroupRole, OrganizationRole, Permission, ProjectRole, permission_of
from towline.domain.errors import InvalidInput, NotFound
from towline.services.people import own_organization, require

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from enum import StrEnum

    from towline.domain.account import Organization, Principal, Project, SubjectRef, User, UserGroup
    from towline.ports import Transaction

Roles = tuple[str, ...]
MOST_MEMBERS = 1000


def managed_organization(tx: Transaction, principal: Principal, guid: str) -> Organization:
    """Return an organization of which the principal is an admin; raise NotFound or NotAllowed."""
    organization, roles = own_organization(tx, principal, guid)
    present = permission_of((), roles) or Permission.SIGNED_IN
    require(min(present, principal.ceiling), Permission.MANAGE_ORGANIZATION)
    return organization


def subject_of(tx: Transaction, organization_guid: str, ref: SubjectRef, *, field: str) -> User | UserGroup:
    """Return the user or group of an organization that ``ref`` names; raise InvalidInput for anybody else."""
    found: User | UserGroup | None
    if ref.kind == "UserGroup":
        found = tx.groups.get(organization_guid, name=ref.name, guid=ref.guid)
    elif ref.kind == "ServiceAccount" and not ref.guid:
        found = tx.accounts.service_account(organization_guid, ref.name)
    else:
        known = tx.accounts.user(guid=ref.guid, email=ref.name) if ref.guid or ref.name else None
        found = known[0] if known and known[0].kind == ref.kind else None
        if found is not None and not tx.tenants.roles(organization_guid, found.guid):
            found = None
    if found is None:
        words = {"User": "member", "UserGroup": "user group", "ServiceAccount": "service account"}
        raise InvalidInput(
            field,
            problem=f"{str(ref)[:80]!a} is no {words[ref.kind]} of this organization",
            rule="add it there first",
        )
    return found


def checked_roles(names: Sequence[str], roles: type[StrEnum], *, field: str) -> Roles:
    """Return role names, each once; raise InvalidInput for one that is none of ``roles``."""
    for name in names:
        if name not in set(roles):
            rule = f"use one of {', '.join(role.value for role in roles)}"
            raise InvalidInput(field, problem=f"{name[:60]!a} is no role here", rule=rule)
    return tuple(dict.fromkeys(names))


def checked_size(members: Mapping[SubjectRef, Sequence[str]] | None, *, field: str) -> None:
    """Raise InvalidInput for more members than a list may hold."""
    if members is not None and len(members) > MOST_MEMBERS:
        raise InvalidInput(field, problem=f"holds {len(members)}", rule=f"use at most {MOST_MEMBERS}")


def set_project_members(
    tx: Transaction, project: Project, members: Mapping[SubjectRef, Sequence[str]]
) -> None:
    """Make ``members`` the whole of who holds roles in a project by name; raise InvalidInput.

    A member without roles is left out: that is how those are written whose roles come from elsewhere.
    """
    field = "spec.members"
    checked_size(members, field=field)
    users: dict[str, Roles] = {}
    groups: dict[str, Roles] = {}
    for ref, names in members.items():
        if not (roles := checked_roles(names, ProjectRole, field=f"{field}.roleNames")):
            continue
        kept = groups if ref.kind == "UserGroup" else users
        kept[project_member(tx, project, ref)] = roles
    for member in tx.tenants.members(project.guid):
        if member.role_names and member.user.guid not in users:
            tx.tenants.set_member(project.guid, member.user.guid, ())
    for holding in tx.groups.holding(project.guid):
        if holding.group.guid not in groups:
            tx.groups.set_roles(project.guid, holding.group.guid, ())
    for guid, roles in users.items():
        tx.tenants.set_member(project.guid, guid, roles)
    for guid, roles in groups.items():
        tx.groups.set_roles(project.guid, guid, roles)


def owner_of_role(tx: Transaction, organization: Organization, kind: str, name: str, guid: str) -> str:
    """Return the guid of the organization, project or group that a role is for; raise InvalidInput."""
    found = ""
    if kind == "Organization" and organization.guid == (guid or organization.guid):
        found = organization.guid if guid or name == organization.name else ""
    elif kind == "Project":
        project = tx.tenants.project(guid) if guid else tx.tenants.project_named(organization.guid, name)
        found = project.guid if project and project.organization_guid == organization.guid else ""
    elif kind == "UserGroup":
        group = tx.groups.get(organization.guid, name=name, guid=guid)
        found = group.guid if group else ""
    if not found:
        problem = f"{(name or guid)[:80]!a} is no {kind} of organization {organization.name!r}"
        raise InvalidInput("spec.roles.domain", problem=problem, rule="name one that is there")
    return found


def roles_for(owner_guid: str) -> type[StrEnum]:
    """Return the roles that there are in what ``owner_guid`` names."""
    if owner_guid.startswith("project-"):
        return ProjectRole
    return GroupRole if owner_guid.startswith("group-") else OrganizationRole


def named_owner(tx: Transaction, owner_guid: str) -> tuple[str, str]:
    """Return kind and name of what a role is for; raise NotFound."""
    if owner_guid.startswith("project-"):
        if (project := tx.tenants.project(owner_guid)) is not None:
            return "Project", project.name
    elif (organization := tx.tenants.organization(owner_guid)) is not None:
        return "Organization", organization.name
    raise NotFound("owner", owner_guid)


def project_member(tx: Transaction, project: Project, ref: SubjectRef) -> str:
    """Return the guid of somebody of the organization, or of who is in the project already.

    Raises InvalidInput for anybody else.
    """
    present = {member.user.guid: member.user for member in tx.tenants.members(project.guid)}
    for user in present.values():
        named = user.email.casefold() if user.is_person else user.first_name
        if ref.kind == user.kind and ref.guid in ("", user.guid) and ref.name.casefold() in ("", named):
            return user.guid
    return subject_of(tx, project.organization_guid, ref, field="spec.members.subject").guid
