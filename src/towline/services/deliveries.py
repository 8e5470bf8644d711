"""Carrying events to webhooks: at least once, in order of need, given up after twelve hours.

The outbox is a table that is written together with the event, so that nothing is lost between; a delivery
is claimed by moving its due time, so that a server that dies in between delivers it again, under the same id.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from towline.domain.errors import KeysUnreachable, SealBroken
from towline.domain.events import pause_after
from towline.services.webhooks import binding_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from towline.domain.events import Delivery
    from towline.ports import Bell, Clock, Courier, Store, Vault

log = structlog.get_logger("towline.deliveries")

BATCH = 32
CLAIM = timedelta(minutes=2)
LONGEST_WAIT = 60.0


class Deliveries:
    """Carries what is due, for ever; ``note`` is told each outcome, ``delivered`` or ``failed``."""

    def __init__(
        self,
        *,
        store: Store,
        vault: Vault,
        courier: Courier,
        bell: Bell,
        clock: Clock,
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._vault = vault
        self._courier = courier
        self._bell = bell
        self._clock = clock
        self._note = note

    async def run(self) -> None:
        """Carry what is due and wait for the bell or the next; does not return."""
        listener = self._bell.listen()
        while True:
            if not await self.round():
                await listener.heard(await self._pause())

    async def round(self) -> int:
        """Carry one batch of what is due; return how many that were."""
        now = self._clock()
        due = await self._store.read(lambda tx: tx.events.next_due())
        if due is None or due > now:
            return 0
        claimed = await self._store.write(lambda tx: tx.events.claim(now=now, until=now + CLAIM, most=BATCH))
        await asyncio.gather(*(self._one(each) for each in claimed))
        return len(claimed)

    async def _one(self, delivery: Delivery) -> None:
        trouble = await self._carried(delivery)
        pause = pause_after(delivery.attempts + 1) if trouble else None
        due = self._clock() + pause if pause else None
        await self._store.write(lambda tx: tx.events.settle(delivery, outcome=trouble, due=due))
        self._note("failed" if trouble else "delivered")
        log.info(
            "webhook.failed" if trouble else "webhook.delivered",
            webhook=delivery.webhook.guid,
            event_id=delivery.event.guid,
            attempt=delivery.attempts + 1,
            trouble=trouble,
        )

    async def _carried(self, delivery: Delivery) -> str:
        try:
            key = await self._vault.open(delivery.sealed_key, binding_of(delivery.webhook))
        except SealBroken:
            return "the signing key does not open with any key that this server has"
        except KeysUnreachable:
            return "the keys cannot be asked now, so the signing key does not open"
        return await self._courier.carry(delivery, key)

    async def _pause(self) -> float:
        due = await self._store.read(lambda tx: tx.events.next_due())
        if due is None:
            return LONGEST_WAIT
        return min(LONGEST_WAIT, max(0.05, (due - self._clock()).total_seconds()))
