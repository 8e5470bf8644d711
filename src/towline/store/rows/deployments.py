"""Rows of deployments: people's wishes in some columns, the reconciler's leases and statuses in others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from towline.domain.deployment import Deployment, DeploymentStatus, Phase, Status, Wish
from towline.domain.errors import NotFound
from towline.domain.listing import Listing, Page
from towline.ports import EVERYWHERE, Claim, DeploymentQuery, Part
from towline.store.rows.codec import Row, listed, maybe_micros, micros, moment, text, value
from towline.store.rows.connection import Connection
from towline.store.rows.disks import let_go, use
from towline.store.rows.paging import Filter, counted
from towline.store.rows.parts import OF_ENGINES, part_named
from towline.store.rows.uniqueness import unique

_COLUMNS = (
    "seq, guid, name, project_guid, creator_guid, created_at, updated_at, wish, generation, labels,"
    " deleted_at, status, engine"
)
_SELECT = f"SELECT {_COLUMNS} FROM deployments"

_CLAIM = f"""
UPDATE deployments SET lease_owner = :owner, lease_expires = :until, epoch = epoch + 1
WHERE seq IN (
  SELECT seq FROM deployments
  WHERE machine = :machine AND due_at <= :now AND (lease_expires IS NULL OR lease_expires <= :now)
    AND {OF_ENGINES}
  ORDER BY due_at LIMIT :most
)
RETURNING {_COLUMNS}, epoch, wakes, due_at
"""

# Fenced by the epoch, which grows with each claim. A wake since the claim keeps what it set as due.
_SETTLE = """
UPDATE deployments SET
  phase         = CASE WHEN deleted_at IS NULL THEN :phase ELSE phase END,
  status        = CASE WHEN deleted_at IS NULL OR :phase = 'Stopped' THEN :status ELSE status END,
  due_at        = CASE WHEN wakes = :wakes THEN :due ELSE due_at END,
  lease_owner   = CASE WHEN :release = 1 THEN NULL ELSE lease_owner END,
  lease_expires = CASE WHEN :release = 1 THEN NULL ELSE :until END
WHERE guid = :guid AND epoch = :epoch AND lease_owner IS NOT NULL
"""

_NEXT_DUE = f"""
SELECT min(claimable_at) FROM deployments
WHERE machine = :machine AND claimable_at IS NOT NULL AND {OF_ENGINES}
"""
_LIVE_GUIDS = "SELECT guid FROM deployments WHERE deleted_at IS NULL"

_WAKE = """
UPDATE deployments SET due_at = CASE WHEN due_at < :now THEN due_at ELSE :now END, wakes = wakes + 1
WHERE (deleted_at IS NULL OR due_at IS NOT NULL) AND guid IN (SELECT value FROM json_each(:guids))
"""

_NAMING = """
SELECT deployment_guid FROM deployment_secrets
WHERE project_guid = ? AND secret IN (SELECT value FROM json_each(?))
"""

_USING = f"""
{_SELECT} WHERE deleted_at IS NULL AND guid IN (
{_NAMING})
ORDER BY seq
"""


_USERS = """
SELECT count(DISTINCT deployment_guid) FROM deployment_secrets
WHERE project_guid = ? AND secret IN (SELECT value FROM json_each(?))
"""

_ON_ENGINE = (
    "SELECT count(*) FROM deployments WHERE engine = ? AND (deleted_at IS NULL OR due_at IS NOT NULL)"
)
_BY_ENGINE = "SELECT engine, count(*) FROM deployments WHERE deleted_at IS NULL GROUP BY engine"

_STATUS = "json_extract(status, '$.status')"
_LIVE = "WHERE project_guid = ? AND deleted_at IS NULL"
_COUNTS = f"SELECT {_STATUS}, count(*) FROM deployments {_LIVE} GROUP BY 1"
_IN_STATUS = f"{_SELECT} {_LIVE} AND {_STATUS} = ? ORDER BY seq"


class Deployments:
    """The port ``DeploymentRows``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, deployment: Deployment, *, due: datetime, machine: str = "") -> None:
        """Insert a deployment; see the port."""
        row = {
            **_identity(deployment),
            **_wish(deployment),
            **_status(deployment.status),
            "due_at": micros(due),
            "machine": machine,
        }
        columns, places = ", ".join(row), ", ".join(f":{column}" for column in row)
        with unique(f"deployment {deployment.name!r} exists in this project"):
            self._connection.execute(f"INSERT INTO deployments ({columns}) VALUES ({places})", row)
        self._name_secrets(deployment)
        self._use_disks(deployment)

    def get(self, project_guid: str, name: str, *, guid: str = "") -> Deployment | None:
        """Return the live deployment of that name or guid, or any one by ``guid``."""
        if guid:
            return self._one("guid = ?", project_guid, guid)
        return self._one("name = ? AND deleted_at IS NULL", project_guid, name) or self._one(
            "guid = ? AND deleted_at IS NULL", project_guid, name
        )

    def wish(self, deployment: Deployment, *, due: datetime) -> None:
        """Save the wish's half; see the port."""
        row = {**_wish(deployment), "due_at": micros(due)}
        if deployment.deleted_at is not None:
            row |= _status(deployment.status)
        changes = ", ".join(f"{column} = :{column}" for column in row)
        changed = self._connection.execute(
            f"UPDATE deployments SET {changes}, wakes = wakes + 1 WHERE guid = :guid",
            {**row, "guid": deployment.guid},
        )
        if changed.rowcount == 0:
            raise NotFound("deployment", deployment.name)
        self._name_secrets(deployment)
        self._use_disks(deployment)

    def page(self, project_guid: str, page: Page, *, query: DeploymentQuery) -> Listing[Deployment]:
        """Return a page in order of creation."""
        wanted = Filter("project_guid = ?", project_guid)
        wanted.named("name", query.names)
        wanted.named("guid", query.guids)
        wanted.selected(query.selector)
        wanted.one_of("phase", [phase.value for phase in query.phases])
        if Phase.STOPPED not in query.phases:
            wanted.add("deleted_at IS NULL")
        if query.package_name:
            wanted.add("package_name = ?", query.package_name)
        if query.package_version:
            wanted.add("package_version = ?", query.package_version)
        return wanted.page(self._connection, _SELECT, page, make=_deployment)

    def claim(
        self, owner: str, *, now: datetime, until: datetime, most: int, part: Part = EVERYWHERE
    ) -> Sequence[Claim]:
        """Take deployments that are due and free; see the port."""
        wanted = {
            **part_named(part),
            "owner": owner,
            "now": micros(now),
            "until": micros(until),
            "most": most,
        }
        rows: list[Row] = self._connection.execute(_CLAIM, wanted).fetchall()
        claims = []
        for *deployment, epoch, wakes, _ in sorted(rows, key=_due):
            claims.append(Claim(_deployment(tuple(deployment)), epoch=epoch, expires_at=until, wakes=wakes))
        return tuple(claims)

    def settle(
        self, claim: Claim, status: DeploymentStatus, *, due: datetime | None, release: bool, until: datetime
    ) -> bool:
        """Save a status under a lease; see the port."""
        settled = self._connection.execute(
            _SETTLE,
            {
                **_status(status),
                "wakes": claim.wakes,
                "due": maybe_micros(due),
                "release": release,
                "until": micros(until),
                "guid": claim.deployment.guid,
                "epoch": claim.epoch,
            },
        )
        if settled.rowcount == 1:
            self._let_go_of_disks(claim.deployment, status, is_gone=due is None and release)
        return settled.rowcount == 1

    def wake(
        self, *, now: datetime, guids: Sequence[str] = (), project_guid: str = "", secrets: Sequence[str] = ()
    ) -> int:
        """Make deployments due now; see the port. Ended ones stay ended once their containers are gone."""
        wanted = set(guids)
        if secrets:
            rows = self._connection.execute(_NAMING, (project_guid, listed(secrets)))
            wanted.update(guid for (guid,) in rows)
        if not wanted:
            return 0
        return self._connection.execute(_WAKE, {"now": micros(now), "guids": listed(wanted)}).rowcount

    def outdated(self, before: datetime, *, most: int) -> Sequence[int]:
        """Return which deployments are only history; see the port."""
        rows = self._connection.execute(
            "SELECT seq FROM deployments"
            " WHERE deleted_at < ? AND due_at IS NULL AND lease_owner IS NULL ORDER BY deleted_at LIMIT ?",
            (micros(before), most),
        )
        return tuple(seq for (seq,) in rows)

    def forget(self, seqs: Sequence[int]) -> int:
        """Delete ended deployments by number; see the port."""
        return self._connection.execute(
            "DELETE FROM deployments WHERE deleted_at IS NOT NULL AND due_at IS NULL AND lease_owner IS NULL"
            " AND seq IN (SELECT CAST(value AS BIGINT) FROM json_each(?))",
            (listed(seqs),),
        ).rowcount

    def waiting(self, now: datetime) -> int:
        """Return how many could be claimed now."""
        return counted(
            self._connection, "SELECT count(*) FROM deployments WHERE claimable_at <= ?", micros(now)
        )

    def machine_of(self, guid: str) -> str:
        """Return on which machine a deployment lives; empty for engines that several servers reach."""
        row = self._connection.execute("SELECT machine FROM deployments WHERE guid = ?", (guid,)).fetchone()
        return row[0] if row else ""

    def place_on(self, machine: str, *, engine: str) -> int:
        """Let deployments and disks that live nowhere live here; see the port."""
        where = "SET machine = ? WHERE machine = '' AND engine = ?"
        self._connection.execute(f"UPDATE disks {where}", (machine, engine))
        return self._connection.execute(f"UPDATE deployments {where}", (machine, engine)).rowcount

    def next_due(self, part: Part = EVERYWHERE) -> datetime | None:
        """Return when the next deployment can be claimed."""
        row = self._connection.execute(_NEXT_DUE, part_named(part)).fetchone()
        return None if row[0] is None else moment(row[0])

    def using_secret(self, project_guid: str, secrets: Sequence[str]) -> Sequence[Deployment]:
        """Return the live deployments that name one of ``secrets``, in order of creation."""
        return tuple(
            _deployment(row) for row in self._connection.execute(_USING, (project_guid, listed(secrets)))
        )

    def users_of(self, project_guid: str, secrets: Sequence[str]) -> int:
        """Return how many live deployments name one of ``secrets``: an ended one has no row there."""
        return counted(self._connection, _USERS, project_guid, listed(secrets))

    def counts(self, project_guid: str) -> Mapping[Status, int]:
        """Return how many live deployments have each status."""
        return {Status(name): count for name, count in self._connection.execute(_COUNTS, (project_guid,))}

    def in_status(self, project_guid: str, status: Status) -> Sequence[Deployment]:
        """Return the live deployments with this status, in order of creation."""
        rows = self._connection.execute(_IN_STATUS, (project_guid, status.value))
        return tuple(_deployment(row) for row in rows)

    def live_guids(self, *, engine: str = "", machine: str = "") -> frozenset[str]:
        """Return the guids of deployments that are not deleted; see the port."""
        condition, places = ("AND engine = ? AND machine = ?", (engine, machine)) if engine else ("", ())
        rows = self._connection.execute(f"{_LIVE_GUIDS} {condition}", places)
        return frozenset(guid for (guid,) in rows)

    def adopt(self, engine: str) -> None:
        """Let the deployments of which none is written down live on ``engine``."""
        self._connection.execute("UPDATE deployments SET engine = ? WHERE engine = ''", (engine,))

    def on_engine(self, engine: str) -> int:
        """Return how many deployments an engine still has; see the port."""
        return counted(self._connection, _ON_ENGINE, engine)

    def by_engine(self) -> Mapping[str, int]:
        """Return how many live deployments each engine has."""
        return dict(self._connection.execute(_BY_ENGINE).fetchall())

    def _one(self, condition: str, project_guid: str, name: str) -> Deployment | None:
        row = self._connection.execute(
            f"{_SELECT} WHERE project_guid = ? AND {condition}", (project_guid, name)
        ).fetchone()
        return _deployment(row) if row else None

    def _name_secrets(self, deployment: Deployment) -> None:
        """Keep by which names a live deployment depends on secrets; an ended one depends on none."""
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

    def _use_disks(self, deployment: Deployment) -> None:
        """Keep which disks a live deployment mounts; an ended one has them until its containers are gone."""
        if deployment.deleted_at is None and deployment.wish.volumes:
            disks = sorted({volume.disk_guid for volume in deployment.wish.volumes})
            use(self._connection, deployment.guid, deployment.generation, disks)

    def _let_go_of_disks(self, known: Deployment, status: DeploymentStatus, *, is_gone: bool) -> None:
        """Free what no container mounts any more: of one that ended, or of generations that were replaced."""
        if known.deleted_at is not None:
            if is_gone:
                let_go(self._connection, known.guid)
        elif status.serving != known.status.serving:
            let_go(self._connection, known.guid, below=status.serving)


def _identity(deployment: Deployment) -> dict[str, object]:
    return {
        "guid": deployment.guid,
        "name": deployment.name,
        "project_guid": deployment.project_guid,
        "creator_guid": deployment.creator_guid,
        "created_at": micros(deployment.created_at),
        "engine": deployment.engine,
    }


def _wish(deployment: Deployment) -> dict[str, object]:
    return {
        "updated_at": micros(deployment.updated_at),
        "generation": deployment.generation,
        "labels": text(deployment.labels),
        "package_name": deployment.wish.package_name,
        "package_version": deployment.wish.package_version,
        "wish": text(deployment.wish),
        "deleted_at": maybe_micros(deployment.deleted_at),
    }


def _status(status: DeploymentStatus) -> dict[str, object]:
    return {"phase": status.phase.value, "status": text(status)}


def _due(row: Row) -> int:
    due: int = row[-1]
    return due


def _deployment(row: Row) -> Deployment:
    (
        _, guid, name, project_guid, creator_guid, created, updated, wish, generation, labels, deleted,
        status, engine,
    ) = row  # fmt: skip
    return Deployment(
        guid,
        name,
        project_guid=project_guid,
        creator_guid=creator_guid,
        created_at=moment(created),
        updated_at=moment(updated),
        wish=value(Wish, wish),
        generation=generation,
        labels=value(dict[str, str], labels),
        deleted_at=None if deleted is None else moment(deleted),
        status=value(DeploymentStatus, status),
        engine=engine,
    )
