"""Sending the audit trail elsewhere as it grows: each row at least once, in order, whatever ends when.

How far each sink is stands in the database, and moves only once a sink has taken the rows: a server that is
killed in between sends them again, under the same numbers.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from towline.domain.errors import SinkFailed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from towline.ports import Store
    from towline.ports.audit_sinks import AuditSink

log = structlog.get_logger("towline.audit")

BATCH = 200
PAUSE = 2.0
LONGEST_PAUSE = 60.0


class AuditStreams:
    """Keeps every sink up with the trail."""

    def __init__(
        self,
        *,
        store: Store,
        sinks: Sequence[AuditSink],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._sinks = sinks
        self._sleep = sleep

    async def run(self) -> None:
        """Send to all sinks, for ever; one that fails holds no other up."""
        async with asyncio.TaskGroup() as group:
            for sink in self._sinks:
                group.create_task(self._follow(sink))

    async def round(self, sink: AuditSink) -> int:
        """Send a sink its next rows; return how many. Raises SinkFailed."""
        cursor = f"audit.sent.{sink.name}"
        sent = int(await self._store.read(lambda tx: tx.settings.get(cursor)) or 0)
        rows = await self._store.survey(lambda tx: tx.audit.rows(after=sent, most=BATCH))
        if rows:
            await sink.deliver(rows)
            await self._store.write(lambda tx: tx.settings.put(cursor, str(rows[-1].seq)))
        return len(rows)

    async def _follow(self, sink: AuditSink) -> None:
        pause = PAUSE
        while True:
            try:
                count = await self.round(sink)
            except SinkFailed as failed:
                log.warning("audit.not_sent", sink=sink.name, trouble=str(failed), again_in=pause)
                await self._sleep(pause)
                pause = min(LONGEST_PAUSE, pause * 2)
                continue
            pause = PAUSE
            if count < BATCH:
                await self._sleep(PAUSE)
