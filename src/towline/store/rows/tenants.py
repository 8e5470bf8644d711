"""Rows of organizations, projects and their members."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from towline.domain.account import Member, Organization, OrganizationRole, Project
from towline.domain.errors import NotFound
from towline.domain.listing import LabelSelector, Listing, Page
from towline.store.rows.accounts import USER, user_of
from towline.store.rows.codec import Row, micros, moment, text, value
from towline.store.rows.connection import Connection
from towline.store.rows.paging import Filter
from towline.store.rows.uniqueness import unique

_ORGANIZATION = "SELECT guid, name, short_guid, creator_guid, created_at FROM organizations"
_PROJECT = "seq, guid, name, organization_guid, creator_guid, created_at, updated_at, labels, features"

_VISIBLE = """
(guid IN (SELECT owner_guid FROM effective_roles WHERE user_guid = ?)
 OR organization_guid IN (
   SELECT owner_guid FROM effective_roles
   WHERE user_guid = ? AND EXISTS (SELECT 1 FROM json_each(roles) AS role WHERE role.value = ?)))
"""


class Tenants:
    """The port ``TenantRows``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add_organization(self, organization: Organization) -> None:
        """Insert an organization."""
        self._connection.execute(
            "INSERT INTO organizations (guid, name, short_guid, creator_guid, created_at)"
            " VALUES (?, ?, ?, ?, ?)",
            (
                organization.guid,
                organization.name,
                organization.short_guid,
                organization.creator_guid,
                micros(organization.created_at),
            ),
        )

    def organization(self, guid: str) -> Organization | None:
        """Return an organization."""
        row = self._connection.execute(f"{_ORGANIZATION} WHERE guid = ?", (guid,)).fetchone()
        return _organization(row) if row else None

    def organization_named(self, name: str) -> Organization | None:
        """Return the oldest organization of exactly that name."""
        row = self._connection.execute(f"{_ORGANIZATION} WHERE name = ? ORDER BY seq", (name,)).fetchone()
        return _organization(row) if row else None

    def first_organization(self) -> Organization | None:
        """Return the oldest organization."""
        row = self._connection.execute(f"{_ORGANIZATION} ORDER BY seq LIMIT 1").fetchone()
        return _organization(row) if row else None

    def organizations_of(self, user_guid: str) -> Sequence[tuple[Organization, tuple[str, ...]]]:
        """Return a user's organizations with the user's role names there, by name."""
        rows = self._connection.execute(
            f"{_ORGANIZATION} WHERE guid IN (SELECT owner_guid FROM effective_roles WHERE user_guid = ?)"
            " ORDER BY name, seq",
            (user_guid,),
        ).fetchall()
        return tuple((_organization(row), self.roles(row[0], user_guid)) for row in rows)

    def add_project(self, project: Project) -> None:
        """Insert a project; see the port."""
        with unique(f"project {project.name!r} exists in this organization"):
            self._connection.execute(
                "INSERT INTO projects (guid, name, organization_guid, creator_guid, created_at, updated_at,"
                " labels, features) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    project.guid,
                    project.name,
                    project.organization_guid,
                    project.creator_guid,
                    micros(project.created_at),
                    micros(project.updated_at),
                    text(project.labels),
                    project.features,
                ),
            )

    def project(self, guid: str) -> Project | None:
        """Return a project."""
        return self._one("guid = ?", guid)

    def project_named(self, organization_guid: str, name: str) -> Project | None:
        """Return an organization's project of exactly that name."""
        return self._one("organization_guid = ? AND name = ?", organization_guid, name)

    def save_project(self, project: Project) -> None:
        """Replace labels, features and updated_at."""
        changed = self._connection.execute(
            "UPDATE projects SET labels = ?, features = ?, updated_at = ? WHERE guid = ?",
            (text(project.labels), project.features, micros(project.updated_at), project.guid),
        )
        if changed.rowcount == 0:
            raise NotFound("project", project.name)

    def remove_project(self, guid: str) -> None:
        """Delete a project with all that is in it."""
        for table in ("members", "claimed_roles", "group_roles", "claim_rules"):
            self._connection.execute(f"DELETE FROM {table} WHERE owner_guid = ?", (guid,))
        self._connection.execute("DELETE FROM projects WHERE guid = ?", (guid,))

    def projects_of(
        self,
        user_guid: str,
        page: Page,
        *,
        organizations: Sequence[str] = (),
        name: str = "",
        selector: LabelSelector,
    ) -> Listing[tuple[Project, tuple[str, ...]]]:
        """Return the projects a user may see; an organization's admin sees all of it."""
        wanted = Filter(_VISIBLE, user_guid, user_guid, OrganizationRole.ADMIN.value)
        wanted.one_of("organization_guid", organizations)
        wanted.selected(selector)
        wanted.one_of("name", [name] if name else [])
        found = wanted.page(self._connection, f"SELECT {_PROJECT} FROM projects", page, make=_project)
        mine = tuple((project, self.roles(project.guid, user_guid)) for project in found.items)
        return Listing(mine, found.next)

    def set_member(self, owner_guid: str, user_guid: str, role_names: tuple[str, ...]) -> None:
        """Give a user these roles; an empty tuple takes membership away."""
        if not role_names:
            self._connection.execute(
                "DELETE FROM members WHERE owner_guid = ? AND user_guid = ?", (owner_guid, user_guid)
            )
            return
        self._connection.execute(
            "INSERT INTO members (owner_guid, user_guid, roles) VALUES (?, ?, ?)"
            " ON CONFLICT (owner_guid, user_guid) DO UPDATE SET roles = excluded.roles",
            (owner_guid, user_guid, text(role_names)),
        )

    def members(self, owner_guid: str) -> Sequence[Member]:
        """Return the members of an organization, project or group by address; see the port."""
        found: dict[str, Member] = {}
        for table in ("members", "claimed_roles"):
            rows = self._connection.execute(
                f"SELECT {USER}, roles FROM {table} JOIN users ON users.guid = user_guid"
                " WHERE owner_guid = ?",
                (owner_guid,),
            )
            for row in rows:
                user, roles = user_of(row[:-1]), _roles(row[-1])
                known = found.get(user.guid, Member(user, ()))
                named = table == "members"
                found[user.guid] = (
                    replace(known, role_names=roles) if named else replace(known, implied=roles)
                )
        return tuple(sorted(found.values(), key=lambda member: member.user.address_key))

    def leave(self, organization_guid: str, user_guid: str) -> None:
        """Take somebody out of an organization, its projects and groups; see the port."""
        for table in ("members", "claimed_roles"):
            self._connection.execute(
                f"DELETE FROM {table} WHERE user_guid = ? AND (owner_guid = ?"
                " OR owner_guid IN (SELECT guid FROM projects WHERE organization_guid = ?)"
                " OR owner_guid IN (SELECT guid FROM user_groups WHERE organization_guid = ?))",
                (user_guid, organization_guid, organization_guid, organization_guid),
            )

    def roles(self, owner_guid: str, user_guid: str) -> tuple[str, ...]:
        """Return a user's role names in an organization or project; see the port."""
        rows = self._connection.execute(
            "SELECT roles FROM effective_roles WHERE owner_guid = ? AND user_guid = ?",
            (owner_guid, user_guid),
        )
        return tuple(dict.fromkeys(role for row in rows for role in _roles(row[0])))

    def _one(self, condition: str, *wanted: str) -> Project | None:
        row = self._connection.execute(
            f"SELECT {_PROJECT} FROM projects WHERE {condition}", wanted
        ).fetchone()
        return _project(row) if row else None


def _roles(body: str) -> tuple[str, ...]:
    return value(tuple[str, ...], body)


def _organization(row: Row) -> Organization:
    guid, name, short_guid, creator_guid, created = row
    return Organization(
        guid, name, short_guid=short_guid, creator_guid=creator_guid, created_at=moment(created)
    )


def _project(row: Row) -> Project:
    _, guid, name, organization_guid, creator_guid, created, updated, labels, features = row
    return Project(
        guid,
        name,
        organization_guid=organization_guid,
        creator_guid=creator_guid,
        created_at=moment(created),
        updated_at=moment(updated),
        labels=value(dict[str, str], labels),
        features=features,
    )
