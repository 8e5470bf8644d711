"""An engine that cannot be opened: it answers everything with the reason."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NoReturn

from towline.domain.errors import EngineFailed
from towline.domain.proof import Platform

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from towline.domain.engine import EngineAbout, Storage
    from towline.domain.findings import Finding
    from towline.domain.workload import Fact, Workload


class ClosedEngine:
    """The ports ``Engine`` and ``EngineHost``; every question raises EngineFailed with ``reason``."""

    keeps_credentials = False

    def __init__(self, name: str, reason: Finding) -> None:
        self.name = name
        self.platform = Platform("linux", "amd64")
        self._reason = reason

    async def apply(self, workload: Workload) -> None:
        """Refuse."""
        self._refuse(workload)

    async def observe(self) -> AsyncIterator[Fact]:
        """Tell nothing, until cancelled."""
        for fact in tuple["Fact", ...]():
            yield fact
        await asyncio.Event().wait()

    async def remove(self, deployment_guid: str, *, below: int | None = None) -> None:
        """Refuse."""
        self._refuse(deployment_guid, below)

    async def roll_back(self, deployment_guid: str, *, generation: int) -> int:
        """Refuse."""
        self._refuse(deployment_guid, generation)

    def logs(
        self,
        deployment_guid: str,
        executable: str,
        *,
        replica: int = 0,
        follow: bool = False,
        tail: int | None = None,
        timestamps: bool = False,
        previous: bool = False,
    ) -> AsyncIterator[bytes]:
        """Refuse."""
        self._refuse(deployment_guid, executable, replica, follow, tail, timestamps, previous)

    async def inventory(self) -> Sequence[Fact]:
        """Refuse."""
        self._refuse()

    async def about(self) -> EngineAbout:
        """Refuse."""
        self._refuse()

    async def storage(self) -> Storage:
        """Refuse."""
        self._refuse()

    async def collect(self) -> int:
        """Refuse."""
        self._refuse()

    async def disk_used(self, disk: str) -> int | None:
        """Refuse."""
        self._refuse(disk)

    async def delete_disk(self, disk: str) -> None:
        """Refuse."""
        self._refuse(disk)

    def _refuse(self, *asked: object) -> NoReturn:
        del asked
        raise EngineFailed(self._reason)
