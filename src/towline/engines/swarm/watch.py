"""Looking at the swarm again and again: at once when something happens here, else about every second.

The Engine's events tell of services and of containers on its own node. What happens on other nodes shows
in the list of tasks alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING

import structlog

from towline.domain.causes import FindingCode
from towline.domain.errors import EngineFailed
from towline.domain.findings import Finding
from towline.engines.docker.daemon import Refused, lines
from towline.engines.waiting import all_of
from towline.engines.wording import cleaned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from towline.engines.docker.daemon import Daemon
    from towline.engines.docker.kills import Kills
    from towline.engines.swarm.mirror import Mirror

log = structlog.get_logger("towline.engine.swarm")

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
AT_REST, IN_A_HURRY = 1.0, 0.1
_SERVICE = "com.docker.swarm.service.name"


class Watch:
    """Keeps the mirror true. ``prefix`` is what the names of our services begin with."""

    def __init__(self, daemon: Daemon, mirror: Mirror, *, kills: Kills, prefix: str) -> None:
        self._daemon = daemon
        self._kills = kills
        self._mirror = mirror
        self._prefix = prefix
        self._bell = asyncio.Event()
        self._looked = asyncio.Event()
        self._hurried = 0
        self.trouble: Finding | None = None
        """Why the swarm is out of reach, None while it answers."""

    async def run(self) -> None:
        """Look until cancelled; after a failure again, a little later each time."""
        pause = FIRST_PAUSE
        while True:
            try:
                await self._mirror.look()
                if self.trouble is not None:
                    log.info("engine.answers", again=True)
                self.trouble, pause = None, FIRST_PAUSE
                self._tell_looked()
                await all_of([self._hear(), self._look()])
            except EngineFailed as failure:
                self._lost(failure.finding)
            except Refused as refused:
                self._lost(Finding(FindingCode.ENGINE_ERROR, cleaned(refused.said.encode())))
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    @contextlib.contextmanager
    def hurry(self) -> Iterator[None]:
        """Look more often inside the block."""
        self._hurried += 1
        self._bell.set()
        try:
            yield
        finally:
            self._hurried -= 1

    async def next_look(self) -> None:
        """Return after the next look; raise EngineFailed when the swarm is out of reach."""
        await self._looked.wait()
        if self.trouble is not None:
            raise EngineFailed(self.trouble)

    async def _look(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(IN_A_HURRY if self._hurried else AT_REST):
                    await self._bell.wait()
            self._bell.clear()
            await self._mirror.look()
            self._tell_looked()

    async def _hear(self) -> None:
        query = {"filters": json.dumps({"type": ["container", "service", "node"]})}
        async with self._daemon.stream("GET", "/events", query) as content:
            async for event in lines(content):
                told = (event.get("Actor") or {}).get("Attributes") or {}
                is_ours = str(told.get(_SERVICE, told.get("name", ""))).startswith(self._prefix)
                if is_ours and event.get("Type") == "container":
                    self._kills.heard(str(event["Actor"].get("ID", "")), str(event.get("Action", "")), told)
                if is_ours or event.get("Type") == "node":
                    self._bell.set()
        raise self._daemon.unreachable(ConnectionResetError("its stream of events ended"))

    def _lost(self, finding: Finding) -> None:
        """Tell, once, that nothing is within reach."""
        if self.trouble is None:
            self.trouble = finding
            log.warning("engine.unreachable", detail=finding.detail)
            self._mirror.lost(finding)
        self._tell_looked()

    def _tell_looked(self) -> None:
        self._looked.set()
        self._looked = asyncio.Event()
