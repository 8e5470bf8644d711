"""A replica's log: that of its newest task, and of the tasks that follow it while it is read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from towline.engines.docker import logs
from towline.engines.docker.daemon import translated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from towline.engines.docker.daemon import Daemon
    from towline.engines.swarm.services import Service, Services
    from towline.engines.swarm.tasks import Task

_BETWEEN_LOOKS = 0.2


class Reading:
    """Reads the log of one slot of the newest generation's service."""

    def __init__(
        self, daemon: Daemon, services: Services, deployment_guid: str, executable: str, *, slot: int
    ) -> None:
        self._daemon = daemon
        self._swarm = services
        self._guid = deployment_guid
        self._executable = executable
        self._slot = slot

    async def chunks(self, *, follow: bool, tail: int | None, timestamps: bool) -> AsyncIterator[bytes]:
        """Yield the log; follow it for as long as the swarm starts the replica again."""
        with translated():
            service = await self._service()
            task = await self._newest(service) if service else None
            while service is not None and task is not None:
                source = await self._source(task)
                async for chunk in logs.read(
                    self._daemon, source, follow=follow, tail=tail, goes_on=_ends, timestamps=timestamps
                ):
                    yield chunk
                last, task, tail = task, None, None
                if not follow:
                    return
                async for found in self._next(service, last):
                    task = found
                    if found is None:
                        yield b""

    async def _next(self, service: Service, last: Task) -> AsyncIterator[Task | None]:
        """Yield the task after ``last`` once it has a container; None as a sign of life before that."""
        loop = asyncio.get_running_loop()
        told = loop.time()
        while True:
            present = await self._service()
            if present is None or present.ident != service.ident:
                return
            history = await self._history(service)
            ended = next((task for task in history if task.ident == last.ident), None)
            later = [task for task in history if task.created > last.created]
            if found := [task for task in later if task.container]:
                yield found[-1]
                return
            rests = ended is None or (ended.has_ended and service.kept.rests(ended.exit_code))
            if rests and not later:
                return
            if loop.time() - told > logs.SIGN_OF_LIFE:
                told = loop.time()
                yield None
            await asyncio.sleep(_BETWEEN_LOOKS)

    async def _service(self) -> Service | None:
        found = [
            each
            for each in await self._swarm.listed(self._guid)
            if each.kept.place.executable == self._executable
        ]
        return max(found, key=lambda each: each.kept.place.generation, default=None)

    async def _history(self, service: Service) -> list[Task]:
        return [
            task
            for task in await self._swarm.tasks(self._guid)
            if task.service == service.ident and task.slot == self._slot
        ]

    async def _newest(self, service: Service) -> Task | None:
        history = [task for task in await self._history(service) if task.container]
        return history[-1] if history else None

    async def _source(self, task: Task) -> str:
        """Return where the log is: the container where it is at hand, else the swarm's broker."""
        found = await self._swarm.container(task.container)
        return f"containers/{task.container}" if found is not None else f"tasks/{task.ident}"


async def _ends() -> bool:
    return False
