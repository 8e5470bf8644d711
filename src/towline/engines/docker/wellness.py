"""Ending containers whose liveness probe fails, and starting them again as their restart policy says.

The Engine itself asks commands inside (its health check) and only tells, podman not even that; connections
and HTTP are asked from here. An Engine starts nothing again that somebody ended, so after such an end this
room does.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import structlog

from towline.domain.errors import EngineFailed
from towline.engines.docker import probes
from towline.engines.docker.daemon import Refused
from towline.engines.docker.document import LONGEST_GRACE
from towline.engines.wording import cleaned

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from towline.domain.package import LivenessProbe
    from towline.engines.docker.containers import Containers
    from towline.engines.docker.facts import Seen
    from towline.engines.docker.places import Kept

log = structlog.get_logger("towline.engine.docker")

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
STEADY_AFTER = 10.0
"""A run of so many seconds makes the next pause a short one again."""


@dataclass(slots=True)
class _Care:
    """What is kept about one container: the present verdict, our own restarts, and the work under way."""

    asked_since: datetime | None = None
    verdict: str = ""
    restarts: int = 0
    pause: float = FIRST_PAUSE
    ended_at: float = 0.0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


class Wellness:
    """Cares for all containers with a probe. ``here`` is where ports on the Engine's own network are."""

    def __init__(self, containers: Containers, *, here: str, reaches_containers: bool) -> None:
        self._containers = containers
        self._here = here
        self._reaches_containers = reaches_containers
        self._cares: dict[str, _Care] = {}

    async def close(self) -> None:
        """Let go; what was ended and not yet started again is found by the next start."""
        tasks = [task for care in self._cares.values() for task in care.tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._cares.clear()

    def note(self, seen: Seen) -> None:
        """Begin to ask a container that runs, once for each run."""
        if seen.kept.probe is None or not seen.is_running:
            return
        care = self._cares.setdefault(seen.ident, _Care())
        health = seen.state.get("Health") or {}
        if care.verdict:
            return
        if health.get("Status") == "unhealthy":
            self._spawn(care, self._end(seen.ident, seen.kept, care, checked(health)))
        elif care.asked_since != seen.started_at and not self._is_asked_by_the_engine(seen.kept.probe):
            care.asked_since = seen.started_at
            self._spawn(care, self._ask(seen, care))

    def forget(self, ident: str) -> None:
        """Stop caring."""
        care = self._cares.pop(ident, None)
        for task in care.tasks if care else ():
            task.cancel()

    def verdict(self, ident: str) -> str:
        """Return why we ended the container's present run, "" when we did not."""
        care = self._cares.get(ident)
        return care.verdict if care else ""

    def counted(self, seen: Seen) -> Seen:
        """Return what was seen, our own restarts counted in."""
        care = self._cares.get(seen.ident)
        return replace(seen, restarts=seen.restarts + care.restarts) if care else seen

    async def failed_its_check(self, ident: str, kept: Kept) -> None:
        """Hear from the Engine that a command inside failed often enough."""
        seen = await self._containers.seen(ident)
        if seen is not None and kept.probe is not None:
            self.note(seen)

    async def _ask(self, seen: Seen, care: _Care) -> None:
        probe = seen.kept.probe
        if probe is None:
            return
        host = seen.address if seen.address and self._reaches_containers else self._here
        inside = partial(self._asked_inside, seen.ident, probe) if probe.command else None
        try:
            trouble = await probes.until_unwell(probe, host, inside)
            now = await self._containers.seen(seen.ident)
        except (EngineFailed, Refused):
            care.asked_since = None  # when the Engine answers again, the next look begins anew
            return
        if now is not None and now.is_running and now.started_at == seen.started_at:
            await self._end(seen.ident, seen.kept, care, trouble)

    def _is_asked_by_the_engine(self, probe: LivenessProbe) -> bool:
        return bool(probe.command) and self._containers.are_checked

    async def _asked_inside(self, ident: str, probe: LivenessProbe) -> str:
        try:
            code = await self._containers.execute(ident, probe.command)
        except Refused as refused:
            return f"the command could not be run: {cleaned(refused.said.encode())}"
        return f"the command ended with {code}" if code else ""

    async def _end(self, ident: str, kept: Kept, care: _Care, why: str) -> None:
        """End the run, and begin the next one after a pause, unless the container may rest."""
        log.info("container.unwell", container=ident[:12], why=why)
        care.verdict = why
        loop = asyncio.get_running_loop()
        try:
            await self._containers.stop(ident, patience=LONGEST_GRACE)
            if kept.rests(1):
                return
            care.pause = FIRST_PAUSE if loop.time() - care.ended_at > STEADY_AFTER else care.pause
            await asyncio.sleep(care.pause)
            care.pause, care.ended_at = min(care.pause * 2, LONGEST_PAUSE), loop.time()
            care.restarts += 1
            care.verdict = ""
            await self._containers.start(ident)
        except (EngineFailed, Refused) as failure:
            care.verdict = ""
            log.warning("container.not_restarted", container=ident[:12], why=str(failure))

    def _spawn(self, care: _Care, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        care.tasks.add(task)
        task.add_done_callback(care.tasks.discard)


def checked(health: dict[str, object]) -> str:
    """Return what the Engine's health check heard last."""
    log_of_checks = health.get("Log")
    last = log_of_checks[-1] if isinstance(log_of_checks, list) and log_of_checks else {}
    times, code = health.get("FailingStreak"), last.get("ExitCode")
    if code == -1:
        said = str(last.get("Output", "")).rpartition("(")[2].rstrip(")")
        return f"{times} times in a row: no answer within {_seconds(said)}"
    return f"{times} times in a row: the command ended with {code}"


def _seconds(text: str) -> str:
    return f"{text[:-1]} s" if text.endswith("s") else "its time"
