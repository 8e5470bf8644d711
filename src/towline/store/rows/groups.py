"""Rows of user groups, and of the roles that they hold in organizations and projects."""

from __future__ import annotations

from collections.abc import Sequence

from towline.domain.account import GroupMember, UserGroup
from towline.domain.errors import NotFound
from towline.domain.listing import LabelSelector, Listing, Page
from towline.store.rows.codec import Row, micros, moment, text, value
from towline.store.rows.connection import Connection
from towline.store.rows.paging import Filter
from towline.store.rows.uniqueness import unique

_GROUP = "seq, guid, organization_guid, name, creator_guid, created_at, updated_at, description, labels"


class Groups:
    """The port ``GroupRows``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, group: UserGroup) -> None:
        """Insert a group; see the port."""
        with unique(f"user group {group.name!r} exists in this organization"):
            self._connection.execute(
                "INSERT INTO user_groups (guid, organization_guid, name, creator_guid, created_at,"
                " updated_at, description, labels) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    group.guid,
                    group.organization_guid,
                    group.name,
                    group.creator_guid,
                    micros(group.created_at),
                    micros(group.updated_at),
                    group.description,
                    text(group.labels),
                ),
            )

    def save(self, group: UserGroup) -> None:
        """Replace description, labels and updated_at."""
        changed = self._connection.execute(
            "UPDATE user_groups SET description = ?, labels = ?, updated_at = ? WHERE guid = ?",
            (group.description, text(group.labels), micros(group.updated_at), group.guid),
        )
        if changed.rowcount == 0:
            raise NotFound("user group", group.name)

    def remove(self, guid: str) -> None:
        """Delete a group with its membership, roles and rules."""
        for table in ("members", "claimed_roles", "claim_rules"):
            self._connection.execute(f"DELETE FROM {table} WHERE owner_guid = ?", (guid,))
        self._connection.execute("DELETE FROM user_groups WHERE guid = ?", (guid,))

    def get(self, organization_guid: str, *, name: str = "", guid: str = "") -> UserGroup | None:
        """Return an organization's group by guid or, without one, by name."""
        column, wanted = ("guid", guid) if guid else ("name", name)
        row = self._connection.execute(
            f"SELECT {_GROUP} FROM user_groups WHERE organization_guid = ? AND {column} = ?",
            (organization_guid, wanted),
        ).fetchone()
        return _group(row) if row else None

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
        wanted = Filter("organization_guid = ?", organization_guid)
        wanted.selected(selector)
        wanted.one_of("name", [name] if name else [])
        wanted.one_of("guid", [guid] if guid else [])
        return wanted.page(self._connection, f"SELECT {_GROUP} FROM user_groups", page, make=_group)

    def of_user(self, user_guid: str) -> Sequence[tuple[UserGroup, tuple[str, ...]]]:
        """Return the groups that somebody is in, with the role names there, by name."""
        rows = self._connection.execute(
            f"SELECT {_GROUP} FROM user_groups"
            " WHERE guid IN (SELECT owner_guid FROM effective_roles WHERE user_guid = ?) ORDER BY name, seq",
            (user_guid,),
        ).fetchall()
        return tuple((_group(row), self._roles_in(row[1], user_guid)) for row in rows)

    def set_roles(self, owner_guid: str, group_guid: str, role_names: tuple[str, ...]) -> None:
        """Give a group these roles; an empty tuple takes them away."""
        if not role_names:
            self._connection.execute(
                "DELETE FROM group_roles WHERE owner_guid = ? AND group_guid = ?", (owner_guid, group_guid)
            )
            return
        self._connection.execute(
            "INSERT INTO group_roles (owner_guid, group_guid, roles) VALUES (?, ?, ?)"
            " ON CONFLICT (owner_guid, group_guid) DO UPDATE SET roles = excluded.roles",
            (owner_guid, group_guid, text(role_names)),
        )

    def roles_of(self, group_guid: str) -> Sequence[tuple[str, tuple[str, ...]]]:
        """Return what a group holds: guids of organizations and projects, with the role names there."""
        rows = self._connection.execute(
            "SELECT owner_guid, roles FROM group_roles WHERE group_guid = ? ORDER BY owner_guid",
            (group_guid,),
        )
        return tuple((owner, value(tuple[str, ...], roles)) for owner, roles in rows)

    def holding(self, owner_guid: str) -> Sequence[GroupMember]:
        """Return the groups that hold roles in an organization or project, by name."""
        rows = self._connection.execute(
            "SELECT seq, guid, organization_guid, name, creator_guid, created_at, updated_at, description,"
            " labels, roles FROM group_roles JOIN user_groups ON guid = group_guid"
            " WHERE owner_guid = ? ORDER BY name",
            (owner_guid,),
        )
        return tuple(GroupMember(_group(row[:-1]), value(tuple[str, ...], row[-1])) for row in rows)

    def _roles_in(self, group_guid: str, user_guid: str) -> tuple[str, ...]:
        rows = self._connection.execute(
            "SELECT roles FROM effective_roles WHERE owner_guid = ? AND user_guid = ?",
            (group_guid, user_guid),
        )
        return tuple(dict.fromkeys(role for row in rows for role in value(tuple[str, ...], row[0])))


def _group(row: Row) -> UserGroup:
    _, guid, organization, name, creator, created, updated, description, labels = row
    return UserGroup(
        guid,
        name,
        organization_guid=organization,
        creator_guid=creator,
        created_at=moment(created),
        updated_at=moment(updated),
        description=description,
        labels=value(dict[str, str], labels),
    )
