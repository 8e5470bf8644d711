"""Minding the engines in use: each is listened to, and what it holds is compared with what is wished.

Engines come and go while the server runs. What is seen of one is kept apart from all others, and one that is
out of reach is asked again without keeping the others waiting.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from towline.domain.engine import EngineHealth, not_there
from towline.domain.errors import EngineFailed
from towline.ports import OpenEngine
from towline.reconciler.observed import Observed
from towline.services.closed_engine import ClosedEngine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towline.domain.findings import Finding
    from towline.ports import Bell, Clock, Engine, Engines, Store

log = structlog.get_logger("towline.reconciler")

PAUSE_AFTER_TROUBLE = 1.0
LONGEST_WAIT = 30.0

_NEVER = datetime.min.replace(tzinfo=UTC)


class Tended:
    """One engine under the reconciler's eyes: what it was seen to hold, and who looks."""

    def __init__(self, name: str, opened: OpenEngine) -> None:
        self.name = name
        self.engine: Engine = opened.engine
        self.trouble: Finding | None = opened.health.trouble
        self.observed = Observed()
        self.looked = asyncio.Event()
        """Set once the engine was asked what it holds, whether it could tell or not."""
        self.is_gone = False
        self.listening: asyncio.Task[None] | None = None
        self.looking: asyncio.Task[None] | None = None


class Tending:
    """Keeps an eye on every engine in use."""

    def __init__(
        self, engines: Engines, *, store: Store, bell: Bell, clock: Clock, machine: str = ""
    ) -> None:
        self._engines = engines
        self._store = store
        self._bell = bell
        self._listener = bell.listen()
        self._clock = clock
        self._machine = machine
        self._tended: dict[str, Tended] = {}

    def of(self, name: str) -> Tended:
        """Return an engine; one that is not tended yet was not looked at, one that was removed is gone."""
        name = name or self._engines.own  # the work of an older program beside this one
        if (known := self._tended.get(name)) is not None:
            return known
        if self._engines.is_coming(name) or name in self._engines.all():
            return Tended(name, _absent(name))
        gone = Tended(name, _absent(name))
        gone.is_gone = True
        gone.looked.set()
        return gone

    async def run(self, group: asyncio.TaskGroup) -> None:
        """Follow the engines that come and go, until cancelled."""
        while True:
            await self.follow(group)
            await self._listener.heard(LONGEST_WAIT)

    async def follow(self, group: asyncio.TaskGroup) -> None:
        """Begin to tend what is new, let go of what is gone, look anew at what answers again."""
        present = self._engines.all()
        for name, tended in list(self._tended.items()):
            if name not in present or present[name].engine is not tended.engine:
                await self._let_go(tended)
        for name, opened in present.items():
            known = self._tended.get(name)
            if known is None:
                self._begin(Tended(name, opened), group)
            else:
                was, known.trouble = known.trouble, opened.health.trouble
                if (was is None) != (known.trouble is None):
                    self._look_again(known, group)

    async def first_looks(self, seconds: float) -> None:
        """Return once every engine was asked what it holds, or after so long."""
        looks = [asyncio.ensure_future(tended.looked.wait()) for tended in self._tended.values()]
        if looks:
            _, late = await asyncio.wait(looks, timeout=seconds)
            for look in late:
                look.cancel()

    def _begin(self, tended: Tended, group: asyncio.TaskGroup) -> None:
        self._tended[tended.name] = tended
        tended.listening = group.create_task(self._listen(tended, group))
        tended.looking = group.create_task(self._look(tended))

    def _look_again(self, tended: Tended, group: asyncio.TaskGroup) -> None:
        if tended.looking is None or tended.looking.done():
            tended.looking = group.create_task(self._look(tended))

    async def _let_go(self, tended: Tended) -> None:
        """Stop tending an engine; the deployments that lived there are told."""
        del self._tended[tended.name]
        for task in (tended.listening, tended.looking):
            if task is not None:
                task.cancel()
        await self._wake(sorted(await self._live(tended.name)))

    async def _listen(self, tended: Tended, group: asyncio.TaskGroup) -> None:
        """Note what the engine reports, and wake the deployments that it is about.

        What is about none is an orphan: a server that was stopped in the middle of a start made it when it
        woke up, after another had taken over and ended the deployment.
        """
        async for fact in tended.engine.observe():
            guid = fact.deployment_guid
            if tended.observed.note(fact) and not await self._wake([guid]):
                group.create_task(self._end_orphan(tended, guid))

    async def _end_orphan(self, tended: Tended, guid: str) -> None:
        try:
            await tended.engine.remove(guid)
        except EngineFailed as failure:
            code = failure.finding.code.value
            log.warning("engine.orphan_stays", engine=tended.name, deployment=guid, finding=code)
            return
        log.warning("engine.orphan_removed", engine=tended.name, deployment=guid)
        tended.observed.forget(guid)

    async def _look(self, tended: Tended) -> None:
        """Take stock; while the engine is out of reach, its deployments are told so and it is asked again."""
        told = False
        while not await self._take_stock(tended):
            tended.looked.set()
            if not told:
                told = True
                await self._wake(sorted(await self._live(tended.name)))
            await asyncio.sleep(PAUSE_AFTER_TROUBLE)
        tended.looked.set()

    async def _take_stock(self, tended: Tended) -> bool:
        """Compare what the engine holds with what is wished: wake the living, end the orphans.

        Return whether the engine could be asked. What belongs to a deployment on another engine is left
        alone: that engine is the same one under a second address.
        """
        try:
            for fact in await tended.engine.inventory():
                tended.observed.note(fact)
            everywhere = await self._live()
            for orphan in tended.observed.deployments() - everywhere:
                log.warning("engine.orphan_removed", engine=tended.name, deployment=orphan)
                await tended.engine.remove(orphan)
                tended.observed.forget(orphan)
        except EngineFailed as failure:
            log.warning("engine.unreachable", engine=tended.name, finding=failure.finding.code.value)
            return False
        await self._wake(sorted(await self._live(tended.name)))
        return True

    async def _live(self, engine: str = "") -> frozenset[str]:
        return await self._store.read(
            lambda tx: tx.deployments.live_guids(engine=engine, machine=self._machine)
        )

    async def _wake(self, guids: Sequence[str]) -> int:
        """Make deployments due; return how many there are that can be."""
        if not guids:
            return 0
        woken = await self._store.write(lambda tx: tx.deployments.wake(now=self._clock(), guids=guids))
        self._bell.ring()
        return woken


def _absent(name: str) -> OpenEngine:
    """Return what stands in the place of an engine that is not in use."""
    reason = not_there(name)
    closed = ClosedEngine(name, reason)
    return OpenEngine(closed, closed, EngineHealth(_NEVER, trouble=reason))
