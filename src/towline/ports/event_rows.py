"""Rows of events, webhooks and deliveries, and who carries a delivery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from towline.domain.credential import Password
    from towline.domain.events import Delivery, Event, EventKind, Webhook
    from towline.domain.listing import Listing, Page


@dataclass(frozen=True, slots=True)
class WebhookState:
    """A webhook and how its deliveries fare: how many wait, how many were given up, the last outcome."""

    webhook: Webhook
    waiting: int
    given_up: int
    last: str


class EventRows(Protocol):
    """What happened in projects, in order, and its way to webhooks."""

    def add(self, event: Event, *, only: str = "") -> None:
        """Insert an event, and a delivery for each webhook of its project that wants it.

        With ``only`` it is delivered to the webhook of that guid and no other.
        """

    def page(self, project_guid: str, page: Page, *, kind: EventKind | None = None) -> Listing[Event]:
        """Return a page, oldest first."""

    def newest(self, project_guid: str) -> int:
        """Return the number of the project's newest event, 0 where there is none."""

    def claim(self, *, now: datetime, until: datetime, most: int) -> Sequence[Delivery]:
        """Take deliveries that are due, which are due again at ``until`` unless settled."""

    def settle(self, delivery: Delivery, *, outcome: str, due: datetime | None) -> None:
        """Note an attempt: when the next is due, None if that was the last."""

    def waiting(self, now: datetime) -> int:
        """Return how many deliveries are due."""

    def next_due(self) -> datetime | None:
        """Return when the next delivery is due; None when there is none."""

    def outdated(self, before: datetime, *, keep: int, most: int) -> Sequence[int]:
        """Return the numbers of events from before this, or beyond the newest ``keep`` of their project.

        An event whose delivery is still due is not among them.
        """

    def forget(self, seqs: Sequence[int]) -> int:
        """Delete events by number, with their deliveries; return how many."""


class WebhookRows(Protocol):
    """Where projects want to be told. ``name`` arguments take a name or a guid."""

    def add(self, webhook: Webhook, sealed_key: bytes) -> None:
        """Insert; raise Conflict if the project has one of that name."""

    def all(self, project_guid: str) -> Sequence[WebhookState]:
        """Return a project's webhooks by name."""

    def get(self, project_guid: str, name: str) -> WebhookState | None:
        """Return one webhook."""

    def remove(self, project_guid: str, name: str) -> Webhook | None:
        """Delete with its deliveries and return what it was."""


class Courier(Protocol):
    """Carries deliveries. Never raises for what the receiver does."""

    async def carry(self, delivery: Delivery, key: Password) -> str:
        """Deliver; return an empty text when it arrived, else what went wrong."""
