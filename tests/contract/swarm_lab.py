"""A Docker Swarm with a tiny private image: two real nodes, a real registry with a password."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from docker_lab import DockerLab, Place, docker_place

from parts.dockerd import Dockerd
from parts.swarm import Swarm, running_swarm
from towline.domain.proof import Platform
from towline.engines.docker.address import EngineAddress
from towline.engines.swarm.engine import SwarmEngine


@dataclass(frozen=True)
class SwarmPlace:
    """What all tests share: the swarm, and the registry with the image."""

    swarm: Swarm
    place: Place


@contextmanager
def swarm_place(folder: Path) -> Iterator[SwarmPlace]:
    """Run swarm and registry. The worker takes no tasks unless a test lets it."""
    with running_swarm() as swarm:

        @contextmanager
        def manager() -> Iterator[Dockerd]:
            yield swarm.manager

        swarm.set_availability(swarm.worker, "drain")
        with docker_place(folder, manager) as place:
            yield SwarmPlace(swarm, place)


class SwarmLab(DockerLab):
    """Makes engines of one installation on the swarm's manager, and workloads for them."""

    engine: SwarmEngine

    def __init__(self, at: SwarmPlace) -> None:
        self.swarm = at.swarm
        super().__init__(at.place)

    def another(self, **changes: Any) -> SwarmEngine:  # type: ignore[override]
        """Return an engine of the same installation; it starts tasks again sooner than a real one."""
        settings: dict[str, Any] = {"network": "host", "pause": 0.2, **changes}
        address = settings.pop("address", EngineAddress.parse(self.place.dockerd.host))
        return SwarmEngine(
            address,
            installation=self.installation,
            platform=Platform("linux", "amd64"),
            clock=lambda: datetime.now(UTC),
            **settings,
        )

    async def close(self) -> None:
        """Remove everything and let go."""
        await self.engine.close()
        await self.registry.close()
        self.swarm.sweep(self.installation)
