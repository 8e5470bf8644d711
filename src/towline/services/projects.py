"""Projects: the boundary of ownership."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from towline.domain.account import Permission, Project, ProjectRole
from towline.domain.errors import Conflict
from towline.domain.listing import LabelSelector, Listing, Page
from towline.domain.names import project_name
from towline.domain.secret import checked_labels
from towline.ports import DeploymentQuery
from towline.services.audit import entry_by
from towline.services.membership import project_member, set_project_members
from towline.services.people import granted, organization_of, own_organization, require

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from towline.domain.account import GroupMember, Member, Organization, Principal, SubjectRef
    from towline.ports import Clock, NewGuid, Store, Transaction

ProjectView = tuple[Project, "Organization", "Sequence[Member]", "Sequence[GroupMember]"]
"""A project with its organization, members, and groups that hold roles in it."""


class Projects:
    """Projects by guid, as seen by one principal.

    ``on_change`` is called after every change, so that remembered permissions are forgotten.
    """

    def __init__(
        self, *, store: Store, clock: Clock, new_guid: NewGuid, on_change: Callable[[], None]
    ) -> None:
        self._store = store
        self._clock = clock
        self._new_guid = new_guid
        self._on_change = on_change

    async def list(
        self,
        principal: Principal,
        page: Page,
        *,
        selector: LabelSelector,
        organizations: Sequence[str] = (),
        name: str = "",
    ) -> Listing[tuple[Project, Organization]]:
        """Return a page of the projects that the principal may see."""

        def question(tx: Transaction) -> Listing[tuple[Project, Organization]]:
            listing = tx.tenants.projects_of(
                principal.user.guid, page, organizations=organizations, name=name, selector=selector
            )
            items = tuple((project, organization_of(tx, project)) for project, _ in listing.items)
            return Listing(items, listing.next)

        return await self._store.read(question)

    async def create(
        self,
        principal: Principal,
        *,
        name: str,
        organization_guid: str,
        labels: Mapping[str, str],
        features: bytes = b"{}",
        members: Mapping[SubjectRef, Sequence[str]] | None = None,
    ) -> tuple[Project, Organization]:
        """Make a project whose admin is the principal, beside ``members``; raise Conflict for a taken name.

        Every member of an organization may. Without ``organization_guid`` it is the user's first.
        """
        require(principal.ceiling, Permission.MANAGE_ORGANIZATION)
        at = self._clock()
        draft = Project(
            self._new_guid("project"),
            project_name(name),
            organization_guid=organization_guid,
            creator_guid=principal.user.guid,
            created_at=at,
            updated_at=at,
            labels=checked_labels(labels),
            features=features,
        )

        def change(tx: Transaction) -> tuple[Project, Organization]:
            organization, _ = own_organization(tx, principal, organization_guid)
            project = replace(draft, organization_guid=organization.guid)
            tx.tenants.add_project(project)
            if members is not None:
                set_project_members(tx, project, members)
            tx.tenants.set_member(project.guid, principal.user.guid, (ProjectRole.ADMIN.value,))
            self._note(tx, principal, "project.created", project)
            return project, organization

        made = await self._store.write(change)
        self._on_change()
        return made

    async def get(self, principal: Principal, guid: str) -> ProjectView:
        """Return a project; raise NotFound where the principal sees none."""

        def question(tx: Transaction) -> ProjectView:
            return _view(tx, granted(tx, principal, guid, permission=Permission.VIEW).project)

        return await self._store.read(question)

    async def update(
        self,
        principal: Principal,
        guid: str,
        *,
        labels: Mapping[str, str],
        features: bytes,
        members: Mapping[SubjectRef, Sequence[str]] | None = None,
    ) -> ProjectView:
        """Replace labels, features and, unless None, the members by name; raise InvalidInput.

        The principal must be able to manage the project.
        """
        kept = checked_labels(labels)
        at = self._clock()

        def change(tx: Transaction) -> ProjectView:
            project = granted(tx, principal, guid, permission=Permission.MANAGE_PROJECT).project
            changed = replace(project, labels=kept, features=features, updated_at=at)
            tx.tenants.save_project(changed)
            if members is not None:
                set_project_members(tx, changed, members)
            self._note(tx, principal, "project.updated", changed, members=_listed(tx, changed, members))
            return _view(tx, changed)

        view = await self._store.write(change)
        self._on_change()
        return view

    async def set_role(
        self, principal: Principal, guid: str, subject: SubjectRef, *, role: ProjectRole | None
    ) -> ProjectView:
        """Give a user or group of the organization a role in a project, or take a member of it out.

        The principal must be able to manage the project; raise InvalidInput for anybody else.
        """

        def change(tx: Transaction) -> ProjectView:
            project = granted(tx, principal, guid, permission=Permission.MANAGE_PROJECT).project
            member = project_member(tx, project, subject)
            roles = (role.value,) if role else ()
            if subject.kind == "UserGroup":
                tx.groups.set_roles(project.guid, member, roles)
            else:
                tx.tenants.set_member(project.guid, member, roles)
            named = str(subject)
            self._note(tx, principal, "project.member-set", project, member=named, role=role or "none")
            return _view(tx, project)

        view = await self._store.write(change)
        self._on_change()
        return view

    async def delete(self, principal: Principal, guid: str) -> None:
        """Delete a project with all in it; raise Conflict while it has deployments or disks, naming them."""

        def change(tx: Transaction) -> None:
            project = granted(tx, principal, guid, permission=Permission.MANAGE_PROJECT).project
            _refuse_while_used(tx, project)
            tx.tenants.remove_project(project.guid)
            self._note(tx, principal, "project.deleted", project)

        await self._store.write(change)
        self._on_change()

    def _note(
        self, tx: Transaction, principal: Principal, action: str, project: Project, **detail: str
    ) -> None:
        tx.audit.append(
            entry_by(
                principal.user.email,
                action,
                project.guid,
                at=self._clock(),
                project_guid=project.guid,
                name=project.name,
                **detail,
            )
        )


def _view(tx: Transaction, project: Project) -> ProjectView:
    members, groups = tx.tenants.members(project.guid), tx.groups.holding(project.guid)
    return project, organization_of(tx, project), members, groups


def _listed(tx: Transaction, project: Project, members: Mapping[SubjectRef, Sequence[str]] | None) -> str:
    """Return who holds which role now, for the audit trail; empty where members were not asked for."""
    if members is None:
        return ""
    users = [f"{each.user.email}={','.join(each.role_names)}" for each in tx.tenants.members(project.guid)]
    groups = [f"{each.group.name}={','.join(each.role_names)}" for each in tx.groups.holding(project.guid)]
    return " ".join((*users, *groups))


def _refuse_while_used(tx: Transaction, project: Project) -> None:
    live = tx.deployments.page(project.guid, Page(limit=5), query=DeploymentQuery())
    if live.items:
        names = ", ".join(deployment.name for deployment in live.items)
        raise Conflict(f"project {project.name!r} still has deployments ({names}); delete them first")
    kept = tx.disks.page(project.guid, Page(limit=5), selector=LabelSelector())
    if kept.items:
        names = ", ".join(disk.name for disk in kept.items)
        raise Conflict(f"project {project.name!r} still has disks ({names}); delete them first")
