"""Seeing services start: the image can be had, a node is found, every replica's process is executed.

A node tells of a pull that failed no more than that it has no such image. So the manager's own Engine is
asked for the reason, before a service is made and when a task has failed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.domain.causes import FindingCode
from towline.domain.errors import EngineFailed, PullRefused
from towline.domain.findings import Finding
from towline.domain.package import PullPolicy
from towline.engines.docker import refusals
from towline.engines.docker.daemon import Refused
from towline.engines.docker.pulls import called
from towline.engines.swarm import document, tasks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towline.domain.workload import Workload, WorkloadExecutable
    from towline.engines.docker.daemon import Daemon
    from towline.engines.swarm.ending import Ending
    from towline.engines.swarm.mirror import Mirror
    from towline.engines.swarm.services import Services
    from towline.engines.swarm.tasks import Task
    from towline.engines.swarm.watch import Watch

_NOT_EXECUTED = (FindingCode.WRONG_ARCHITECTURE, FindingCode.COMMAND_NOT_FOUND)
_GONE = 404


class Starting:
    """Checks before a start, and sees it through."""

    def __init__(
        self,
        daemon: Daemon,
        services: Services,
        *,
        watch: Watch,
        mirror: Mirror,
        ending: Ending,
        installation: str,
    ) -> None:
        self._daemon = daemon
        self._swarm = services
        self._watch = watch
        self._mirror = mirror
        self._ending = ending
        self._installation = installation

    async def see_that_nothing_is_logged(self, workload: Workload) -> None:
        """Raise EngineFailed if the manager would write a login or an environment into its log."""
        handed = any(each.access.credential or each.environment for each in workload.executables)
        if handed and await self._swarm.logs_tasks():
            raise EngineFailed(Finding(FindingCode.ENGINE_LOGS_SECRETS))

    async def check(self, executable: WorkloadExecutable) -> None:
        """See that the manager's own machine can have the image; raise PullRefused."""
        image, login = executable.image, executable.access.credential
        if await self._is_here(called(image)):
            return
        if executable.pull_policy is PullPolicy.NEVER:
            finding = Finding(FindingCode.IMAGE_NOT_PRESENT, image=str(image), executable=executable.name)
            raise PullRefused(finding)
        if said := await self._swarm.refusal(image, login):
            finding = refusals.pull_finding(said, image, with_login=login is not None)
            raise PullRefused(finding.about(image=str(image), executable=executable.name))

    async def started(self, workload: Workload, executable: WorkloadExecutable, *, is_new: bool) -> None:
        """Return once every replica's process has started; leave nothing of a new service whose does not."""
        name = document.name_of(self._installation, document.place_of(workload, executable))
        waiting: Sequence[int] = range(1, workload.replicas + 1)
        known = {task.ident for slot in waiting if not is_new for task in self._mirror.history(name, slot)}
        while waiting:
            await self._watch.next_look()
            left = []
            for slot in waiting:
                history = self._mirror.history(name, slot)
                trouble = self._trouble([task for task in history if task.ident not in known])
                has_run = any(map(self._has_run, history))
                if trouble is not None and (is_new or not has_run):
                    await self._refuse(workload, executable, name if is_new else "", trouble)
                if not has_run or not await self._was_executed(history[-1]):
                    left.append(slot)
            waiting = left

    async def _is_here(self, reference: str) -> bool:
        try:
            await self._daemon.ask("GET", f"/images/{reference}/json")
        except Refused as refused:
            if refused.status == _GONE:
                return False
            raise
        return True

    def _trouble(self, history: Sequence[Task]) -> Finding | None:
        """Return why a slot's process has not started and will not, None where it may or has."""
        for task in history:
            if task.has_ended and task.never_ran and not task.was_moved:
                return tasks.not_started(task)
            if (finding := tasks.unscheduled(task)) is not None:
                return finding
            fact = self._mirror.fact(task)
            if fact is not None and fact.finding is not None and fact.finding.code in _NOT_EXECUTED:
                return fact.finding
        return None

    def _has_run(self, task: Task) -> bool:
        fact = self._mirror.fact(task)
        return fact is not None and fact.started_at is not None

    async def _was_executed(self, task: Task) -> bool:
        """Whether the container is past its start, where it is within reach: a command that cannot be
        executed ends at once.
        """
        if task.has_ended or task.node != self._mirror.node:
            return True
        found = await self._swarm.container(task.container) if task.container else None
        return found is not None and bool(found["State"].get("Running"))

    async def _refuse(
        self, workload: Workload, executable: WorkloadExecutable, name: str, finding: Finding
    ) -> None:
        """Delete the service of that name, and raise why it does not start."""
        image, login = executable.image, executable.access.credential
        is_pull = finding.wire_code == refusals.NOT_PULLED
        if is_pull and (said := await self._swarm.refusal(image, login)):
            finding = refusals.pull_finding(said, image, with_login=login is not None)
        held = await self._swarm.listed(workload.deployment_guid)
        await self._ending.end([each for each in held if each.name == name])
        finding = finding.about(image=str(image), executable=executable.name)
        raise PullRefused(finding) if is_pull else EngineFailed(finding)
