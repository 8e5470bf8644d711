"""The embedded engine: containers on this machine, without any daemon.

Images are pulled by the puller, each container is run by a monitor of its own with an OCI runtime, and
what is so is read from the containers' folders: an engine that starts finds what an earlier one left.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
from typing import TYPE_CHECKING, Self
from weakref import WeakValueDictionary

from towline.domain.causes import FindingCode
from towline.domain.engine import EngineAbout, KeptImage, Storage
from towline.domain.errors import EngineFailed, PullRefused
from towline.domain.findings import Finding
from towline.domain.package import PullPolicy
from towline.domain.workload import Fact, ReplicaState
from towline.engines.broadcast import Facts
from towline.engines.embedded import logs, machine, plan, runtime
from towline.engines.embedded.containers import Containers, Place
from towline.engines.embedded.disks import Disks
from towline.engines.embedded.instances import Instances
from towline.engines.embedded.monitor.rootfs import BUNDLE
from towline.engines.embedded.monitors import Ear
from towline.engines.embedded.sweeping import Sweeper
from towline.engines.runs import refuse_previous
from towline.engines.waiting import all_of, to_the_end

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from towline.domain.deployment import LayerProgress
    from towline.domain.proof import Platform
    from towline.domain.workload import Workload, WorkloadExecutable
    from towline.engines.embedded.bundle import Host
    from towline.engines.embedded.images import Images, LocalImage
    from towline.engines.embedded.instances import Instance, Run
    from towline.ports import Clock


LOG_BYTES = 10 << 20
"""A part of a container's log; there are at most three."""

_LOCKED_ELSEWHERE = "another towline process uses this engine's folder"


class EmbeddedEngine:
    """The Engine port on this machine.

    ``root`` is where images and containers stay, ``run`` what a restart of the machine may take away.
    """

    name = "embedded"
    keeps_credentials = False

    def __init__(
        self,
        root: Path,
        *,
        run: Path,
        images: Images,
        platform: Platform,
        host: Host,
        clock: Clock,
        search_path: str = "",
        log_bytes: int = LOG_BYTES,
    ) -> None:
        self.platform = platform
        self._root = root
        self._run = run
        self._images = images
        self._host = host
        self._clock = clock
        self._runtime = runtime.Runtime(search_path)
        self._facts = Facts()
        self._sweeper = Sweeper(run=run, user_namespace=host.user_namespace)
        self._containers = Containers(root / "containers")
        self._disks = Disks(root / "disks", self._sweeper)
        self._instances = Instances(
            self._containers,
            run=run,
            sweeper=self._sweeper,
            publish=self._facts.publish,
            clock=clock,
            user_namespace=host.user_namespace,
            log_bytes=log_bytes,
        )
        self._ear = Ear(run, self._instances.heard)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._applying = 0
        self._collecting = asyncio.Lock()
        self._lock: int | None = None

    @classmethod
    def on_this_machine(cls, root: Path, *, run: Path, images: Images, clock: Clock) -> Self:
        """Return an engine that gives containers what this machine and this process's user allow."""
        return cls(
            root, run=run, images=images, platform=machine.platform(), host=machine.host(), clock=clock
        )

    async def start(self) -> None:
        """Find the runtime and take over the containers that run already.

        Without a runtime the engine starts all the same: deployments then tell what is missing.
        """
        for folder in (self._root, self._run):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._containers.prepare()
        self._disks.prepare()
        self._lock = _lock(self._root)
        self._sweeper.runtime = await self._runtime.look_around(
            self._run / "trial" if self._host.user_namespace else None
        )
        self._ear.open()
        await self._instances.adopt()

    async def close(self) -> None:
        """Let go; the containers go on running."""
        self._ear.close()
        await self._instances.close()
        self._facts.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def about(self) -> EngineAbout:
        """Return what runs containers here, see ``EngineHost``; raise EngineFailed where nothing can."""
        program = await self._runtime.program()
        return EngineAbout(f"{program.name} {program.version}", self.platform)

    async def storage(self) -> Storage:
        """Return the images that are here, by digest, and what room is left on their disk."""
        used = {held.container.image for held in self._instances.all()}
        images = tuple(
            KeptImage(digest, size, is_used=digest in used, is_ours=True)
            for digest, size in sorted((await self._images.kept()).items())
        )
        room = await asyncio.to_thread(shutil.disk_usage, self._root)
        total = sum(image.size for image in images)
        return Storage(images, disk_used=total, disk_free=room.free, can_collect=True)

    async def collect(self) -> int:
        """Delete the images that no container needs; return how many went."""
        before = await self._images.kept()
        await self._collect()
        return len(before.keys() - (await self._images.kept()).keys())

    async def disk_used(self, disk: str) -> int | None:
        """Return how many bytes are on a disk; see ``EngineHost``."""
        return await asyncio.to_thread(self._disks.used, disk)

    async def delete_disk(self, disk: str) -> None:
        """Delete a disk's folder; see ``EngineHost``."""
        await self._disks.delete(disk)

    async def apply(self, workload: Workload) -> None:
        """Pull and start what is missing of a generation, see the port."""
        async with self._turn(workload.deployment_guid), self._images_in_use():
            program = await self._runtime.program()
            self._sweeper.runtime = str(program.path)
            missing = [place for place in _places(workload) if self._is_missing(place)]
            by_name = {executable.name: executable for executable in workload.executables}
            needed = [by_name[name] for name in dict.fromkeys(place.executable for place in missing)]
            pulled = await all_of(self._image(executable, missing) for executable in needed)
            images = {executable.name: image for executable, image in zip(needed, pulled, strict=True)}
            if workload.exclusive:
                await self._remove(workload.deployment_guid, below=workload.generation)
            for disk in workload.disks if missing else ():
                self._disks.make(disk)
            for place in missing:
                executable = by_name[place.executable]
                run = await asyncio.to_thread(
                    self._plan,
                    place,
                    workload=workload,
                    executable=executable,
                    image=images[executable.name],
                )
                await to_the_end(self._instances.start(run, runtime=str(program.path)))

    def observe(self) -> AsyncIterator[Fact]:
        """Yield every fact from now on."""
        return self._facts.listen()

    async def remove(self, deployment_guid: str, *, below: int | None = None) -> None:
        """End and delete a deployment's containers, then the images that nobody needs any more."""
        async with self._turn(deployment_guid):
            await self._remove(deployment_guid, below=below)
        await self._collect()

    async def roll_back(self, deployment_guid: str, *, generation: int) -> int:  # noqa: ARG002  (the port's)
        """Return 0: an exclusive start removes the older generations, so that nothing is kept."""
        return 0

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
        """Yield a container's log, all runs in it."""
        refuse_previous(previous=previous)
        found = self._newest(deployment_guid, executable, replica=replica)
        if found is None:
            return _nothing()
        return logs.read(
            found.folder,
            follow=follow,
            tail=tail,
            is_alive=lambda: found.is_alive,
            timestamps=timestamps,
        )

    async def inventory(self) -> Sequence[Fact]:
        """Return a fact for each container."""
        return [instance.fact() for instance in self._instances.all()]

    @contextlib.asynccontextmanager
    async def _images_in_use(self) -> AsyncIterator[None]:
        """Keep images from being collected: one just pulled belongs to no container yet."""
        async with self._collecting:
            self._applying += 1
        try:
            yield
        finally:
            self._applying -= 1

    async def _collect(self) -> None:
        """Delete images that no container needs; the next call does it if something is being started."""
        async with self._collecting:
            if self._applying == 0:
                await self._images.collect({held.container.image for held in self._instances.all()})

    def _turn(self, deployment_guid: str) -> asyncio.Lock:
        return self._turns.setdefault(deployment_guid, asyncio.Lock())

    def _is_missing(self, place: Place) -> bool:
        instance = self._instances.get(place)
        return instance is None or instance.needs_start

    async def _image(self, executable: WorkloadExecutable, missing: Sequence[Place]) -> LocalImage:
        """Return the executable's image, pulled if its policy says so."""
        if executable.pull_policy is not PullPolicy.ALWAYS or executable.image.digest is not None:
            local = await self._images.local(executable.image)
            if local is not None:
                return local
        if executable.pull_policy is PullPolicy.NEVER:
            raise PullRefused(_about(executable, FindingCode.IMAGE_NOT_PRESENT))
        place = next(place for place in missing if place.executable == executable.name)
        try:
            return await self._images.pull(
                executable.image,
                executable.access,
                progress=lambda layers: self._facts.publish(self._pulling(place, layers)),
            )
        except PullRefused as refused:
            finding = refused.finding.about(image=str(executable.image), executable=executable.name)
            raise PullRefused(finding) from refused

    def _pulling(self, place: Place, layers: Sequence[LayerProgress]) -> Fact:
        return Fact(
            place.deployment_guid,
            place.generation,
            executable=place.executable,
            replica=place.replica,
            state=ReplicaState.PULLING,
            at=self._clock(),
            layers=tuple(layers),
        )

    def _plan(
        self, place: Place, *, workload: Workload, executable: WorkloadExecutable, image: LocalImage
    ) -> Run:
        return plan.run(
            place,
            workload=workload,
            executable=executable,
            image=image,
            host=self._host,
            bundle_folder=self._containers.folder(place) / BUNDLE,
            disks=self._disks,
        )

    async def _remove(self, deployment_guid: str, *, below: int | None) -> None:
        doomed = [
            instance
            for instance in self._instances.all()
            if instance.container.place.deployment_guid == deployment_guid
            and (below is None or instance.container.place.generation < below)
        ]
        await to_the_end(all_of(self._instances.remove(instance) for instance in doomed))

    def _newest(self, deployment_guid: str, executable: str, *, replica: int) -> Instance | None:
        found = [
            instance
            for instance in self._instances.all()
            if (place := instance.container.place).deployment_guid == deployment_guid
            and place.executable == executable
            and place.replica == replica
        ]
        return max(found, key=lambda instance: instance.container.place.generation, default=None)


def _places(workload: Workload) -> Sequence[Place]:
    return [
        Place(workload.deployment_guid, workload.generation, executable=executable.name, replica=replica)
        for executable in workload.executables
        for replica in range(workload.replicas)
    ]


def _about(executable: WorkloadExecutable, code: FindingCode) -> Finding:
    return Finding(code, image=str(executable.image), executable=executable.name)


def _lock(root: Path) -> int:
    """Lock the engine's folder for this process."""
    handle = os.open(root / "engine.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        finding = Finding(FindingCode.ENGINE_UNREACHABLE, detail=f"{_LOCKED_ELSEWHERE}: {root}")
        raise EngineFailed(finding) from error
    return handle


async def _nothing() -> AsyncIterator[bytes]:
    for chunk in tuple[bytes, ...]():
        yield chunk
