"""The Docker Engine as an engine: containers on whatever answers Docker's API.

The Engine holds images, containers and logs and starts again what ends; this process only says what is
to be, and any number of its lives find the same containers by their names and labels.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import structlog

from towline.domain.causes import FindingCode
from towline.domain.engine import EngineAbout, Storage
from towline.domain.errors import EngineFailed, PullRefused
from towline.domain.findings import Finding
from towline.domain.package import PullPolicy
from towline.engines.broadcast import Facts
from towline.engines.docker import document, facts, kept, places, refusals
from towline.engines.docker.containers import Containers, generation_of
from towline.engines.docker.daemon import Daemon, Refused, translated
from towline.engines.docker.ending import Ending
from towline.engines.docker.following import Following
from towline.engines.docker.images import PulledImages
from towline.engines.docker.pulls import Pulls, called
from towline.engines.docker.volumes import Volumes
from towline.engines.docker.watch import Watch
from towline.engines.docker.wellness import Wellness
from towline.engines.runs import refuse_previous
from towline.engines.waiting import all_of, to_the_end

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Coroutine, Sequence
    from pathlib import Path

    from towline.domain.deployment import LayerProgress
    from towline.domain.proof import Platform
    from towline.domain.workload import Fact, Workload, WorkloadExecutable
    from towline.engines.docker.address import EngineAddress
    from towline.engines.docker.facts import Seen
    from towline.engines.docker.places import Kept, Place
    from towline.ports import Clock, PullTokens

log = structlog.get_logger("towline.engine.docker")

_INSPECTIONS_AT_ONCE = 16
_MOST_REMEMBERED = 10_000
_EXECUTED_WITHIN = 5.0


class DockerEngine:
    """The Engine port on Docker's API.

    ``installation`` keeps several Towlines on one Engine apart; ``network`` is what containers are on,
    empty for a bridge where there is one; ``platform`` is assumed until the Engine has told its own;
    ``memory`` is a file for what was pulled.
    """

    name = "docker"
    keeps_credentials = False

    def __init__(
        self,
        address: EngineAddress,
        *,
        installation: str,
        tokens: PullTokens,
        platform: Platform,
        clock: Clock,
        memory: Path,
        network: str = "",
    ) -> None:
        self.platform = platform
        self._address = address
        self._installation = installation
        self._network = network
        self._clock = clock
        self._daemon = Daemon(address)
        self._pulls = Pulls(self._daemon, tokens, clock)
        self._images = PulledImages(memory, self._daemon)
        self._facts = Facts()
        self._containers = Containers(self._daemon, installation)
        self._watch = Watch(
            self._daemon,
            self._containers,
            installation=installation,
            publish=self._facts.publish,
            made=self._made,
            clock=clock,
        )
        self._wellness = Wellness(
            self._containers, here=address.host or "127.0.0.1", reaches_containers=address.is_here
        )
        self._watch.wellness = self._wellness
        self._volumes = Volumes(self._daemon, self._containers, installation)
        self._ending = Ending(self._containers, self._watch)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._ended: dict[str, int | None] = {}
        self._inspections = asyncio.Semaphore(_INSPECTIONS_AT_ONCE)
        self._work: set[asyncio.Task[object]] = set()

    async def start(self) -> None:
        """Begin to listen. An Engine that does not answer is no failure: deployments tell it."""
        with contextlib.suppress(EngineFailed, Refused):
            about = await self._daemon.about()
            self.platform = about.platform
            log.info("engine.found", address=str(self._address), version=about.version)
            if about.is_podman:
                log.warning("engine.takes_no_tokens", address=str(self._address))
        self._spawn(self._watch.run())

    async def close(self) -> None:
        """Let go; the containers go on running."""
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        await self._wellness.close()
        self._facts.close()
        await self._daemon.close()

    async def about(self) -> EngineAbout:
        """Return what answers, see ``EngineHost``; from then on the Engine's own platform is known."""
        with translated():
            about = await self._daemon.about()
            self.platform = about.platform
            return EngineAbout(about.version, about.platform, await self._daemon.identity())

    async def storage(self) -> Storage:
        """Return which images the Engine keeps, and what room they take."""
        with translated():
            room = await self._daemon.room()
        ours = await self._images.known()
        return kept.storage(room, ours=ours, can_collect=True)

    async def collect(self) -> int:
        """Delete the images that this installation had pulled and that no container needs."""
        with translated():
            return await self._images.collect(self._used_images)

    async def disk_used(self, disk: str) -> int | None:
        """Return how many bytes are on a disk; see ``EngineHost``."""
        with translated():
            return await self._volumes.used(disk)

    async def delete_disk(self, disk: str) -> None:
        """Delete a disk's volume; see ``EngineHost``."""
        with translated():
            await self._volumes.delete(disk)

    async def apply(self, workload: Workload) -> None:
        """Pull and start what is missing of a generation, see the port."""
        async with self._turn(workload.deployment_guid), self._images.in_use():
            self._ended.pop(workload.deployment_guid, None)
            with translated():
                await self._volumes.check(workload)
                missing = await self._missing(workload)
                by_name = {executable.name: executable for executable in workload.executables}
                needed = [by_name[name] for name in dict.fromkeys(place.executable for place in missing)]
                await all_of(self._pull(executable, missing) for executable in needed)
                if workload.exclusive:
                    await self._replace(workload, missing)
                else:
                    await self._start_all(workload, missing)

    def observe(self) -> AsyncIterator[Fact]:
        """Yield every fact from now on."""
        return self._facts.listen()

    async def remove(self, deployment_guid: str, *, below: int | None = None) -> None:
        """End and delete a deployment's containers, then the images that nobody needs any more."""
        async with self._turn(deployment_guid):
            if len(self._ended) >= _MOST_REMEMBERED:
                self._ended.clear()
            self._ended[deployment_guid] = below
            with translated():
                await self._remove(deployment_guid, below=below)
        with translated():
            await self._images.collect(self._used_images)

    async def roll_back(self, deployment_guid: str, *, generation: int) -> int:
        """Let the generation run again that was ended for this one, see the port."""
        async with self._turn(deployment_guid):
            with translated():
                return await self._ending.roll_back(deployment_guid, generation)

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
        return self._log(
            deployment_guid, executable, replica=replica, follow=follow, tail=tail, timestamps=timestamps
        )

    async def _log(
        self,
        deployment_guid: str,
        executable: str,
        *,
        replica: int,
        follow: bool,
        tail: int | None,
        timestamps: bool,
    ) -> AsyncIterator[bytes]:
        with translated():
            newest = await self._newest(deployment_guid, executable, replica=replica)
            seen = await self._containers.seen(newest) if newest else None
            if seen is None:
                return
            run = Following(self._containers, self._watch, self._wellness, seen)
            async for chunk in self._containers.log(
                seen.ident, follow=follow, tail=tail, goes_on=run.next_start, timestamps=timestamps
            ):
                yield chunk

    async def inventory(self) -> Sequence[Fact]:
        """Return a fact for each container; what is heard meanwhile is newer."""
        asked = self._clock()
        with translated():
            listed = await self._containers.listed()
            seen = await all_of(self._watched(str(each["Id"])) for each in listed)
        return [self._watch.fact(each, at=asked) for each in seen if each is not None]

    async def _used_images(self) -> Collection[str]:
        return {places.image_of(each["Labels"]) for each in await self._containers.listed()}

    async def _missing(self, workload: Workload) -> Sequence[Place]:
        """Return the places without a container that is up or may rest."""
        wanted = places.places(workload)
        held = await all_of(self._inspected(place.container(self._installation)) for place in wanted)
        known = zip(wanted, held, strict=True)
        return [place for place, seen in known if seen is None or seen.needs_start]

    async def _inspected(self, name: str) -> Seen | None:
        async with self._inspections:
            return await self._containers.seen(name)

    async def _watched(self, ident: str) -> Seen | None:
        async with self._inspections:
            return await self._watch.seen(ident)

    async def _pull(self, executable: WorkloadExecutable, missing: Sequence[Place]) -> None:
        """Have the Engine pull an image if its policy says so; one that is pinned and here is right."""
        image = executable.image
        if (
            executable.pull_policy is not PullPolicy.ALWAYS or image.digest is not None
        ) and await self._pulls.is_here(image):
            return
        if executable.pull_policy is PullPolicy.NEVER:
            finding = Finding(FindingCode.IMAGE_NOT_PRESENT, image=str(image), executable=executable.name)
            raise PullRefused(finding)
        place = next(place for place in missing if place.executable == executable.name)
        await self._images.note(called(image))
        try:
            await self._pulls.pull(image, executable.access, tell=lambda layers: self._pulling(place, layers))
        except PullRefused as refused:
            finding = refused.finding.about(image=str(image), executable=executable.name)
            raise PullRefused(finding) from refused

    def _pulling(self, place: Place, layers: Sequence[LayerProgress]) -> None:
        self._facts.publish(facts.pulling(place, layers, at=self._clock()))

    async def _replace(self, workload: Workload, missing: Sequence[Place]) -> None:
        """End the older generations before the start; let the one that served go on if there is none."""
        if not missing:
            return
        await self._ending.make_way(workload.deployment_guid, workload.generation)
        try:
            await self._start_all(workload, missing)
        except EngineFailed:
            with contextlib.suppress(Refused):  # deleted meanwhile by somebody else
                await self._ending.roll_back(workload.deployment_guid, workload.generation)
            raise

    async def _start_all(self, workload: Workload, missing: Sequence[Place]) -> None:
        by_name = {executable.name: executable for executable in workload.executables}
        network = await self._network_of_containers() if missing else ""
        for name in dict.fromkeys(place.executable for place in missing):
            with translated():  # the failure that lets what was ended for this start run again
                await self._volumes.prepare(by_name[name])
        for place in missing:
            executable = by_name[place.executable]
            await to_the_end(self._start(place, workload=workload, executable=executable, network=network))

    async def _start(
        self, place: Place, *, workload: Workload, executable: WorkloadExecutable, network: str
    ) -> None:
        """Make and start one container; leave nothing of one that does not start."""
        name = place.container(self._installation)
        asked = document.container(
            self._installation, place, workload=workload, executable=executable,
            image=called(executable.image), network=network, checked=self._containers.are_checked,
        )  # fmt: skip
        ident = ""
        try:
            with self._watch.starts(place):
                ident = await self._containers.make(name, asked)
                await self._containers.start(ident)
            await self._see_it_run(ident)
        except Refused as refused:
            if ident:
                await self._ending.discard(ident)
            finding = refusals.start_finding(refused.said)
            about = finding.about(image=str(executable.image), executable=executable.name)
            raise EngineFailed(about) from refused

    async def _see_it_run(self, ident: str) -> None:
        """See that the image's command was really executed; raise Refused in the runtime's words if not."""
        until = asyncio.get_running_loop().time() + _EXECUTED_WITHIN
        while (
            await self._containers.is_still_the_runtime(ident) and asyncio.get_running_loop().time() < until
        ):
            pass
        seen = await self._containers.seen(ident)
        if seen is not None and not seen.is_running and seen.lines:
            last = seen.lines[-1].decode(errors="replace")
            if refusals.ended_before_it_began(last) is not None:
                raise Refused(400, last)
        if seen is not None and seen.is_running:  # else its end is told by its event, which says more
            await self._watch.look(ident)

    async def _remove(self, deployment_guid: str, *, below: int | None) -> None:
        doomed = [
            each
            for each in await self._containers.listed(deployment_guid)
            if below is None or generation_of(each) < below
        ]
        await self._ending.end(doomed)

    async def _newest(self, deployment_guid: str, executable: str, *, replica: int) -> str:
        wanted = {
            f"{places.PREFIX}executable": executable,
            f"{places.PREFIX}replica": str(replica),
        }
        found = [
            (generation_of(each), str(each["Id"]))
            for each in await self._containers.listed(deployment_guid)
            if wanted.items() <= each["Labels"].items()
        ]
        return max(found, default=(0, ""))[1]

    async def _network_of_containers(self) -> str:
        """Return the network that containers are put on: the one set, else a bridge, else the host's."""
        if not self._network:
            try:
                await self._daemon.ask("GET", "/networks/bridge")
                self._network = "bridge"
            except Refused:
                self._network = document.HOST_NETWORK
        return self._network

    def _made(self, kept: Kept, ident: str) -> None:
        """Take care of a container that nobody here asked for: the work of a process that was killed."""
        guid, generation = kept.place.deployment_guid, kept.place.generation
        if self._turn(guid).locked():
            return
        below = self._ended.get(guid, 0)
        if below is None or generation < below:
            log.warning("container.stray_removed", container=ident[:12])
            self._spawn(self._remove_stray(guid, below))
        else:
            self._spawn(self._watch.look(ident))

    async def _remove_stray(self, deployment_guid: str, below: int | None) -> None:
        with contextlib.suppress(EngineFailed):  # the next start's inventory finds it again
            await self.remove(deployment_guid, below=below)

    def _spawn(self, work: Coroutine[None, None, object]) -> None:
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._ended_work)

    def _ended_work(self, task: asyncio.Task[object]) -> None:
        self._work.discard(task)
        if not task.cancelled() and (defect := task.exception()) is not None:
            log.error("engine.task_failed", exc_info=defect)

    def _turn(self, deployment_guid: str) -> asyncio.Lock:
        return self._turns.setdefault(deployment_guid, asyncio.Lock())
