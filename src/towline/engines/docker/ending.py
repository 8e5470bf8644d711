"""Ending containers: for good, or so that they can run again where an exclusive update does not stay up.

What such an update ends is kept, stopped, until the update has proved itself. The oldest generation that
is held is the one that served last: whatever was ever stable had all older ones removed. What is set aside
loses its restart policy, as an Engine that starts would start it otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.engines.docker import document, places
from towline.engines.docker.containers import generation_of
from towline.engines.waiting import all_of, to_the_end

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from towline.engines.docker.containers import Containers
    from towline.engines.docker.daemon import Json
    from towline.engines.docker.watch import Watch

    Listed = Mapping[str, Json]

_NEVER = "no"


class Ending:
    """Ends containers of one Towline."""

    def __init__(self, containers: Containers, watch: Watch) -> None:
        self._containers = containers
        self._watch = watch

    async def end(self, doomed: Sequence[Listed]) -> None:
        """End containers by their stop signal and delete them."""
        await to_the_end(all_of(self._end(each) for each in doomed))

    async def make_way(self, deployment_guid: str, generation: int) -> None:
        """End all generations before this one, and keep the one that served."""
        older = [each for each in await self._held(deployment_guid) if generation_of(each) < generation]
        kept, between = _parted(older)
        await all_of(self._set_aside(each) for each in kept)
        await self.end(between)

    async def roll_back(self, deployment_guid: str, generation: int) -> int:
        """End ``generation`` and run again what was kept for it; return that one's number, 0 for none.

        The containers that end are kept too, stopped: their log says why. Raises Refused when the Engine
        does not start what was kept.
        """
        held = [each for each in await self._held(deployment_guid) if generation_of(each) <= generation]
        kept, later = _parted(held)
        if not kept or generation_of(kept[0]) == generation:
            return 0
        await all_of(self._set_aside(each) for each in later)
        await to_the_end(all_of(self._go_on(each) for each in kept))
        return generation_of(kept[0])

    async def discard(self, ident: str) -> None:
        """Kill and delete a container; its end is no news."""
        self._watch.leaves(ident)
        await self._containers.delete(ident)

    async def _end(self, listed: Listed) -> None:
        ident = str(listed["Id"])
        if listed["State"] in ("running", "restarting", "paused"):
            await self._stop(ident)
        await self.discard(ident)

    async def _stop(self, ident: str) -> None:
        self._watch.leaves(ident)
        await self._containers.stop(ident, patience=document.LONGEST_GRACE)

    async def _held(self, deployment_guid: str) -> Sequence[Listed]:
        return await self._containers.listed(deployment_guid)

    async def _set_aside(self, listed: Listed) -> None:
        ident = str(listed["Id"])
        self._watch.leaves(ident)
        await self._containers.set_restart(ident, _NEVER)
        await self._stop(ident)

    async def _go_on(self, listed: Listed) -> None:
        ident = str(listed["Id"])
        kept = places.read(listed["Labels"])
        if kept is None:
            return
        self._watch.stays(ident)
        await self._containers.set_restart(ident, document.RESTART[kept.restart])
        await self._containers.start(ident)
        await self._watch.look(ident)


def _parted(held: Sequence[Listed]) -> tuple[Sequence[Listed], Sequence[Listed]]:
    """Return the containers of the oldest generation, and all others."""
    oldest = min(map(generation_of, held), default=0)
    return (
        [each for each in held if generation_of(each) == oldest],
        [each for each in held if generation_of(each) != oldest],
    )
