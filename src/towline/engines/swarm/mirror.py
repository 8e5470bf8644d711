"""What is known of a Towline's services and their tasks, and the facts about them.

A swarm has no events for tasks: it is asked for their list. What a task came to is told once, in the
order of tasks; what an end was like is read from the task's log and, on the manager's own node, from its
container.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING

from towline.domain.causes import FindingCode
from towline.domain.findings import Finding
from towline.domain.workload import ReplicaState
from towline.engines.docker import facts, wellness
from towline.engines.docker.kills import is_limited
from towline.engines.swarm import tasks
from towline.engines.wording import cleaned

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from towline.domain.workload import Fact
    from towline.engines.docker.daemon import Json
    from towline.engines.docker.kills import Kills
    from towline.engines.docker.places import Kept
    from towline.engines.swarm.health import Health
    from towline.engines.swarm.services import Service, Services
    from towline.engines.swarm.tasks import Task
    from towline.ports import Clock

SlotKey = tuple[str, int]

_UNSEEN_START = 2.0
"""Seconds after which a task on another node, whose health check is still waited for, is taken to run."""


class Mirror:
    """The last look at the swarm, and the facts that came of it."""

    def __init__(
        self,
        services: Services,
        *,
        publish: Callable[[Fact], None],
        health: Health,
        kills: Kills,
        clock: Clock,
    ) -> None:
        self._swarm = services
        self._tell = publish
        self._kills = kills
        self._health = health
        self._clock = clock
        self._turn = asyncio.Lock()
        self._services: dict[str, Service] = {}
        self._slots: dict[SlotKey, list[Task]] = {}
        self._phases: dict[str, str] = {}
        self._last: dict[str, Fact] = {}
        self._numbers: defaultdict[SlotKey, dict[str, int]] = defaultdict(dict)
        self._leaving: set[str] = set()
        self._looked = False
        self.node = ""
        """The node that is talked to, known from the first look on."""

    async def look(self) -> None:
        """Look at everything now, and tell what is new."""
        async with self._turn:
            self.node = self.node or await self._swarm.node()
            listed = await self._swarm.listed()
            found = await self._swarm.tasks() if listed or self._slots else ()
            self._note(listed, found)
            for key, history in self._slots.items():
                await self._look_at(self._services[key[0]], history, self._numbers[key])
            self._looked = True

    def present(self) -> Sequence[Fact]:
        """Return a fact for each replica, as of the last look."""
        return [fact for history in self._slots.values() if (fact := self._newest(history)) is not None]

    def history(self, name: str, slot: int) -> Sequence[Task]:
        """Return the tasks of one slot of the service of that name, the oldest first."""
        ident = next((each.ident for each in self._services.values() if each.name == name), "")
        return self._slots.get((ident, slot), ())

    def has_failed(self, service: Service) -> bool:
        """Whether a replica ended before it began, and is not started again."""
        newest = [history[-1] for key, history in self._slots.items() if key[0] == service.ident]
        told = [self._last.get(task.ident) for task in newest]
        return any(fact is not None and fact.state is ReplicaState.FAILED for fact in told)

    def fact(self, task: Task) -> Fact | None:
        """Return what was last told about a task."""
        return self._last.get(task.ident)

    def leaves(self, service: Service) -> None:
        """Expect a service's end: it is no news."""
        self._leaving.add(service.ident)
        for history in [each for key, each in self._slots.items() if key[0] == service.ident]:
            for task in history:
                self._health.forget(task.ident)

    def stays(self, service: Service) -> None:
        """Expect a service to run after all."""
        self._leaving.discard(service.ident)

    def lost(self, finding: Finding) -> None:
        """Tell that no replica is within reach; the next look tells everything anew."""
        for key, history in self._slots.items():
            self._tell_down(self._services[key[0]], history[-1], finding)
        self._phases.clear()
        self._looked = False

    def _note(self, listed: Sequence[Service], found: Sequence[Task]) -> None:
        """Take over a new list; tell of services that somebody else deleted."""
        present = {each.ident: each for each in listed if each.ident not in self._leaving and not each.rests}
        expected = set(self._leaving)
        self._leaving &= {each.ident for each in listed}
        for key, history in self._slots.items():
            if key[0] not in present:
                if key[0] not in expected:
                    gone = Finding(FindingCode.ENGINE_ERROR, tasks.GONE)
                    self._health.forget(history[-1].ident)
                    self._tell_down(self._services[key[0]], history[-1], gone)
                self._numbers.pop(key, None)
        self._services = present
        self._slots = {}
        for task in found:
            if task.service in present and task.slot <= present[task.service].replicas:
                self._slots.setdefault((task.service, task.slot), []).append(task)
        known = {task.ident for history in self._slots.values() for task in history}
        for memory in (self._phases, self._last):
            for ident in memory.keys() - known:
                del memory[ident]

    def _tell_down(self, service: Service, task: Task, finding: Finding) -> None:
        kept = tasks.kept_of(service.kept, task)
        self._tell(facts.told(kept, ReplicaState.FAILED, at=self._clock(), finding=finding))

    async def _look_at(self, service: Service, history: Sequence[Task], numbers: dict[str, int]) -> None:
        for task in history:
            numbers.setdefault(task.ident, max(numbers.values(), default=-1) + 1)
        for ident in numbers.keys() - {task.ident for task in history}:
            del numbers[ident]
        for before, task in zip([None, *history], history, strict=False):
            phase = await self._phase(service.kept, task)
            if self._phases.get(task.ident) == phase:
                continue
            came_from = self._phases.get(task.ident, "")
            self._phases[task.ident] = phase
            told = await self._facts(
                tasks.kept_of(service.kept, task), task, phase, came_from, numbers[task.ident]
            )
            self._last[task.ident] = told[-1]
            rests = (
                before is not None and not before.was_moved and phase in ("waiting", "preparing", "starting")
            )
            if not rests and (self._looked or task is history[-1]):
                for fact in told:
                    self._tell(fact)

    async def _phase(self, kept: Kept, task: Task) -> str:
        if task.has_ended:
            return "ended"
        if task.is_running or (task.is_starting and await self._awaits_its_check(kept, task)):
            return "running"
        if task.is_starting:
            return "starting"
        return "preparing" if task.is_preparing else "waiting" + ("!" if task.error else "")

    async def _awaits_its_check(self, kept: Kept, task: Task) -> bool:
        """Whether the process runs and only its first health check is still to come."""
        if kept.probe is None or not kept.probe.command or not task.container or task.state != "starting":
            return False
        if task.node == self.node:
            found = await self._swarm.container(task.container)
            return found is not None and bool(found["State"].get("Running"))
        return task.at is not None and (self._clock() - task.at).total_seconds() > _UNSEEN_START

    async def _facts(self, kept: Kept, task: Task, phase: str, came_from: str, number: int) -> Sequence[Fact]:
        if phase == "running":
            return (await self._running(kept, task, number),)
        if phase == "ended":
            return await self._ended(kept, task, came_from, number)
        state = ReplicaState.STARTING if phase == "starting" else ReplicaState.PULLING
        finding = tasks.unscheduled(task)
        return (facts.told(kept, state, at=self._clock(), restarts=number, finding=finding),)

    async def _running(self, kept: Kept, task: Task, number: int) -> Fact:
        found = await self._swarm.container(task.container) if task.node == self.node else None
        began = facts.moment(str(found["State"].get("StartedAt", ""))) if found else task.at
        self._health.note(kept, task, found)
        state = ReplicaState.RUNNING
        return facts.told(kept, state, at=self._clock(), started_at=began, restarts=number)

    async def _ended(self, kept: Kept, task: Task, came_from: str, number: int) -> Sequence[Fact]:
        now = self._clock()
        if task.was_moved:
            return (facts.told(kept, ReplicaState.STARTING, at=now, restarts=number),)
        if task.never_ran:
            goes_on = not kept.rests(1)
            state = ReplicaState.BACKING_OFF if goes_on else ReplicaState.FAILED
            finding = tasks.not_started(task)
            return (facts.told(kept, state, at=now, restarts=number, finding=finding),)
        told = [] if came_from == "running" else [await self._running(kept, task, number)]
        earlier = told[-1] if told else self._last.get(task.ident)
        unwell = self._health.verdict(task.ident)
        self._health.forget(task.ident)
        found = await self._swarm.container(task.container) if task.node == self.node else None
        if task.was_unhealthy or _failed_its_check(kept, found):
            unwell = _checked(kept, found)
        ended = facts.told(
            kept,
            _state_after(kept, task, unwell=unwell),
            at=now,
            started_at=earlier.started_at if earlier else task.at,
            exit_code=task.exit_code,
            restarts=number,
            finding=await self._why(task, found, unwell),
        )
        return (*told, ended)

    async def _why(self, task: Task, found: Mapping[str, Json] | None, unwell: str) -> Finding:
        if unwell:
            return Finding(FindingCode.PROBE_FAILED, cleaned(unwell.encode()))
        out_of_memory = found is not None and self._kills.was_out_of_memory(
            task.container, task.exit_code, state=found["State"], limited=is_limited(found)
        )
        self._kills.forget(task.container)
        lines = await self._swarm.last_lines(
            f"containers/{task.container}" if found else f"tasks/{task.ident}"
        )
        return facts.exit_finding(task.exit_code, out_of_memory=out_of_memory, lines=lines)

    def _newest(self, history: Sequence[Task]) -> Fact | None:
        """Return the fact about a slot: that of its newest task, or of the one whose successor waits."""
        *older, newest = history
        waits = self._phases.get(newest.ident) in ("waiting", "preparing", "starting")
        if waits and older and not older[-1].was_moved:
            newest = older[-1]
        return self._last.get(newest.ident)


def _state_after(kept: Kept, task: Task, *, unwell: str) -> ReplicaState:
    """Return what comes after an end. A swarm starts nothing again that ended well, also where its probe had
    failed and it only obeyed its stop signal: then it is for us to do.
    """
    if kept.rests(task.exit_code) and not (unwell and not kept.rests(1)):
        return ReplicaState.EXITED
    return ReplicaState.FAILED if kept.rests(task.exit_code) else ReplicaState.BACKING_OFF


def _failed_its_check(kept: Kept, found: Mapping[str, Json] | None) -> bool:
    """Whether the node ended a container for its probe; of one that obeyed, the swarm says it ended well."""
    if kept.probe is None or not kept.probe.command or found is None:
        return False
    return int((found["State"].get("Health") or {}).get("FailingStreak") or 0) >= kept.probe.failures


def _checked(kept: Kept, found: Mapping[str, Json] | None) -> str:
    """Return what the health check heard that ended a task; it may have been asked again since."""
    failures = kept.probe.failures if kept.probe is not None else 0
    health = found["State"].get("Health") if found is not None else None
    if not health or not health.get("Log"):
        return f"{failures} times in a row: the command failed"
    since = max(int(health.get("FailingStreak") or 0) - failures, 0)
    checks = health["Log"]
    return wellness.checked({"FailingStreak": failures, "Log": checks[: max(len(checks) - since, 1)]})
