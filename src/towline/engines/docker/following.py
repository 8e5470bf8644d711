"""When a followed log goes on: a container that ended may be started again, and its log with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from towline.engines.docker.containers import Containers
    from towline.engines.docker.facts import Seen
    from towline.engines.docker.watch import Watch
    from towline.engines.docker.wellness import Wellness


class Following:
    """Remembers which run of a container is being read."""

    def __init__(self, containers: Containers, watch: Watch, wellness: Wellness, seen: Seen) -> None:
        self._containers = containers
        self._watch = watch
        self._wellness = wellness
        self._ident = seen.ident
        self._started = seen.started_at

    async def next_start(self) -> bool:
        """Return True as soon as the next run has begun, False when there will be none."""
        while True:
            changed = self._watch.next_change()
            seen = await self._containers.seen(self._ident)
            if seen is None:
                return False
            if seen.is_running and seen.started_at != self._started:
                self._started = seen.started_at
                return True
            comes_again = bool(self._wellness.verdict(self._ident)) and not seen.kept.rests(1)
            if not seen.is_running and not seen.state.get("Restarting") and not comes_again:
                return False
            await changed.wait()
