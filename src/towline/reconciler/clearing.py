"""Clearing away what was on disks that were deleted, once no container mounts them any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from towline.domain.errors import EngineFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from towline.domain.disk import Disk
    from towline.ports import Bell, Engines, Part, Store

log = structlog.get_logger("towline.reconciler")

PAUSE_AFTER_TROUBLE = 5.0
LONGEST_WAIT = 60.0


class Clearing:
    """Deletes the data of doomed disks in a ``part`` of the installation, and then their rows."""

    def __init__(self, engines: Engines, *, store: Store, bell: Bell, part: Callable[[], Part]) -> None:
        self._engines = engines
        self._store = store
        self._listener = bell.listen()
        self._part = part

    async def run(self) -> None:
        """Clear away whenever something changed, until cancelled."""
        while True:
            left = await self.clear()
            await self._listener.heard(PAUSE_AFTER_TROUBLE if left else LONGEST_WAIT)

    async def clear(self) -> int:
        """Clear away what can be now; return how many disks are left for another time."""
        part = self._part()
        doomed = await self._store.read(lambda tx: tx.disks.doomed(part))
        left = 0
        for disk in doomed:
            if await self._is_gone(disk):
                await self._store.write(lambda tx, guid=disk.guid: tx.disks.forget(guid))  # type: ignore[misc]
                log.info("disk.removed", disk=disk.guid, engine=disk.engine)
            else:
                left += 1
        return left

    async def _is_gone(self, disk: Disk) -> bool:
        """Whether nothing of a disk is left that anybody here could delete."""
        if not disk.engine:
            return True
        opened = self._engines.all().get(disk.engine)
        if opened is None:
            return not self._engines.is_coming(disk.engine) and await self._was_removed(disk)
        try:
            await opened.host.delete_disk(disk.guid)
        except EngineFailed as failure:
            log.warning("disk.stays", disk=disk.guid, engine=disk.engine, why=failure.finding.detail)
            return False
        return True

    async def _was_removed(self, disk: Disk) -> bool:
        """Whether the engine was taken away, by whichever server; its data stay there."""
        rows = await self._store.read(lambda tx: tx.engines.all())
        if disk.engine == self._engines.own or any(record.name == disk.engine for record, _ in rows):
            return False
        log.warning("disk.left_behind", disk=disk.guid, engine=disk.engine)
        return True
