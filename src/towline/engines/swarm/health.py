"""Probes that are asked from outside: a task whose container fails one is ended on its node.

The swarm asks commands inside by itself and ends what fails. Connections and HTTP are asked from here, so
such tasks are placed on the node that Towline talks to; the swarm starts again what is ended there.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from towline.domain.errors import EngineFailed
from towline.domain.package import RestartPolicy
from towline.engines.docker import probes
from towline.engines.docker.daemon import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towline.engines.docker.daemon import Daemon, Json
    from towline.engines.docker.places import Kept
    from towline.engines.swarm.tasks import Task

log = structlog.get_logger("towline.engine.swarm")

_LONGEST_STOP = 660.0


class Health:
    """Asks tasks; ``here`` is where ports on the node's own network are."""

    def __init__(self, daemon: Daemon, *, here: str) -> None:
        self._daemon = daemon
        self._here = here
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._verdicts: dict[str, str] = {}

    async def close(self) -> None:
        """Let go."""
        asking = list(self._asking.values())
        for each in asking:
            each.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    def note(self, kept: Kept, task: Task, container: Mapping[str, Json] | None) -> None:
        """Begin to ask a task that runs on the node that is talked to."""
        if kept.probe is None or kept.probe.command or container is None or task.ident in self._asking:
            return
        self._asking[task.ident] = asyncio.create_task(self._ask(kept, task, _address(container)))

    def forget(self, task: str) -> None:
        """Stop asking."""
        self._verdicts.pop(task, None)
        if (asking := self._asking.pop(task, None)) is not None:
            asking.cancel()

    def verdict(self, task: str) -> str:
        """Return why a task was ended from here, "" where it was not."""
        return self._verdicts.get(task, "")

    async def _ask(self, kept: Kept, task: Task, address: str) -> None:
        if kept.probe is None:
            return
        # A swarm starts nothing again that ended well, as what obeys its stop signal may: so it is killed.
        how = "kill" if kept.restart is RestartPolicy.ON_FAILURE else "stop"
        while True:
            trouble = await probes.until_unwell(kept.probe, address or self._here)
            log.info("task.unwell", task=task.ident, why=trouble)
            self._verdicts[task.ident] = trouble
            try:
                await self._daemon.ask("POST", f"/containers/{task.container}/{how}", patience=_LONGEST_STOP)
            except (EngineFailed, Refused) as failure:
                self._verdicts.pop(task.ident, None)
                log.warning("task.not_ended", task=task.ident, why=str(failure))
            else:
                return


def _address(container: Mapping[str, Json]) -> str:
    networks = (container.get("NetworkSettings") or {}).get("Networks") or {}
    return next((str(each["IPAddress"]) for each in networks.values() if each.get("IPAddress")), "")
