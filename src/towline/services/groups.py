"""User groups: members of an organization who hold roles together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from towline.domain.account import GroupRole, Permission, UserGroup
from towline.domain.errors import InvalidInput, NotFound
from towline.domain.groups import GroupDraft, GroupView, HeldRole
from towline.domain.listing import Listing
from towline.domain.names import group_name
from towline.domain.secret import checked_labels
from towline.services.audit import entry_by
from towline.services.enrolment import description_text
from towline.services.membership import (
    checked_roles,
    checked_size,
    managed_organization,
    named_owner,
    owner_of_role,
    roles_for,
    subject_of,
)
from towline.services.people import own_organization, require

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from towline.domain.account import Organization, Principal, SubjectRef
    from towline.domain.listing import LabelSelector, Page
    from towline.ports import Clock, NewGuid, Store, Transaction


class Groups:
    """Groups of an organization, named by the guid of ``organization`` or, empty, the principal's first.

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
        organization: str,
        page: Page,
        *,
        selector: LabelSelector,
        name: str = "",
        guid: str = "",
    ) -> Listing[GroupView]:
        """Return a page of groups; every member of the organization sees them."""

        def question(tx: Transaction) -> Listing[GroupView]:
            owner, _ = own_organization(tx, principal, organization)
            found = tx.groups.page(owner.guid, page, selector=selector, name=name, guid=guid)
            return Listing(tuple(_view(tx, owner, group) for group in found.items), found.next)

        return await self._store.read(question)

    async def get(self, principal: Principal, organization: str, *, name: str, guid: str = "") -> GroupView:
        """Return a group by guid or, without one, by name; raise NotFound."""

        def question(tx: Transaction) -> GroupView:
            owner, _ = own_organization(tx, principal, organization)
            return _view(tx, owner, _group(tx, owner, name=name, guid=guid))

        return await self._store.read(question)

    async def create(self, principal: Principal, organization: str, draft: GroupDraft) -> GroupView:
        """Make a group; the organization's admins may. Raise Conflict if the name is taken."""
        at = self._clock()
        group = UserGroup(
            self._new_guid("group"),
            group_name(draft.name),
            organization_guid="",
            creator_guid=principal.user.guid,
            created_at=at,
            updated_at=at,
            description=description_text(draft.description),
            labels=checked_labels(draft.labels or {}),
        )

        def change(tx: Transaction) -> GroupView:
            owner = managed_organization(tx, principal, organization)
            made = replace(group, organization_guid=owner.guid)
            tx.groups.add(made)
            _fill(tx, owner, made, draft)
            return self._noted(tx, principal, "user-group.created", owner, made)

        return await self._written(change)

    async def update(
        self, principal: Principal, organization: str, draft: GroupDraft, *, guid: str = ""
    ) -> GroupView:
        """Change a group; the organization's admins may, and the group's own as far as members go."""
        at = self._clock()

        def change(tx: Transaction) -> GroupView:
            owner, _ = own_organization(tx, principal, organization)
            group = _group(tx, owner, name=draft.name, guid=guid)
            if GroupRole.ADMIN in tx.tenants.roles(group.guid, principal.user.guid) and not _touches_roles(
                tx, owner, group, draft
            ):
                require(principal.ceiling, Permission.MANAGE_ORGANIZATION)
            else:
                managed_organization(tx, principal, owner.guid)
            labels = group.labels if draft.labels is None else checked_labels(draft.labels)
            about = description_text(draft.description)
            saved = replace(group, description=about, labels=labels, updated_at=at)
            tx.groups.save(saved)
            _fill(tx, owner, saved, draft)
            return self._noted(tx, principal, "user-group.updated", owner, saved)

        return await self._written(change)

    async def delete(self, principal: Principal, organization: str, *, name: str, guid: str = "") -> None:
        """Delete a group: its members keep the roles that they hold by name."""

        def change(tx: Transaction) -> GroupView:
            owner = managed_organization(tx, principal, organization)
            group = _group(tx, owner, name=name, guid=guid)
            view = self._noted(tx, principal, "user-group.deleted", owner, group)
            tx.groups.remove(group.guid)
            return view

        await self._written(change)

    async def _written(self, change: Callable[[Transaction], GroupView]) -> GroupView:
        view = await self._store.write(change)
        self._on_change()
        return view

    def _noted(
        self, tx: Transaction, principal: Principal, action: str, owner: Organization, group: UserGroup
    ) -> GroupView:
        view = _view(tx, owner, group)
        members = " ".join(f"{each.user.email}={','.join(each.role_names)}" for each in view.members)
        roles = " ".join(f"{each.kind}:{each.name}={each.role}" for each in view.roles)
        row = entry_by(
            principal.user.email,
            action,
            group.guid,
            at=self._clock(),
            name=group.name,
            members=members,
            roles=roles,
        )
        tx.audit.append(row)
        return view


def _group(tx: Transaction, owner: Organization, *, name: str, guid: str) -> UserGroup:
    group = tx.groups.get(owner.guid, name=name, guid=guid)
    if group is None:
        raise NotFound("user group", name or guid)
    return group


def _fill(tx: Transaction, owner: Organization, group: UserGroup, draft: GroupDraft) -> None:
    if draft.members is not None:
        _set_members(tx, owner, group, draft.members)
    if draft.roles is not None:
        held = _wanted_roles(tx, owner, draft.roles)
        for present, _ in tx.groups.roles_of(group.guid):
            tx.groups.set_roles(present, group.guid, held.get(present, ()))
        for guid, roles in held.items():
            tx.groups.set_roles(guid, group.guid, roles)


def _set_members(
    tx: Transaction, owner: Organization, group: UserGroup, members: Mapping[SubjectRef, Sequence[str]]
) -> None:
    field = "spec.members"
    checked_size(members, field=field)
    wanted: dict[str, tuple[str, ...]] = {}
    for ref, names in members.items():
        if ref.kind == "UserGroup":
            raise InvalidInput(f"{field}.subject", problem="is a group", rule="groups hold users alone")
        roles = checked_roles(names, GroupRole, field=f"{field}.roleNames")
        user = subject_of(tx, owner.guid, ref, field=f"{field}.subject")
        wanted[user.guid] = roles or (GroupRole.MEMBER.value,)
    for member in tx.tenants.members(group.guid):
        if member.role_names and member.user.guid not in wanted:
            tx.tenants.set_member(group.guid, member.user.guid, ())
    for guid, roles in wanted.items():
        tx.tenants.set_member(group.guid, guid, roles)


def _wanted_roles(
    tx: Transaction, owner: Organization, roles: Sequence[tuple[str, str, str, str]]
) -> Mapping[str, tuple[str, ...]]:
    wanted: dict[str, tuple[str, ...]] = {}
    for kind, name, guid, role in roles:
        if kind == "UserGroup":
            raise InvalidInput(
                "spec.roles.domain.kind", problem="is a group", rule="use Project or Organization"
            )
        found = owner_of_role(tx, owner, kind, name, guid)
        [checked] = checked_roles([role], roles_for(found), field="spec.roles.roleName")
        wanted[found] = tuple(dict.fromkeys((*wanted.get(found, ()), checked)))
    return wanted


def _touches_roles(tx: Transaction, owner: Organization, group: UserGroup, draft: GroupDraft) -> bool:
    if draft.roles is None:
        return False
    wanted = {guid: set(roles) for guid, roles in _wanted_roles(tx, owner, draft.roles).items()}
    return wanted != {guid: set(roles) for guid, roles in tx.groups.roles_of(group.guid)}


def _view(tx: Transaction, owner: Organization, group: UserGroup) -> GroupView:
    held = [
        HeldRole(*named_owner(tx, guid), guid=guid, role=role)
        for guid, roles in tx.groups.roles_of(group.guid)
        for role in roles
    ]
    return GroupView(group, owner, tx.tenants.members(group.guid), tuple(held))
