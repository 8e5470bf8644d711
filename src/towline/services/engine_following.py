"""Having the engines in use that are kept: at the start, and when another server adds or removes one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from towline.domain.engine import EngineKeys
from towline.domain.errors import KeysUnreachable, SealBroken
from towline.ports import Binding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towline.domain.engine import EngineRecord
    from towline.domain.errors import TowlineError
    from towline.ports import EngineDoors, Store, Vault

PAUSE = 5.0
"""Seconds between two looks at what other servers on the same database did."""


def binding_of(record: EngineRecord) -> Binding:
    """Return what an engine's keys are sealed for."""
    return Binding("", record.guid, version=1)


class EngineFollowing:
    """Keeps what is in use like what is kept."""

    def __init__(self, *, store: Store, vault: Vault, doors: EngineDoors) -> None:
        self._store = store
        self._vault = vault
        self._doors = doors

    async def kept(self) -> Sequence[tuple[EngineRecord, EngineKeys | TowlineError]]:
        """Return the added engines with their keys, or with the reason why those do not open."""
        rows = await self._store.read(lambda tx: tx.engines.all())
        return [(record, await self._unsealed(record, sealed)) for record, sealed in rows]

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            await asyncio.sleep(PAUSE)
            await self.look()

    async def look(self) -> None:
        """Open what another server added, close what it removed.

        What is in use is looked at first: an engine that is added here meanwhile is not taken for removed.
        """
        used = {name: self._doors.record(name).guid for name in self._doors.all() if name != self._doors.own}
        rows = await self._store.read(lambda tx: tx.engines.all())
        kept = {record.name: record.guid for record, _ in rows}
        for name, guid in used.items():
            if kept.get(name) != guid:
                await self._doors.close(name)
        for record, sealed in rows:
            if record.name not in self._doors.all() and not self._doors.is_coming(record.name):
                await self._doors.open(record, await self._unsealed(record, sealed))

    async def _unsealed(self, record: EngineRecord, sealed: bytes) -> EngineKeys | TowlineError:
        try:
            return EngineKeys.of_sealed(await self._vault.open(sealed, binding_of(record)))
        except (SealBroken, KeysUnreachable) as trouble:
            return trouble
