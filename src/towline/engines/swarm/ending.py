"""Ending services: for good, or so that they can go on where their successor does not start."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import structlog

from towline.engines.waiting import all_of, to_the_end

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towline.engines.swarm.mirror import Mirror
    from towline.engines.swarm.services import Service, Services

log = structlog.get_logger("towline.engine.swarm")

_LONGER_THAN_GRACE = 30.0
_BETWEEN_LOOKS = 0.1


class Ending:
    """Ends services of one Towline."""

    def __init__(self, services: Services, mirror: Mirror) -> None:
        self._swarm = services
        self._mirror = mirror

    async def end(self, doomed: Sequence[Service]) -> None:
        """Delete services, and return when their tasks have ended."""
        await to_the_end(all_of(self._end_one(each) for each in doomed))

    async def rest(self, older: Sequence[Service]) -> None:
        """End the tasks of services and keep the services."""
        await all_of(self._rest_one(each) for each in older)

    async def go_on(self, rested: Sequence[Service]) -> None:
        """Let services run again that rest."""
        await to_the_end(all_of(self._go_on_one(each) for each in rested))

    async def _end_one(self, service: Service) -> None:
        self._mirror.leaves(service)
        await self._swarm.delete(service.ident)
        await self._until_ended(service)

    async def _rest_one(self, service: Service) -> None:
        self._mirror.leaves(service)
        await self._swarm.scale(service.ident, 0)
        await self._until_ended(service)

    async def _go_on_one(self, service: Service) -> None:
        self._mirror.stays(service)
        await self._swarm.scale(service.ident, service.replicas)

    async def _until_ended(self, service: Service) -> None:
        """Wait for a service's tasks, but not for ever: a node that is down never tells."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(service.grace + _LONGER_THAN_GRACE):
                while await self._is_ending(service):  # noqa: ASYNC110 - a swarm has no event for it
                    await asyncio.sleep(_BETWEEN_LOOKS)
                return
        log.warning("service.tasks_left", service=service.name)

    async def _is_ending(self, service: Service) -> bool:
        left = await self._swarm.tasks(service.kept.place.deployment_guid)
        return any(task.service == service.ident and not task.has_ended for task in left)
