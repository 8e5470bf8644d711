"""Rows of packages."""

from __future__ import annotations

from collections.abc import Sequence

from towline.domain.listing import LabelSelector, Listing, Page
from towline.domain.package import Package
from towline.store.rows.codec import Row, listed, text, value
from towline.store.rows.connection import Connection
from towline.store.rows.paging import Filter, counted
from towline.store.rows.uniqueness import unique


class Packages:
    """The port ``PackageRows``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, package: Package) -> None:
        """Insert a package; see the port."""
        with unique(f"package {package.name!r} {package.version!r} exists in this project"):
            self._connection.execute(
                "INSERT INTO packages (guid, project_guid, name, version, labels, body)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (
                    package.guid,
                    package.project_guid,
                    package.name,
                    package.version,
                    text(package.labels),
                    text(package),
                ),
            )

    def get(self, project_guid: str, name: str, *, version: str = "") -> Package | None:
        """Return the package by name or guid; without a version the newest created."""
        for column in ("name", "guid"):
            row = self._connection.execute(
                f"SELECT seq, body FROM packages WHERE project_guid = ?1 AND {column} = ?2"
                " AND (?3 = '' OR version = ?3) ORDER BY +seq DESC LIMIT 1",
                (project_guid, name, version),
            ).fetchone()
            if row:
                return _package(row)
        return None

    def remove(self, project_guid: str, name: str, *, version: str = "") -> Package | None:
        """Delete one version and return what it was."""
        package = self.get(project_guid, name, version=version)
        if package is not None:
            self._connection.execute("DELETE FROM packages WHERE guid = ?", (package.guid,))
        return package

    def count(self, project_guid: str) -> int:
        """Return how many packages a project has."""
        return counted(self._connection, "SELECT count(*) FROM packages WHERE project_guid = ?", project_guid)

    def mentioning(self, project_guid: str, words: Sequence[str]) -> Sequence[Package]:
        """Return packages in which a text is one of ``words``; see the port."""
        rows = self._connection.execute(
            "SELECT seq, body FROM packages WHERE project_guid = ? AND EXISTS"
            " (SELECT 1 FROM json_each(?) AS word WHERE instr(body, word.value) > 0) ORDER BY seq",
            (project_guid, listed([text(word) for word in words])),
        )
        return tuple(map(_package, rows))

    def page(
        self, project_guid: str, page: Page, *, selector: LabelSelector, name: str = ""
    ) -> Listing[Package]:
        """Return a page in order of creation."""
        wanted = Filter("project_guid = ?", project_guid)
        wanted.selected(selector)
        wanted.named("name", [name] if name else [])
        return wanted.page(self._connection, "SELECT seq, body FROM packages", page, make=_package)


def _package(row: Row) -> Package:
    return value(Package, row[1])
