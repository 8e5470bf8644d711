"""Rows of the schedule on which secrets are tried again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from towline.domain.reproof import DueProof
from towline.store.rows.codec import micros, moment
from towline.store.rows.connection import Connection
from towline.store.rows.paging import counted


class Schedule:
    """The port ``ScheduleRows``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, due: DueProof) -> None:
        """Set when a try is due; see the port."""
        self._connection.execute(
            "INSERT INTO proof_schedule (secret_guid, image, project_guid, due_at) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (secret_guid, image) DO UPDATE SET due_at = excluded.due_at",
            (due.secret_guid, due.image, due.project_guid, micros(due.due_at)),
        )

    def claim(self, *, now: datetime, until: datetime, most: int) -> Sequence[DueProof]:
        """Take tries that are due; see the port."""
        rows = self._connection.execute(
            "UPDATE proof_schedule SET due_at = ?1 WHERE (secret_guid, image) IN"
            " (SELECT secret_guid, image FROM proof_schedule WHERE due_at <= ?2 ORDER BY due_at LIMIT ?3)"
            " RETURNING project_guid, secret_guid, image, due_at",
            (micros(until), micros(now), most),
        )
        return tuple(DueProof(place, guid, image, moment(due)) for place, guid, image, due in rows)

    def waiting(self, now: datetime) -> int:
        """Return how many tries are due."""
        return counted(self._connection, "SELECT count(*) FROM proof_schedule WHERE due_at <= ?", micros(now))

    def next_due(self) -> datetime | None:
        """Return when the next try is due."""
        (due,) = self._connection.execute("SELECT min(due_at) FROM proof_schedule").fetchone()
        return None if due is None else moment(due)

    def remove(self, secret_guid: str, image: str) -> None:
        """Forget a try; see the port."""
        self._connection.execute(
            "DELETE FROM proof_schedule WHERE secret_guid = ? AND image = ?", (secret_guid, image)
        )
