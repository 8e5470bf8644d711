"""A child that writes as fast as it can until it is killed, and tells of each acknowledged change."""

import asyncio
import os
import sys
from pathlib import Path

from towline.domain.audit import AuditEntry
from towline.store.sqlite import SqliteStore

sys.path.insert(0, str(Path(__file__).parent.parent))
from parts.fakes import NOON


async def storm(path: Path, run: str) -> None:
    store = await SqliteStore.open(path)

    async def writer(lane: int) -> None:
        number = 0
        while True:
            name = f"{run}/{lane}/{number}"

            def change(tx, name=name):
                tx.settings.put(name, "kept")
                tx.audit.append(AuditEntry(NOON, "storm", "setting.put", name))

            await store.write(change)
            os.write(1, f"{name}\n".encode())
            number += 1

    await asyncio.gather(*(writer(lane) for lane in range(16)))


asyncio.run(storm(Path(sys.argv[1]), sys.argv[2]))
