"""Rows of disks, and of which deployments have them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from towline.domain.disk import Disk, DiskUser
from towline.domain.listing import LabelSelector, Listing, Page
from towline.ports import Part
from towline.store.rows.codec import Row, micros, moment, text, value
from towline.store.rows.connection import Connection
from towline.store.rows.paging import Filter, counted
from towline.store.rows.parts import OF_ENGINES, part_named
from towline.store.rows.uniqueness import unique

_SELECT = (
    "SELECT seq, guid, name, project_guid, creator_guid, created_at, capacity, labels, engine, machine"
    " FROM disks"
)
_USERS = (
    "SELECT d.guid, d.name, d.deleted_at FROM disk_uses AS u"
    " JOIN deployments AS d ON d.guid = u.deployment_guid WHERE u.disk_guid = ? ORDER BY d.seq"
)
_DOOMED = (
    f"{_SELECT} WHERE deleted_at IS NOT NULL AND machine = :machine AND {OF_ENGINES}"
    " AND guid NOT IN (SELECT disk_guid FROM disk_uses) ORDER BY seq"
)
_USE = (
    "INSERT INTO disk_uses (disk_guid, deployment_guid, generation) VALUES (?, ?, ?)"
    " ON CONFLICT (disk_guid, deployment_guid) DO UPDATE SET generation = excluded.generation"
)


class Disks:
    """The port ``DiskRows``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, disk: Disk) -> None:
        """Insert a disk; raise Conflict if its project has one of that name."""
        with unique(f"disk {disk.name!r} exists in this project"):
            self._connection.execute(
                "INSERT INTO disks (guid, project_guid, name, creator_guid, created_at, capacity, labels,"
                " engine, machine) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    disk.guid,
                    disk.project_guid,
                    disk.name,
                    disk.creator_guid,
                    micros(disk.created_at),
                    disk.capacity,
                    text(disk.labels),
                    disk.engine,
                    disk.machine,
                ),
            )

    def get(self, project_guid: str, name: str) -> Disk | None:
        """Return the disk of that name or guid, with the deployments that have it."""
        for column in ("name", "guid"):
            row = self._connection.execute(
                f"{_SELECT} WHERE project_guid = ? AND {column} = ? AND deleted_at IS NULL",
                (project_guid, name),
            ).fetchone()
            if row:
                return self._with_users(_disk(row))
        return None

    def page(
        self, project_guid: str, page: Page, *, selector: LabelSelector, names: Sequence[str] = ()
    ) -> Listing[Disk]:
        """Return a page in order of creation."""
        wanted = Filter("project_guid = ? AND deleted_at IS NULL", project_guid)
        wanted.selected(selector)
        wanted.named("name", names)
        found = wanted.page(self._connection, _SELECT, page, make=_disk)
        return Listing(tuple(map(self._with_users, found.items)), found.next)

    def place(self, guid: str, *, engine: str, machine: str) -> None:
        """Let a disk live on an engine from now on."""
        self._connection.execute(
            "UPDATE disks SET engine = ?, machine = ? WHERE guid = ?", (engine, machine, guid)
        )

    def on_engine(self, engine: str) -> int:
        """Return how many disks an engine has, the doomed ones too."""
        return counted(self._connection, "SELECT count(*) FROM disks WHERE engine = ?", engine)

    def of_deployment(self, deployment_guid: str) -> Sequence[Disk]:
        """Return the disks that a deployment has, by name."""
        rows = self._connection.execute(
            f"{_SELECT} WHERE guid IN (SELECT disk_guid FROM disk_uses WHERE deployment_guid = ?)"
            " ORDER BY name",
            (deployment_guid,),
        ).fetchall()
        return tuple(self._with_users(_disk(row)) for row in rows)

    def doom(self, guid: str, *, at: datetime) -> None:
        """Delete a disk: its name is free, its data are to go."""
        self._connection.execute("UPDATE disks SET deleted_at = ? WHERE guid = ?", (micros(at), guid))

    def doomed(self, part: Part) -> Sequence[Disk]:
        """Return the disks whose data are to go and that no container has any more; see the port."""
        return tuple(map(_disk, self._connection.execute(_DOOMED, part_named(part)).fetchall()))

    def forget(self, guid: str) -> None:
        """Drop a doomed disk, whose data are gone."""
        self._connection.execute("DELETE FROM disks WHERE guid = ? AND deleted_at IS NOT NULL", (guid,))

    def _with_users(self, disk: Disk) -> Disk:
        rows = self._connection.execute(_USERS, (disk.guid,)).fetchall()
        users = tuple(DiskUser(guid, name, is_ending=ended is not None) for guid, name, ended in rows)
        return replace(disk, users=users)


def use(connection: Connection, deployment_guid: str, generation: int, disks: Sequence[str]) -> None:
    """Note that a deployment's new generation has these disks, by guid."""
    connection.executemany(_USE, [(disk, deployment_guid, generation) for disk in disks])


def let_go(connection: Connection, deployment_guid: str, *, below: int | None = None) -> None:
    """Note that no container is left of a deployment, or of its generations before ``below``."""
    if below is None:
        connection.execute("DELETE FROM disk_uses WHERE deployment_guid = ?", (deployment_guid,))
    else:
        connection.execute(
            "DELETE FROM disk_uses WHERE deployment_guid = ? AND generation < ?", (deployment_guid, below)
        )


def _disk(row: Row) -> Disk:
    _, guid, name, project_guid, creator_guid, created, capacity, labels, engine, machine = row
    return Disk(
        guid,
        name,
        project_guid=project_guid,
        creator_guid=creator_guid,
        created_at=moment(created),
        capacity=capacity,
        labels=value(dict[str, str], labels),
        engine=engine,
        machine=machine,
    )
