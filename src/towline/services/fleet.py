"""The engines in use: opened by a table that is handed in, watched for whether they answer, closed again.

What cannot be opened (a missing library, keys that do not open) is in use all the same and says so, so that
one engine never keeps the server from starting. What takes long to open comes when it is ready.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import structlog

from towline.domain.causes import FindingCode
from towline.domain.engine import EngineAbout, EngineHealth, EngineKeys, EngineKind, EngineRecord
from towline.domain.errors import EngineFailed, TowlineError
from towline.domain.findings import Finding
from towline.ports import Engine, EngineHost, MirrorTarget, OpenEngine
from towline.services.closed_engine import ClosedEngine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from towline.ports import Bell, Clock, Engines


log = structlog.get_logger("towline.engines")

AT_REST, IN_TROUBLE = 15.0, 3.0
"""Seconds between two looks at an engine that answers, and at one that does not."""
FIRST_WAIT = 1.0
"""So long a start waits for the added engines; who needs longer comes later."""


@dataclass(frozen=True, slots=True)
class Housed:
    """An engine that was made: its two sides, and what lets it begin."""

    engine: Engine
    host: EngineHost
    start: Callable[[], Awaitable[None]]
    mirrors: MirrorTarget | None = None


Opener = Callable[[EngineRecord, EngineKeys, AsyncExitStack], Awaitable[Housed]]
"""Makes an engine, which the stack closes; raises InvalidInput or EngineFailed."""


@dataclass(slots=True)
class _Opened:
    record: EngineRecord
    now: OpenEngine
    closing: AsyncExitStack
    watch: asyncio.Task[None] | None = None
    mirrors: MirrorTarget | None = None


class Fleet:
    """The port ``EngineDoors``; ``bell`` rings when an engine comes, goes, or answers otherwise than before.

    ``own`` names the installation's own engine.
    """

    def __init__(self, opener: Opener, *, own: str, bell: Bell, clock: Clock) -> None:
        self.own = own
        self._opener = opener
        self._bell = bell
        self._clock = clock
        self._opened: dict[str, _Opened] = {}
        self._coming: dict[str, asyncio.Task[None]] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def all(self) -> Mapping[str, OpenEngine]:
        """Return all engines in use, by name."""
        return {name: each.now for name, each in self._opened.items()}

    def clusters(self) -> Sequence[str]:
        """Return the names of the engines in use that are clusters, be it that one could not be opened."""
        kind = EngineKind.KUBERNETES
        return [name for name, each in self._opened.items() if each.record.spec.kind is kind]

    def mirror_targets(self) -> Mapping[str, MirrorTarget]:
        """Return what keeps mirrors of secrets on the engines that can, by their names."""
        return {name: each.mirrors for name, each in self._opened.items() if each.mirrors is not None}

    def record(self, name: str) -> EngineRecord:
        """Return how an engine in use is reached."""
        return self._opened[name].record

    def is_coming(self, name: str) -> bool:
        """Whether an engine is being opened."""
        return name in self._coming

    async def tried(self, record: EngineRecord, keys: EngineKeys) -> EngineAbout:
        """Reach an engine without keeping it; raise InvalidInput for its address, EngineFailed."""
        async with AsyncExitStack() as closing:
            housed = await self._opener(record, keys, closing)
            return await housed.host.about()

    async def open(self, record: EngineRecord, keys: EngineKeys | TowlineError) -> None:
        """Begin to use an engine; one that does not answer, or cannot be opened, says so from now on.

        One that is in use already stays as it is.
        """
        async with self._turn(record.name):
            if record.name in self._opened:
                return
            try:
                if isinstance(keys, TowlineError):
                    raise keys
                await self.open_own(record, keys)
            except TowlineError as error:
                self._stay_closed(record, error)

    async def open_own(self, record: EngineRecord, keys: EngineKeys) -> None:
        """Begin to use an engine without which there is nothing to serve: raise what stands in its way."""
        closing = AsyncExitStack()
        try:
            housed = await self._opener(record, keys, closing)
            await housed.start()
            now = OpenEngine(housed.engine, housed.host, EngineHealth(self._clock()))
            opened = _Opened(record, now, closing, mirrors=housed.mirrors)
            await self._look(opened)
        except BaseException:
            await closing.aclose()
            raise
        self._opened[record.name] = opened
        opened.watch = asyncio.create_task(self._watch(opened))
        self._bell.ring()

    def _stay_closed(self, record: EngineRecord, error: TowlineError) -> None:
        trouble = _trouble(error)
        log.warning("engine.not_opened", engine=record.name, why=trouble.detail)
        closed = ClosedEngine(record.spec.kind.value, trouble)
        health = EngineHealth(self._clock(), trouble=trouble)
        self._opened[record.name] = _Opened(record, OpenEngine(closed, closed, health), AsyncExitStack())
        self._bell.ring()

    async def open_all(self, known: Sequence[tuple[EngineRecord, EngineKeys | TowlineError]]) -> None:
        """Open the added engines side by side; return when all are open, or soon without the slow ones."""
        for record, keys in known:
            self._coming[record.name] = asyncio.create_task(self._come(record, keys))
        if self._coming:
            await asyncio.wait(list(self._coming.values()), timeout=FIRST_WAIT)

    async def close(self, name: str) -> None:
        """Let go of an engine; its containers go on running."""
        coming = self._coming.get(name)
        if coming is not None:
            await _ended(coming)
        async with self._turn(name):
            opened = self._opened.pop(name, None)
            if opened is None:
                return
            self._bell.ring()
            if opened.watch is not None:
                await _ended(opened.watch)
            await opened.closing.aclose()

    async def close_all(self) -> None:
        """Let go of everything, the installation's own engine last."""
        for name in sorted({*self._coming, *self._opened}, key=lambda each: each == self.own):
            await self.close(name)

    async def look(self, name: str) -> EngineHealth:
        """Ask an engine now whether it answers, and return that."""
        opened = self._opened[name]
        await self._look(opened)
        return opened.now.health

    async def _come(self, record: EngineRecord, keys: EngineKeys | TowlineError) -> None:
        try:
            await self.open(record, keys)
        finally:
            del self._coming[record.name]

    def _turn(self, name: str) -> asyncio.Lock:
        return self._turns.setdefault(name, asyncio.Lock())

    async def _watch(self, opened: _Opened) -> None:
        while True:
            await asyncio.sleep(AT_REST if opened.now.health.answers else IN_TROUBLE)
            try:
                await self._look(opened)
            except Exception:  # a defect in one look must not end the looking
                log.exception("engine.look_failed", engine=opened.record.name)

    async def _look(self, opened: _Opened) -> None:
        """Note whether an engine answers; ``since`` changes only when that does."""
        before = opened.now.health
        try:
            about = await opened.now.host.about()
        except EngineFailed as failure:
            health = replace(before, trouble=failure.finding)
        else:
            health = EngineHealth(before.since, about.version, _stranger(opened.record, about))
        if health.answers != before.answers:
            health = replace(health, since=self._clock())
            log.info("engine.health", engine=opened.record.name, answers=health.answers)
        opened.now = replace(opened.now, health=health)
        if health.answers != before.answers:
            self._bell.ring()


class Among:
    """The port ``Engines``, narrowed to those whose names are ``wanted``."""

    def __init__(self, engines: Engines, *, wanted: Callable[[str], bool]) -> None:
        self._engines = engines
        self._wanted = wanted

    @property
    def own(self) -> str:
        """The name of the installation's own engine, whether it is wanted or not."""
        return self._engines.own

    def all(self) -> Mapping[str, OpenEngine]:
        """Return the wanted engines in use, by name."""
        return {name: each for name, each in self._engines.all().items() if self._wanted(name)}

    def is_coming(self, name: str) -> bool:
        """Whether a wanted engine is being opened."""
        return self._wanted(name) and self._engines.is_coming(name)


def _stranger(record: EngineRecord, about: EngineAbout) -> Finding | None:
    """Return that another engine answers than the one that was added."""
    if not record.identities or not about.identities or set(record.identities) & set(about.identities):
        return None
    detail = f"another engine than the one that was added answers at {record.spec.address or record.name}"
    return Finding(FindingCode.ENGINE_ERROR, detail)


def _trouble(error: TowlineError) -> Finding:
    if isinstance(error, EngineFailed):
        return error.finding
    return Finding(FindingCode.ENGINE_UNREACHABLE, str(error))


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
