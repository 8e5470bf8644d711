"""A Docker Swarm as an engine: a service for each executable of a generation.

The swarm places tasks, pulls on their nodes, starts again what ends and moves what a node loses. It keeps
the registry's login with the service for that, so this engine's credentials are renewed when they change.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import structlog

from towline.domain.engine import EngineAbout, Storage
from towline.domain.errors import EngineFailed, PullRefused
from towline.domain.package import PullPolicy
from towline.engines.broadcast import Facts
from towline.engines.docker import kept
from towline.engines.docker.daemon import Daemon, Refused, translated
from towline.engines.docker.document import HOST_NETWORK
from towline.engines.docker.kills import Kills
from towline.engines.runs import refuse_previous
from towline.engines.swarm import document
from towline.engines.swarm.disks import Disks
from towline.engines.swarm.ending import Ending
from towline.engines.swarm.health import Health
from towline.engines.swarm.mirror import Mirror
from towline.engines.swarm.reading import Reading
from towline.engines.swarm.services import Services
from towline.engines.swarm.starting import Starting
from towline.engines.swarm.watch import Watch
from towline.engines.waiting import all_of, to_the_end

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from towline.domain.proof import Platform
    from towline.domain.workload import Fact, Workload, WorkloadExecutable
    from towline.engines.docker.address import EngineAddress
    from towline.engines.swarm.services import Service
    from towline.ports import Clock

log = structlog.get_logger("towline.engine.swarm")

PAUSE = 5.0
"""Seconds between a task's end and the next one's start; a swarm's own default."""


class SwarmEngine:
    """The Engine port on a swarm's manager.

    ``installation`` keeps several Towlines on one swarm apart; ``network`` is what tasks are on, empty for
    the nodes' bridge; ``platform`` is assumed until the manager has told its own.
    """

    name = "swarm"
    keeps_credentials = True

    def __init__(
        self,
        address: EngineAddress,
        *,
        installation: str,
        platform: Platform,
        clock: Clock,
        network: str = "",
        pause: float = PAUSE,
    ) -> None:
        self.platform = platform
        self._address = address
        self._installation = installation
        self._network = network
        self._pause = pause
        self._daemon = Daemon(address)
        self._swarm = Services(self._daemon, installation)
        self._facts = Facts()
        self._health = Health(self._daemon, here=address.host or "127.0.0.1")
        kills = Kills()
        self._mirror = Mirror(
            self._swarm, publish=self._facts.publish, health=self._health, kills=kills, clock=clock
        )
        self._watch = Watch(self._daemon, self._mirror, kills=kills, prefix=document.prefix(installation))
        self._disks = Disks(self._daemon, installation)
        self._ending = Ending(self._swarm, self._mirror)
        self._starting = Starting(
            self._daemon, self._swarm, watch=self._watch, mirror=self._mirror, ending=self._ending,
            installation=installation,
        )  # fmt: skip
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look. A manager that does not answer is no failure: deployments tell it."""
        with contextlib.suppress(EngineFailed, Refused):
            about = await self._daemon.about()
            self.platform = about.platform
            log.info("engine.found", address=str(self._address), version=about.version)
        self._watching = asyncio.create_task(self._watch.run())

    async def close(self) -> None:
        """Let go; the services go on running."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        await self._health.close()
        self._facts.close()
        await self._daemon.close()

    async def about(self) -> EngineAbout:
        """Return what answers, see ``EngineHost``; raise EngineFailed also where that is no manager."""
        with translated():
            about = await self._daemon.about()
            await self._swarm.node()
            self.platform = about.platform
            return EngineAbout(about.version, about.platform, await self._daemon.identity())

    async def storage(self) -> Storage:
        """Return what the manager's own node keeps; what other nodes do, nobody tells."""
        with translated():
            return kept.storage(await self._daemon.room(), ours=(), can_collect=False)

    async def collect(self) -> int:
        """Delete nothing: each node of a swarm keeps its images to itself."""
        return 0

    async def disk_used(self, disk: str) -> int | None:
        """Return how many bytes are on a disk; see ``EngineHost``."""
        with translated():
            return await self._disks.used(disk)

    async def delete_disk(self, disk: str) -> None:
        """Delete a disk's volume; see ``EngineHost``."""
        with translated():
            await self._disks.delete(disk, here=await self._here())

    async def apply(self, workload: Workload) -> None:
        """Make what is missing of a generation, renew the logins of what is there, see the port."""
        async with self._turn(workload.deployment_guid):
            with translated(), self._watch.hurry():
                await self._starting.see_that_nothing_is_logged(workload)
                held = {each.name: each for each in await self._swarm.listed(workload.deployment_guid)}
                missing = [each for each in workload.executables if await self._lacks(workload, each, held)]
                await all_of(self._starting.check(executable) for executable in missing)
                await self._disks_on(workload)
                for executable in missing if workload.disks else ():
                    await self._have_image(executable)
                if workload.exclusive:
                    await self._replace(workload, missing)
                else:
                    await self._start_all(workload, missing)

    def observe(self) -> AsyncIterator[Fact]:
        """Yield every fact from now on."""
        return self._facts.listen()

    async def remove(self, deployment_guid: str, *, below: int | None = None) -> None:
        """Delete a deployment's services, and return when their tasks have ended."""
        async with self._turn(deployment_guid):
            with translated():
                await self._ending.end(
                    [
                        each
                        for each in await self._swarm.listed(deployment_guid)
                        if below is None or each.kept.place.generation < below
                    ]
                )

    async def roll_back(self, deployment_guid: str, *, generation: int) -> int:
        """Let the generation run again that was ended for this one, see the port."""
        async with self._turn(deployment_guid):
            with translated():
                return await self._roll_back(deployment_guid, generation)

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
        """Yield a replica's log, that of its newest task."""
        refuse_previous(previous=previous)
        reading = Reading(self._daemon, self._swarm, deployment_guid, executable, slot=replica + 1)
        return reading.chunks(follow=follow, tail=tail, timestamps=timestamps)

    async def inventory(self) -> Sequence[Fact]:
        """Return a fact for each replica."""
        with translated():
            await self._mirror.look()
        return self._mirror.present()

    async def _lacks(
        self, workload: Workload, executable: WorkloadExecutable, held: Mapping[str, Service]
    ) -> bool:
        """Whether an executable has no service, or one of which nothing will come any more."""
        service = held.get(document.name_of(self._installation, document.place_of(workload, executable)))
        if service is None:
            return True
        if service.rests or self._mirror.has_failed(service):
            await self._ending.end([service])
            return True
        return False

    async def _replace(self, workload: Workload, missing: Sequence[WorkloadExecutable]) -> None:
        """End the older generations before the start; let the one that served run again when there is none.

        It is kept, at rest, until this generation has proved itself.
        """
        if missing:
            kept, between = await self._parted(workload.deployment_guid, workload.generation - 1)
            await self._ending.rest(kept)
            await self._ending.end(between)
        try:
            await self._start_all(workload, missing)
        except (EngineFailed, PullRefused):
            await self._roll_back(workload.deployment_guid, workload.generation)
            raise

    async def _roll_back(self, deployment_guid: str, generation: int) -> int:
        kept, later = await self._parted(deployment_guid, generation)
        serves = kept[0].kept.place.generation if kept else generation
        if serves == generation:
            return 0
        await self._ending.end(later)
        await self._ending.go_on(kept)
        return serves

    async def _parted(self, deployment_guid: str, newest: int) -> tuple[Sequence[Service], Sequence[Service]]:
        """Return the services of the oldest generation, which is the one that served last, and all others
        up to ``newest``.
        """
        held = await self._swarm.listed(deployment_guid)
        known = sorted({each.kept.place.generation for each in held if each.kept.place.generation <= newest})
        return (
            [each for each in held if each.kept.place.generation in known[:1]],
            [each for each in held if each.kept.place.generation in known[1:]],
        )

    async def _start_all(self, workload: Workload, missing: Sequence[WorkloadExecutable]) -> None:
        """Make the services that are missing, renew the logins of the others, and see all of them run."""
        for executable in workload.executables:
            if executable in missing:
                await to_the_end(self._make(workload, executable))
            else:
                await self._renew(workload, executable)
        await all_of(
            self._starting.started(workload, executable, is_new=executable in missing)
            for executable in workload.executables
        )

    async def _renew(self, workload: Workload, executable: WorkloadExecutable) -> None:
        name = document.name_of(self._installation, document.place_of(workload, executable))
        await self._swarm.renew(name, executable.image, executable.access.credential)
        log.info("service.renewed", service=name)

    async def _here(self) -> str:
        """Return the node that is talked to."""
        return self._mirror.node or await self._swarm.node()

    async def _disks_on(self, workload: Workload) -> str:
        """Return the node that has a workload's disks, empty where it has none."""
        return await self._disks.node_for(workload, here=await self._here()) if workload.disks else ""

    async def _have_image(self, executable: WorkloadExecutable) -> None:
        if executable.mounts and executable.pull_policy is not PullPolicy.NEVER:
            await self._disks.have_image(executable)

    async def _make(self, workload: Workload, executable: WorkloadExecutable) -> None:
        here, disks_on = await self._here(), await self._disks_on(workload)
        if executable.mounts:
            with translated():  # the failure that lets what was ended for this start run again
                await self._disks.prepare(executable, node=disks_on, here=here)
        asked = document.service(
            self._installation,
            workload,
            executable,
            network=self._network or await self._network_of_tasks(),
            pause=self._pause,
            platform=self.platform,
            node=here,
            disks_on=disks_on,
        )
        login = None if executable.pull_policy is PullPolicy.NEVER else executable.access.credential
        if not await self._swarm.create(asked, executable.image, login):
            await self._swarm.renew(str(asked["Name"]), executable.image, login)

    async def _network_of_tasks(self) -> str:
        """Return the network that tasks are put on: a bridge where the manager has one, else the host's."""
        try:
            await self._daemon.ask("GET", "/networks/bridge")
            self._network = "bridge"
        except Refused:
            self._network = HOST_NETWORK
        return self._network

    def _turn(self, deployment_guid: str) -> asyncio.Lock:
        return self._turns.setdefault(deployment_guid, asyncio.Lock())
