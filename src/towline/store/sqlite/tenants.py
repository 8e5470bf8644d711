"""Rows of organizations, projects and their members."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from towline.domain.account import Member, Organization, OrganizationRole, Project, User
from towline.domain.errors import Conflict, NotFound
from towline.domain.listing import LabelSelector, Listing, Page
from towline.store.sqlite.codec import micros, moment, text, value
from towline.store.sqlite.paging import Filter

_ORGANIZATION = "SELECT guid, name, short_guid, creator_guid, created_at FROM organizations"
_PROJECT = (
    "SELECT seq, guid, name, organization_guid, creator_guid, created_at, updated_at, labels, features"
    " FROM projects"
)


class Tenants:
    """The port ``TenantRows``."""

    def __init__(self, connection: sqlite3.Connection) -> None:
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

    def organizations_of(self, user_guid: str) -> Sequence[tuple[Organization, tuple[str, ...]]]:
        """Return a user's organizations with the user's role names there, by name."""
        rows = self._connection.execute(
            "SELECT o.guid, name, short_guid, creator_guid, created_at, roles FROM organizations AS o"
            " JOIN members ON owner_guid = o.guid WHERE user_guid = ? ORDER BY name",
            (user_guid,),
        )
        return tuple((_organization(row), _roles(row[5])) for row in rows)

    def add_project(self, project: Project) -> None:
        """Insert a project; see the port."""
        try:
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
        except sqlite3.IntegrityError as error:
            raise Conflict(f"project {project.name!r} exists in this organization") from error

    def project(self, guid: str) -> Project | None:
        """Return a project."""
        row = self._connection.execute(f"{_PROJECT} WHERE guid = ?", (guid,)).fetchone()
        return _project(row) if row else None

    def project_named(self, organization_guid: str, name: str) -> Project | None:
        """Return an organization's project of exactly that name."""
        row = self._connection.execute(
            f"{_PROJECT} WHERE organization_guid = ? AND name = ?", (organization_guid, name)
        ).fetchone()
        return _project(row) if row else None

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
        self._connection.execute("DELETE FROM members WHERE owner_guid = ?", (guid,))
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
        wanted = Filter(
            "(guid IN (SELECT owner_guid FROM members WHERE user_guid = ?) OR organization_guid IN"
            " (SELECT owner_guid FROM members WHERE user_guid = ? AND roles LIKE ?))",
            user_guid,
            user_guid,
            f'%"{OrganizationRole.ADMIN.value}"%',
        )
        wanted.one_of("organization_guid", organizations)
        wanted.selected(selector)
        if name:
            wanted.add("name = ?", name)
        found = wanted.page(self._connection, _PROJECT, page, make=_project)
        return Listing(
            tuple((project, self.roles(project.guid, user_guid)) for project in found.items), found.next
        )

    def set_member(self, owner_guid: str, user_guid: str, role_names: tuple[str, ...]) -> None:
        """Give a user these roles; an empty tuple takes membership away."""
        self._connection.execute(
            "DELETE FROM members WHERE owner_guid = ? AND user_guid = ?", (owner_guid, user_guid)
        )
        if role_names:
            self._connection.execute(
                "INSERT INTO members (owner_guid, user_guid, roles) VALUES (?, ?, ?)",
                (owner_guid, user_guid, text(role_names)),
            )

    def members(self, owner_guid: str) -> Sequence[Member]:
        """Return the members of an organization or project, by address."""
        rows = self._connection.execute(
            "SELECT guid, email, first_name, last_name, created_at, roles FROM members"
            " JOIN users ON guid = user_guid WHERE owner_guid = ? ORDER BY email_key",
            (owner_guid,),
        )
        return tuple(
            Member(
                User(row[0], row[1], first_name=row[2], last_name=row[3], created_at=moment(row[4])),
                _roles(row[5]),
            )
            for row in rows
        )

    def roles(self, owner_guid: str, user_guid: str) -> tuple[str, ...]:
        """Return a user's role names in an organization or project."""
        row = self._connection.execute(
            "SELECT roles FROM members WHERE owner_guid = ? AND user_guid = ?", (owner_guid, user_guid)
        ).fetchone()
        return _roles(row[0]) if row else ()


def _roles(body: str) -> tuple[str, ...]:
    return value(tuple[str, ...], body)


def _organization(row: Any) -> Organization:  # noqa: ANN401  (a row of the database)
    return Organization(row[0], row[1], short_guid=row[2], creator_guid=row[3], created_at=moment(row[4]))


def _project(row: Any) -> Project:  # noqa: ANN401  (a row of the database)
    return Project(
        row[1],
        row[2],
        organization_guid=row[3],
        creator_guid=row[4],
        created_at=moment(row[5]),
        updated_at=moment(row[6]),
        labels=value(dict[str, str], row[7]),
        features=bytes(row[8]),
    )
