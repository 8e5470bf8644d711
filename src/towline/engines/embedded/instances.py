"""The containers that this engine holds: started, adopted, watched, taken down.

What is so stands in the folders; this room only mirrors it, and hands every change on as a fact. A
container whose monitor is gone without a last word is *lost*: what is left of it is cleared away and it
is reported as failed, so that the reconciler starts it again.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import structlog

from towline.domain.causes import FindingCode
from towline.domain.errors import EngineFailed
from towline.domain.findings import Finding
from towline.engines.embedded import facts, logs, monitors
from towline.engines.embedded.containers import lock
from towline.engines.embedded.monitor import status as words
from towline.engines.embedded.monitor.instructions import Instructions
from towline.engines.embedded.monitor.status import Status
from towline.engines.wording import cleaned

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from towline.domain.package import LivenessProbe, RestartPolicy
    from towline.domain.workload import Fact
    from towline.engines.embedded.bundle import Json
    from towline.engines.embedded.containers import Container, Containers, Place
    from towline.engines.embedded.monitor.volumes import Volume
    from towline.engines.embedded.sweeping import Sweeper
    from towline.ports import Clock

log = structlog.get_logger("towline.engine.embedded")

LOG_PARTS = 3
LINES_OF_EVIDENCE = 3

_MONITOR_DIED = "its monitor was killed, and the container with it; it is started again"
_MACHINE_STOPPED = "it was running when this machine or its monitor stopped; it is started again"


@dataclass(frozen=True, slots=True)
class Run:
    """How a container is to be run. ``configuration`` holds secret values: never log or store it."""

    container: Container
    hostname: str
    command: str
    layers: tuple[Path, ...]
    configuration: Json
    restart: RestartPolicy
    stop_signal: int
    probe: LivenessProbe | None = None
    volumes: tuple[Volume, ...] = ()

    def __repr__(self) -> str:
        return f"Run({self.container!r})"


@dataclass(slots=True)
class Instance:
    """A container as it is known now."""

    container: Container
    folder: Path
    status: Status
    monitor: monitors.Monitor | None = None
    watch: asyncio.Task[None] | None = None

    @property
    def is_alive(self) -> bool:
        """Whether its process runs or will run again by itself."""
        return self.status.state not in words.FINAL

    @property
    def needs_start(self) -> bool:
        """Whether it is down for another reason than that its restart policy lets it rest."""
        return self.status.state in (words.FAILED, words.STOPPED, words.LOST)

    def fact(self) -> Fact:
        """Return what is known, as a fact."""
        lines = logs.last_lines(self.folder, LINES_OF_EVIDENCE)
        return facts.fact(self.container.place, self.status, last_lines=lines)


class Instances:
    """All containers of this engine."""

    def __init__(
        self,
        containers: Containers,
        *,
        run: Path,
        sweeper: Sweeper,
        publish: Callable[[Fact], None],
        clock: Clock,
        user_namespace: bool,
        log_bytes: int,
    ) -> None:
        self._containers = containers
        self._run = run
        self._sweeper = sweeper
        self._publish = publish
        self._clock = clock
        self._user_namespace = user_namespace
        self._log_bytes = log_bytes
        self._held: dict[Place, Instance] = {}
        self._by_name: dict[str, Instance] = {}

    def all(self) -> Sequence[Instance]:
        """Return every container, in no particular order."""
        return tuple(self._held.values())

    def get(self, place: Place) -> Instance | None:
        """Return the container at a place."""
        return self._held.get(place)

    async def adopt(self) -> None:
        """Take over what an earlier engine left: living containers as they are, the rest as lost."""
        for stray in list(self._containers.strays()):
            await self._sweeper.delete(stray)
        for container in list(self._containers.all()):
            folder = self._containers.folder(container.place)
            monitor = await monitors.Monitor.running_in(folder)
            status = words.read(str(folder)) or Status()
            if monitor is None and status.state not in words.FINAL:
                status = await self._lose(container, _MACHINE_STOPPED, last=status)
            self._hold(Instance(container, folder, status=status, monitor=monitor))
            log.info("container.adopted", container=container.place.container, state=status.state)

    async def start(self, run: Run, *, runtime: str) -> None:
        """Start a container that is not there or down; raise EngineFailed, with nothing left, if it fails."""
        place = run.container.place
        if (before := self._held.get(place)) is not None:
            await self.remove(before)
        await self._sweeper.delete(self._containers.folder(place))
        folder = self._containers.make(run.container)
        try:
            await self._launch(run, folder=folder, runtime=runtime)
        except monitors.MonitorGone as error:
            raise EngineFailed(await self._died_at_birth(run.container, str(error))) from error
        status = words.read(str(folder)) or Status(words.FAILED, detail="its monitor left no status")
        if status.state == words.FAILED:
            await self._clear(run.container)
            await self._sweeper.delete(folder)
            finding = facts.finding(status, executable=place.executable)
            raise EngineFailed(finding or Finding(FindingCode.ENGINE_ERROR))
        instance = Instance(run.container, folder, status=status)
        instance.monitor = await monitors.Monitor.running_in(folder)
        self._hold(instance)
        log.info("container.started", container=place.container, pid=status.pid)
        self._publish(instance.fact())
        self._note(instance)

    async def remove(self, instance: Instance) -> None:
        """End a container and delete all that is left of it."""
        self._by_name.pop(instance.container.place.container, None)  # its last words are no news
        await self._unwatch(instance)
        if instance.monitor is not None:
            in_time = await instance.monitor.stop(seconds=instance.container.stop_seconds)
            instance.monitor.forget()
            instance.monitor = None
            if not in_time:
                log.warning("monitor.killed", container=instance.container.place.container)
        instance.status = instance.status._replace(state=words.STOPPED)
        await self._clear(instance.container)
        await self._sweeper.delete(instance.folder)
        self._held.pop(instance.container.place, None)
        log.info("container.removed", container=instance.container.place.container)

    def heard(self, name: str) -> None:
        """Look at a container again, because its monitor says that something changed."""
        instance = self._by_name.get(name)
        if instance is not None:
            self._note(instance)

    async def close(self) -> None:
        """Let go of everything; containers and monitors go on."""
        for instance in self.all():
            await self._unwatch(instance)
            if instance.monitor is not None:
                instance.monitor.forget()
                instance.monitor = None
        self._held.clear()
        self._by_name.clear()

    async def _launch(self, run: Run, *, folder: Path, runtime: str) -> None:
        handle = lock(folder)
        if handle is None:
            raise monitors.MonitorGone("another monitor has its folder")
        try:
            await monitors.launched(
                Instructions(
                    container=run.container.place.container,
                    folder=str(folder),
                    lock=handle,
                    hostname=run.hostname,
                    command=run.command,
                    layers=[str(layer) for layer in run.layers],
                    configuration=run.configuration,
                    runtime=runtime,
                    runtime_root=str(self._run / "runtime"),
                    events=str(self._run),
                    user_namespace=self._user_namespace,
                    restart=run.restart.value,
                    stop_signal=run.stop_signal,
                    stop_seconds=run.container.stop_seconds,
                    log_bytes=self._log_bytes,
                    log_parts=LOG_PARTS,
                    probe=asdict(run.probe) if run.probe else None,
                    volumes=run.volumes or None,
                ),
                folder,
            )
        finally:
            os.close(handle)

    async def _died_at_birth(self, container: Container, last_words: str) -> Finding:
        folder = self._containers.folder(container.place)
        monitor = await monitors.Monitor.running_in(folder)
        if monitor is not None:
            await monitor.stop(seconds=0)
            monitor.forget()
        await self._clear(container)
        await self._sweeper.delete(folder)
        detail = cleaned(f"the container's monitor failed: {last_words}".encode())
        return Finding(FindingCode.ENGINE_ERROR, detail=detail, executable=container.place.executable)

    def _hold(self, instance: Instance) -> None:
        self._held[instance.container.place] = instance
        self._by_name[instance.container.place.container] = instance
        if instance.monitor is not None:
            instance.watch = asyncio.create_task(self._watch(instance, instance.monitor))

    async def _watch(self, instance: Instance, monitor: monitors.Monitor) -> None:
        """Wait for the monitor's end; if that was not the container's, clear up and report it."""
        await monitor.ended()
        instance.monitor = None
        monitor.forget()
        last = words.read(str(instance.folder)) or instance.status
        if last.state not in words.FINAL:
            log.warning("container.lost", container=instance.container.place.container)
            await self._lose(instance.container, _MONITOR_DIED, last=last)
        self._note(instance)

    async def _unwatch(self, instance: Instance) -> None:
        watch, instance.watch = instance.watch, None
        if watch is not None:
            watch.cancel()
            await asyncio.wait({watch})
            if not watch.cancelled():
                watch.result()

    def _note(self, instance: Instance) -> None:
        """Read a container's status again, and publish it if it is news."""
        status = words.read(str(instance.folder))
        if status is None or status == instance.status:
            return
        instance.status = status
        log.info(
            "container.changed",
            container=instance.container.place.container,
            state=status.state,
            exit_code=status.exit_code,
            restarts=status.restarts,
        )
        self._publish(instance.fact())

    async def _lose(self, container: Container, why: str, *, last: Status) -> Status:
        """Clear away what a container without a monitor left running, and write its end down."""
        await self._clear(container)
        at = self._clock().timestamp()
        lost = last._replace(state=words.LOST, at=at, detail=why, problem="", pid=None)
        words.write(str(self._containers.folder(container.place)), lost)
        return lost

    async def _clear(self, container: Container) -> None:
        """Have the runtime kill and forget a container, if it knows it."""
        if (self._run / "runtime" / container.place.container).exists():
            await self._sweeper.clear(container.place.container)
