"""What runs containers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from towline.domain.engine import EngineAbout, EngineHealth, EngineKeys, EngineRecord, Storage
    from towline.domain.errors import TowlineError
    from towline.domain.proof import Platform
    from towline.domain.workload import Fact, Workload


class Engine(Protocol):
    """What runs containers. Every method is idempotent; names derive from guid, generation, executable."""

    @property
    def name(self) -> str:
        """``embedded``, ``docker``, ``swarm`` or ``kubernetes``."""

    @property
    def platform(self) -> Platform:
        """What the engine's containers run on."""

    @property
    def keeps_credentials(self) -> bool:
        """Whether what was applied holds credentials, so that it is applied again when they change."""

    async def apply(self, workload: Workload) -> None:
        """Pull what is missing and start what is not running of this generation; return once every
        container was started. Other generations are left alone, unless the workload is exclusive:
        then they are ended after the pull and before the start; the oldest of them may be kept, ended, for
        ``roll_back`` until ``remove``. Where containers have addresses of their own they serve on until then.

        Raises PullRefused when an image cannot be pulled, EngineFailed (a TowlineError with a
        ``finding``) when a container cannot be started. May be cancelled at any point and repeated.
        """

    def observe(self) -> AsyncIterator[Fact]:
        """Yield every fact from now on; the present ones come from ``inventory``."""

    async def remove(self, deployment_guid: str, *, below: int | None = None) -> None:
        """End and delete all containers of a deployment, or only those of generations before ``below``."""

    async def roll_back(self, deployment_guid: str, *, generation: int) -> int:
        """End ``generation`` and let the one run again that served before an exclusive start; return its
        number. Return 0 where that was not kept: then nothing is changed.

        Raises EngineFailed when it cannot be started.
        """

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
        """Yield the log of the newest generation's container in chunks that end at line ends.

        With ``timestamps`` each line begins with the time at which it came (RFC 3339) and a space; in place
        of a time that nobody noted stands ``-``.

        With ``previous`` it is the log of the run before the present one, empty where there was none; raises
        InvalidInput, before anything is yielded, where one log holds all runs.

        An empty chunk is a sign of life while nothing is logged (at most 15 s apart).
        """

    async def inventory(self) -> Sequence[Fact]:
        """Return one fact for every container that the engine holds, of all deployments."""


class EngineHost(Protocol):
    """What an engine tells of the place where it runs; each method raises EngineFailed where it cannot."""

    async def about(self) -> EngineAbout:
        """Return what answers; cheap enough to be asked every few seconds."""

    async def storage(self) -> Storage:
        """Return what is kept there: images and room."""

    async def collect(self) -> int:
        """Delete the images that this installation had pulled and that nothing needs; return how many went.

        An image that somebody else brought or uses stays.
        """

    async def disk_used(self, disk: str) -> int | None:
        """Return how many bytes are on a disk, by guid; None where nobody can tell, or it was never used."""

    async def delete_disk(self, disk: str) -> None:
        """Delete a disk's data; there may be nothing, as before its first use. Raise EngineFailed while a
        container mounts it: an engine may let go of one later than it said that it ended.
        """


@dataclass(frozen=True, slots=True)
class OpenEngine:
    """An engine in use: what runs containers, where it does, and how that fares."""

    engine: Engine
    host: EngineHost
    health: EngineHealth


class Engines(Protocol):
    """The engines in use, by name: added and taken away while the server runs, which the bell tells."""

    @property
    def own(self) -> str:
        """The name of the installation's own engine, which is always there."""

    def all(self) -> Mapping[str, OpenEngine]:
        """Return all engines by name; without those that were taken away."""

    def is_coming(self, name: str) -> bool:
        """Whether an engine is being opened and will be among them soon."""


class EngineDoors(Engines, Protocol):
    """The engines, and what opens and closes them."""

    def record(self, name: str) -> EngineRecord:
        """Return how an engine in use is reached."""

    async def tried(self, record: EngineRecord, keys: EngineKeys) -> EngineAbout:
        """Reach an engine without keeping it; raise InvalidInput for its address, EngineFailed."""

    async def open(self, record: EngineRecord, keys: EngineKeys | TowlineError) -> None:
        """Begin to use an engine, unless it is in use; one that does not answer yet is waited for.

        In place of its keys may stand why there are none: the engine then says so.
        """

    async def close(self, name: str) -> None:
        """Let go of an engine; its containers go on running."""

    async def look(self, name: str) -> EngineHealth:
        """Ask an engine now whether it answers, and return that."""
