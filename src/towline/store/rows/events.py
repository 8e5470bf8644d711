"""Rows of events, webhooks and deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from towline.domain.events import Delivery, Event, EventKind, Webhook
from towline.domain.listing import Listing, Page
from towline.ports import WebhookState
from towline.store.rows.codec import Row, json_moment, listed, maybe_micros, micros, moment, text, value
from towline.store.rows.connection import Connection
from towline.store.rows.keys import noted_key
from towline.store.rows.paging import counted
from towline.store.rows.uniqueness import unique

_STATE = """
SELECT body,
  (SELECT count(*) FROM deliveries AS d WHERE d.webhook_guid = webhooks.guid AND d.due_at IS NOT NULL),
  (SELECT count(*) FROM deliveries AS d
   WHERE d.webhook_guid = webhooks.guid AND d.due_at IS NULL AND d.outcome <> ''),
  (SELECT outcome FROM deliveries AS d
   WHERE d.webhook_guid = webhooks.guid AND d.attempts > 0 ORDER BY d.seq DESC LIMIT 1)
FROM webhooks
"""
_DELIVERY = """
SELECT d.seq, d.attempts, w.body, w.sealed, e.body
FROM deliveries AS d JOIN webhooks AS w ON w.guid = d.webhook_guid JOIN events AS e ON e.seq = d.event_seq
WHERE d.seq = ?
"""
_OUTDATED = """
SELECT e.seq FROM events AS e
JOIN (
  SELECT p.project_guid, (
    SELECT n.seq FROM events AS n WHERE n.project_guid = p.project_guid
    ORDER BY n.seq DESC LIMIT 1 OFFSET ?
  ) AS surplus
  FROM (SELECT DISTINCT project_guid FROM events) AS p
) AS kept ON kept.project_guid = e.project_guid
WHERE (e.seq <= coalesce(kept.surplus, 0) OR json_extract(e.body, '$.at') < ?)
  AND NOT EXISTS (SELECT 1 FROM deliveries AS d WHERE d.event_seq = e.seq AND d.due_at IS NOT NULL)
ORDER BY e.seq LIMIT ?
"""


class Events:
    """The port ``EventRows``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, event: Event, *, only: str = "") -> None:
        """Insert an event with its deliveries; see the port."""
        (seq,) = self._connection.execute(
            "INSERT INTO events (project_guid, kind, body) VALUES (?, ?, ?) RETURNING seq",
            (event.project_guid, event.kind.value, text(event)),
        ).fetchone()
        hooks = self._connection.execute(
            "SELECT body FROM webhooks WHERE project_guid = ?", (event.project_guid,)
        )
        for (body,) in hooks.fetchall():
            webhook = value(Webhook, body)
            wanted = webhook.guid == only if only else not webhook.kinds or event.kind in webhook.kinds
            if wanted:
                self._connection.execute(
                    "INSERT INTO deliveries (webhook_guid, event_seq, due_at) VALUES (?, ?, ?)",
                    (webhook.guid, seq, micros(event.at)),
                )

    def page(self, project_guid: str, page: Page, *, kind: EventKind | None = None) -> Listing[Event]:
        """Return a page, oldest first."""
        also, wanted = (" AND kind = ?", [kind.value]) if kind else ("", [])
        rows = self._connection.execute(
            f"SELECT seq, body FROM events WHERE project_guid = ? AND seq > ?{also} ORDER BY seq LIMIT ?",
            (project_guid, page.after, *wanted, page.limit),
        ).fetchall()
        return Listing(tuple(value(Event, body) for _, body in rows), rows[-1][0] if rows else None)

    def newest(self, project_guid: str) -> int:
        """Return the number of the project's newest event."""
        (newest,) = self._connection.execute(
            "SELECT coalesce(max(seq), 0) FROM events WHERE project_guid = ?", (project_guid,)
        ).fetchone()
        return int(newest)

    def claim(self, *, now: datetime, until: datetime, most: int) -> Sequence[Delivery]:
        """Take deliveries that are due; see the port."""
        claimed = self._connection.execute(
            "UPDATE deliveries SET due_at = ?1 WHERE seq IN"
            " (SELECT seq FROM deliveries WHERE due_at <= ?2 ORDER BY due_at, seq LIMIT ?3) RETURNING seq",
            (micros(until), micros(now), most),
        ).fetchall()
        found = (self._connection.execute(_DELIVERY, seq).fetchone() for seq in sorted(claimed))
        return tuple(_delivery(row) for row in found)

    def settle(self, delivery: Delivery, *, outcome: str, due: datetime | None) -> None:
        """Note an attempt; see the port."""
        self._connection.execute(
            "UPDATE deliveries SET attempts = attempts + 1, outcome = ?, due_at = ? WHERE seq = ?",
            (outcome, maybe_micros(due), delivery.seq),
        )

    def waiting(self, now: datetime) -> int:
        """Return how many deliveries are due."""
        return counted(self._connection, "SELECT count(*) FROM deliveries WHERE due_at <= ?", micros(now))

    def next_due(self) -> datetime | None:
        """Return when the next delivery is due."""
        (due,) = self._connection.execute("SELECT min(due_at) FROM deliveries").fetchone()
        return None if due is None else moment(due)

    def outdated(self, before: datetime, *, keep: int, most: int) -> Sequence[int]:
        """Return which events are only history; see the port."""
        rows = self._connection.execute(_OUTDATED, (keep, json_moment(before), most))
        return tuple(seq for (seq,) in rows)

    def forget(self, seqs: Sequence[int]) -> int:
        """Delete events by number; see the port."""
        return self._connection.execute(
            "DELETE FROM events WHERE seq IN (SELECT CAST(value AS BIGINT) FROM json_each(?))",
            (listed(seqs),),
        ).rowcount


class Webhooks:
    """The port ``WebhookRows``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, webhook: Webhook, sealed_key: bytes) -> None:
        """Insert a webhook; see the port."""
        key_id = noted_key(self._connection, sealed_key)
        with unique(f"webhook {webhook.name!r} exists in this project"):
            self._connection.execute(
                "INSERT INTO webhooks (guid, project_guid, name, body, sealed, key_id)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (webhook.guid, webhook.project_guid, webhook.name, text(webhook), sealed_key, key_id),
            )

    def all(self, project_guid: str) -> Sequence[WebhookState]:
        """Return a project's webhooks by name."""
        rows = self._connection.execute(f"{_STATE} WHERE project_guid = ? ORDER BY name", (project_guid,))
        return tuple(_state(row) for row in rows)

    def get(self, project_guid: str, name: str) -> WebhookState | None:
        """Return one webhook."""
        row = self._connection.execute(
            f"{_STATE} WHERE project_guid = ?1 AND (name = ?2 OR guid = ?2)", (project_guid, name)
        ).fetchone()
        return _state(row) if row else None

    def remove(self, project_guid: str, name: str) -> Webhook | None:
        """Delete a webhook; see the port."""
        state = self.get(project_guid, name)
        if state is None:
            return None
        self._connection.execute("DELETE FROM webhooks WHERE guid = ?", (state.webhook.guid,))
        return state.webhook


def _state(row: Row) -> WebhookState:
    body, waiting, given_up, last = row
    return WebhookState(value(Webhook, body), waiting, given_up=given_up, last=last or "")


def _delivery(row: Row) -> Delivery:
    seq, attempts, webhook, sealed, event = row
    return Delivery(
        seq, attempts, webhook=value(Webhook, webhook), sealed_key=sealed, event=value(Event, event)
    )
