"""Rows of user groups and of the roles that they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towline.domain.account import GroupMember, UserGroup
    from towline.domain.listing import LabelSelector, Listing, Page


class GroupRows(Protocol):
    """Groups of organizations. Who is in one is told by ``TenantRows.members`` of its guid."""

    def add(self, group: UserGroup) -> None:
        """Insert a group; raise Conflict if the organization has one of that name."""

    def save(self, group: UserGroup) -> None:
        """Replace description, labels and updated_at; raise NotFound."""

    def remove(self, guid: str) -> None:
        """Delete a group with its membership, roles and rules."""

    def get(self, organization_guid: str, *, name: str = "", guid: str = "") -> UserGroup | None:
        """Return an organization's group by guid or, without one, by name."""

    def page(
        self,
        organization_guid: str,
        page: Page,
        *,
        selector: LabelSelector,
        name: str = "",
        guid: str = "",
    ) -> Listing[UserGroup]:
        """Return a page of an organization's groups."""

    def of_user(self, user_guid: str) -> Sequence[tuple[UserGroup, tuple[str, ...]]]:
        """Return the groups that somebody is in, with the role names there, by name."""

    def set_roles(self, owner_guid: str, group_guid: str, role_names: tuple[str, ...]) -> None:
        """Give a group these roles in an organization or project; an empty tuple takes them away."""

    def roles_of(self, group_guid: str) -> Sequence[tuple[str, tuple[str, ...]]]:
        """Return what a group holds: guids of organizations and projects, with the role names there."""

    def holding(self, owner_guid: str) -> Sequence[GroupMember]:
        """Return the groups that hold roles in an organization or project, by name."""
