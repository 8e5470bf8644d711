"""Rows of deployments: people's wishes in some columns, the reconciler's leases and statuses in others."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from towline.domain.deployment import Deployment, DeploymentStatus, Phase
from towline.domain.errors import Conflict, NotFound
from towline.domain.listing import Listing, Page
from towline.ports import Claim, DeploymentQuery
from towline.store.sqlite.codec import micros, moment, text, value
from towline.store.sqlite.paging import Filter

_ROW = "SELECT seq, body, status FROM deployments"


class Deployments:
    """The port ``DeploymentRows``. ``body`` holds all but the status, which has its own column and writer."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, deployment: Deployment, *, due: datetime) -> None:
        """Insert a deployment; see the port."""
        try:
            self._connection.execute(
                "INSERT INTO deployments (guid, project_guid, name, package_name, package_version, phase,"
                " labels, body, status, generation, due_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    deployment.guid,
                    deployment.project_guid,
                    deployment.name,
                    deployment.wish.package_name,
                    deployment.wish.package_version,
                    deployment.status.phase.value,
                    text(deployment.labels),
                    _body(deployment),
                    text(deployment.status),
                    deployment.generation,
                    micros(due),
                ),
            )
        except sqlite3.IntegrityError as error:
            raise Conflict(f"deployment {deployment.name!r} exists in this project") from error
        self._name_secrets(deployment)

    def get(self, project_guid: str, name: str, *, guid: str = "") -> Deployment | None:
        """Return the live deployment of that name or guid, or any one by ``guid``."""
        if guid:
            return self._one("guid = ?", project_guid, guid)
        return self._one("name = ? AND deleted_at IS NULL", project_guid, name) or self._one(
            "guid = ? AND deleted_at IS NULL", project_guid, name
        )

    def wish(self, deployment: Deployment, *, due: datetime) -> None:
        """Save the wish's half; see the port."""
        deleted = deployment.deleted_at
        changed = self._connection.execute(
            "UPDATE deployments SET body = ?, labels = ?, package_name = ?, package_version = ?,"
            " generation = ?, deleted_at = ?, due_at = ?, wakes = wakes + 1 WHERE guid = ?",
            (
                _body(deployment),
                text(deployment.labels),
                deployment.wish.package_name,
                deployment.wish.package_version,
                deployment.generation,
                micros(deleted) if deleted else None,
                micros(due),
                deployment.guid,
            ),
        )
        if changed.rowcount == 0:
            raise NotFound("deployment", deployment.name)
        if deleted:
            self._save_status(deployment.guid, deployment.status)
        self._name_secrets(deployment)

    def page(self, project_guid: str, page: Page, *, query: DeploymentQuery) -> Listing[Deployment]:
        """Return a page in order of creation."""
        wanted = Filter("project_guid = ?", project_guid)
        wanted.one_of("name", query.names)
        wanted.one_of("guid", query.guids)
        wanted.selected(query.selector)
        if query.phases:
            wanted.one_of("phase", [phase.value for phase in query.phases])
        if Phase.STOPPED not in query.phases:
            wanted.add("deleted_at IS NULL")
        if query.package_name:
            wanted.add("package_name = ?", query.package_name)
        if query.package_version:
            wanted.add("package_version = ?", query.package_version)
        return wanted.page(self._connection, _ROW, page, make=_deployment)

    def claim(self, owner: str, *, now: datetime, until: datetime, most: int) -> Sequence[Claim]:
        """Take deployments that are due and free; see the port."""
        rows = self._connection.execute(
            "SELECT seq, body, status, guid, epoch, wakes FROM deployments WHERE due_at <= ?"
            " AND (lease_expires IS NULL OR lease_expires <= ?) ORDER BY due_at LIMIT ?",
            (micros(now), micros(now), most),
        ).fetchall()
        for row in rows:
            self._connection.execute(
                "UPDATE deployments SET lease_owner = ?, lease_expires = ?, epoch = epoch + 1 WHERE guid = ?",
                (owner, micros(until), row[3]),
            )
        return tuple(
            Claim(_deployment(row), epoch=row[4] + 1, expires_at=until, wakes=row[5]) for row in rows
        )

    def settle(
        self, claim: Claim, status: DeploymentStatus, *, due: datetime | None, release: bool, until: datetime
    ) -> bool:
        """Save a status under a lease; see the port."""
        guid = claim.deployment.guid
        row = self._connection.execute(
            "SELECT epoch, wakes, deleted_at, due_at, lease_expires FROM deployments WHERE guid = ?", (guid,)
        ).fetchone()
        if row is None or row[0] != claim.epoch or row[4] is None:
            return False
        _, wakes, deleted_at, due_at, _ = row
        was_deleted_before = claim.deployment.deleted_at is not None
        if deleted_at is None or was_deleted_before:
            self._save_status(guid, status)
        woken = wakes != claim.wakes
        self._connection.execute(
            "UPDATE deployments SET due_at = ?, lease_owner = CASE WHEN ? THEN NULL ELSE lease_owner END,"
            " lease_expires = CASE WHEN ? THEN NULL ELSE ? END WHERE guid = ?",
            (due_at if woken else (micros(due) if due else None), release, release, micros(until), guid),
        )
        return True

    def wake(
        self, *, now: datetime, guids: Sequence[str] = (), project_guid: str = "", secrets: Sequence[str] = ()
    ) -> int:
        """Make deployments due now; see the port."""
        woken = 0
        for guid in guids:
            woken += self._wake_one(guid, now)
        for secret in secrets:
            for (guid,) in self._connection.execute(
                "SELECT deployment_guid FROM deployment_secrets WHERE project_guid = ? AND secret = ?",
                (project_guid, secret),
            ).fetchall():
                woken += self._wake_one(guid, now)
        return woken

    def next_due(self) -> datetime | None:
        """Return when the next deployment can be claimed."""
        row = self._connection.execute(
            "SELECT min(max(due_at, coalesce(lease_expires, 0))) FROM deployments WHERE due_at IS NOT NULL"
        ).fetchone()
        return None if row[0] is None else moment(row[0])

    def using_secret(self, project_guid: str, secrets: Sequence[str]) -> Sequence[Deployment]:
        """Return the live deployments that name one of ``secrets``."""
        wanted = Filter("project_guid = ? AND deleted_at IS NULL", project_guid)
        found = (
            "(SELECT deployment_guid FROM deployment_secrets AS d WHERE d.project_guid = ? AND d.secret = ?)"
        )
        guids = {
            guid
            for secret in secrets
            for (guid,) in self._connection.execute(f"SELECT * FROM {found}", (project_guid, secret))
        }
        if not guids:
            return ()
        wanted.one_of("guid", sorted(guids))
        return wanted.page(self._connection, _ROW, Page(limit=500), make=_deployment).items

    def live_guids(self) -> frozenset[str]:
        """Return the guids of all deployments that are not deleted."""
        rows = self._connection.execute("SELECT guid FROM deployments WHERE deleted_at IS NULL")
        return frozenset(guid for (guid,) in rows)

    def _wake_one(self, guid: str, now: datetime) -> int:
        return self._connection.execute(
            "UPDATE deployments SET due_at = ?, wakes = wakes + 1"
            " WHERE guid = ? AND (deleted_at IS NULL OR due_at IS NOT NULL)",
            (micros(now), guid),
        ).rowcount

    def _save_status(self, guid: str, status: DeploymentStatus) -> None:
        self._connection.execute(
            "UPDATE deployments SET status = ?, phase = ? WHERE guid = ?",
            (text(status), status.phase.value, guid),
        )

    def _name_secrets(self, deployment: Deployment) -> None:
        self._connection.execute(
            "DELETE FROM deployment_secrets WHERE deployment_guid = ?", (deployment.guid,)
        )
        if deployment.deleted_at is None:
            self._connection.executemany(
                "INSERT INTO deployment_secrets (deployment_guid, project_guid, secret) VALUES (?, ?, ?)",
                [
                    (deployment.guid, deployment.project_guid, name)
                    for name in sorted(deployment.wish.secrets_named())
                ],
            )

    def _one(self, condition: str, project_guid: str, name: str) -> Deployment | None:
        row = self._connection.execute(
            f"{_ROW} WHERE project_guid = ? AND {condition}", (project_guid, name)
        ).fetchone()
        return _deployment(row) if row else None


def _body(deployment: Deployment) -> str:
    return text(replace(deployment, status=DeploymentStatus()))


def _deployment(row: Sequence[Any]) -> Deployment:
    return replace(value(Deployment, row[1]), status=value(DeploymentStatus, row[2]))
