"""Hearing what happens to containers, and telling it on as facts.

The Engine's events say *that* something happened, an inspection says what is so now. When the Engine
does not answer, every container is reported out of reach; when it does again, everything is looked at
anew: what is not known from an event is seen then.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import structlog

from towline.domain.causes import FindingCode
from towline.domain.errors import EngineFailed
from towline.domain.findings import Finding
from towline.domain.workload import ReplicaState
from towline.engines.docker import facts, places
from towline.engines.docker.daemon import Refused, lines
from towline.engines.docker.kills import Kills
from towline.engines.waiting import all_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import aiohttp

    from towline.domain.workload import Fact
    from towline.engines.docker.containers import Containers
    from towline.engines.docker.daemon import Daemon, Json
    from towline.engines.docker.facts import Seen
    from towline.engines.docker.places import Kept, Place
    from towline.engines.docker.wellness import Wellness
    from towline.ports import Clock

log = structlog.get_logger("towline.engine.docker")

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
HEARTBEAT = 10.0
_LOOKS_AT_ONCE = 16
_GONE = ("destroy", "remove")
"""What Docker and podman call the event of a container that is deleted."""


class Watch:
    """Mirrors the Engine's containers of one Towline."""

    def __init__(
        self,
        daemon: Daemon,
        containers: Containers,
        *,
        installation: str,
        publish: Callable[[Fact], None],
        made: Callable[[Kept, str], None],
        clock: Clock,
    ) -> None:
        self._daemon = daemon
        self._containers = containers
        self._installation = installation
        self._tell = publish
        self._made = made
        self._clock = clock
        self._known: dict[str, Kept] = {}
        self._last: dict[str, Fact] = {}
        self._leaving: set[str] = set()
        self._starting: set[Place] = set()
        self._kills = Kills()
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._looking = asyncio.Semaphore(_LOOKS_AT_ONCE)
        self._changed = asyncio.Event()
        self._since = ""
        self.wellness: Wellness | None = None
        self.trouble: Finding | None = None
        """Why the Engine is out of reach, None while it answers."""

    async def run(self) -> None:
        """Listen until cancelled; after a failure again, a little later each time."""
        pause = FIRST_PAUSE
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await self._listen()
            except EngineFailed as failure:
                self._lost(failure.finding)
            except Refused as refused:
                self._lost(Finding(FindingCode.ENGINE_UNREACHABLE, f"{self._daemon.address}: {refused}"))
            if asyncio.get_running_loop().time() - began > LONGEST_PAUSE:
                pause = FIRST_PAUSE
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def look(self, ident: str) -> Seen | None:
        """Look at a container now, and tell what is seen."""
        async with self._looking, self._turn(ident):
            seen = await self.seen(ident)
            if seen is None:
                return None
            self._known[seen.ident] = seen.kept
            self._publish(seen.ident, self.fact(seen))
        if self.wellness is not None:
            self.wellness.note(seen)
        return seen

    async def seen(self, ident: str) -> Seen | None:
        """Inspect a container; None if there is none, or it was made and its start was under way meanwhile.

        The answer may come when the start is over.
        """
        starting = set(self._starting)
        seen = await self._containers.seen(ident)
        if seen is not None and seen.is_unstarted and seen.kept.place in starting | self._starting:
            return None
        return seen

    @contextmanager
    def starts(self, place: Place) -> Iterator[None]:
        """Expect the container of a place to be made and started meanwhile: in between it is no news."""
        self._starting.add(place)
        try:
            yield
        finally:
            self._starting.discard(place)

    def leaves(self, ident: str) -> None:
        """Expect the container's end: it is no news."""
        self._leaving.add(ident)
        self._forget(ident)

    def stays(self, ident: str) -> None:
        """Take ``leaves`` back."""
        self._leaving.discard(ident)

    def fact(self, seen: Seen, *, at: datetime | None = None) -> Fact:
        """Return what was seen, as a fact of ``at`` or now; what was told already keeps its date."""
        unwell = self.wellness.verdict(seen.ident) if self.wellness is not None else ""
        killed = self._was_out_of_memory(seen, seen.exit_code)
        now = facts.fact(self._counted(seen), at=at or self._clock(), out_of_memory=killed, unwell=unwell)
        last = self._last.get(seen.ident)
        return last if last is not None and facts.are_alike(last, now) else now

    def next_change(self) -> asyncio.Event:
        """Return what is set at the next fact about any container."""
        return self._changed

    async def _listen(self) -> None:
        """Hear events until the stream ends; a heartbeat notices an Engine that says nothing any more."""
        await self._daemon.about()
        if not self._since:
            info = await self._daemon.ask("GET", "/info")
            told = facts.moment(str(info.get("SystemTime", "")))
            self._since = f"{told.timestamp():.6f}" if told else ""
        wanted = {"type": ["container"], "label": [f"{places.INSTALLATION}={self._installation}"]}
        query = {"filters": json.dumps(wanted), **({"since": self._since} if self._since else {})}
        await all_of([self._attend(query), self._beat()])

    async def _attend(self, query: dict[str, str]) -> None:
        """Look at everything, and hear events from a moment before that on.

        podman answers with the first event only, and forgets none; Docker remembers some 250.
        """
        looks_first = self._daemon.is_podman
        if looks_first:
            await self._look_at_all()
        async with self._daemon.stream("GET", "/events", query) as content:
            if not looks_first:
                await self._look_at_all()
            await self._hear(content)

    async def _hear(self, content: aiohttp.StreamReader) -> None:
        async for event in lines(content):
            nanoseconds = int(event.get("timeNano") or 0)
            if nanoseconds:
                self._since = f"{nanoseconds // 10**9}.{nanoseconds % 10**9:09d}"
            await self._heard(event)
        raise self._daemon.unreachable(ConnectionResetError("its stream of events ended"))

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT)
            await self._daemon.ping()

    async def _look_at_all(self) -> None:
        """Look at everything there is, and tell of what is gone since."""
        listed = {str(each["Id"]) for each in await self._containers.listed()}
        was_lost, self.trouble = self.trouble is not None, None
        for ident in [known for known in self._known if known not in listed]:
            self._gone(ident)
        await all_of([self.look(ident) for ident in listed])
        log.info("engine.answers", containers=len(listed), again=was_lost)

    async def _heard(self, event: Json) -> None:
        actor = event.get("Actor") or {}
        ident, attributes = str(actor.get("ID", "")), actor.get("Attributes") or {}
        kept = places.read(attributes)
        if kept is None:
            return
        action = str(event.get("Action", ""))
        self._kills.heard(ident, action, attributes)
        at = datetime.fromtimestamp(int(event.get("timeNano") or 0) / 1e9, UTC)
        if ident in self._leaving:
            if action in _GONE:
                self._leaving.discard(ident)
            return
        if action == "die":
            await self._died(ident, kept, int(attributes.get("exitCode") or 0), event=at)
        elif action in _GONE:
            async with self._turn(ident):  # who looks just now tells what it saw before that
                self._gone(ident)
        elif action == "create":
            self._made(kept, ident)
        elif action == "start":
            await self._started(ident, event=at)
        elif action.endswith("unhealthy") and self.wellness is not None:
            await self.wellness.failed_its_check(ident, kept)

    async def _started(self, ident: str, *, event: datetime) -> None:
        """Tell of a start, also when the process has ended since: its end is told by the next event."""
        async with self._turn(ident):
            seen = await self._containers.seen(ident)
            if seen is None:
                return
            self._known[ident] = seen.kept
            then = facts.as_of(self._counted(seen), event, last=self._last.get(ident), is_start=True)
            self._publish(ident, self.fact(seen) if then.is_running else facts.began(then, at=self._clock()))
        if self.wellness is not None:
            self.wellness.note(seen)

    async def _died(self, ident: str, kept: Kept, exit_code: int, *, event: datetime) -> None:
        """Tell of a process's end, also when the Engine has started the next one already."""
        async with self._turn(ident):
            seen = await self._containers.seen(ident, with_lines=True)
            if seen is None:
                return
            self._known[ident] = kept
            unwell = self.wellness.verdict(ident) if self.wellness is not None else ""
            out_of_memory = self._was_out_of_memory(seen, exit_code)
            self._kills.forget(ident)
            if seen.needs_start and not unwell:
                self._publish(ident, self.fact(seen))
                return
            then = facts.as_of(self._counted(seen), event, last=self._last.get(ident), is_start=False)
            ended = facts.ended(
                then,
                exit_code=exit_code,
                out_of_memory=out_of_memory,
                unwell=unwell,
                at=self._clock(),
            )
            self._publish(ident, ended)
        if self.wellness is not None:
            self.wellness.note(seen)

    def _was_out_of_memory(self, seen: Seen, exit_code: int) -> bool:
        return self._kills.was_out_of_memory(seen.ident, exit_code, state=seen.state, limited=seen.is_limited)

    def _counted(self, seen: Seen) -> Seen:
        return seen if self.wellness is None else self.wellness.counted(seen)

    def _gone(self, ident: str) -> None:
        kept = self._known.get(ident)
        self._forget(ident)
        if kept is not None:
            self._tell_down(ident, kept, Finding(FindingCode.ENGINE_ERROR, facts.GONE))
            self._last.pop(ident, None)

    def _lost(self, finding: Finding) -> None:
        """Tell, once, that no container is within reach."""
        if self.trouble is not None:
            return
        self.trouble = finding
        log.warning("engine.unreachable", detail=finding.detail)
        for ident, kept in self._known.items():
            self._tell_down(ident, kept, finding)

    def _tell_down(self, ident: str, kept: Kept, finding: Finding) -> None:
        self._publish(ident, facts.told(kept, ReplicaState.FAILED, at=self._clock(), finding=finding))

    def _forget(self, ident: str) -> None:
        self._known.pop(ident, None)
        self._last.pop(ident, None)
        self._kills.forget(ident)
        if self.wellness is not None:
            self.wellness.forget(ident)

    def _publish(self, ident: str, fact: Fact) -> None:
        if self._last.get(ident) is fact:
            return
        self._last[ident] = fact
        self._tell(fact)
        self._changed.set()
        self._changed = asyncio.Event()

    def _turn(self, ident: str) -> asyncio.Lock:
        return self._turns.setdefault(ident, asyncio.Lock())
