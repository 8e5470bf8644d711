"""What runs containers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

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
        then they are ended after the pull and before the start, or after it where containers have
        addresses of their own. The oldest of them may be kept, ended, for ``roll_back`` until ``remove``.

        Raises PullRefused when an image cannot be pulled, EngineFailed (a TowlineError with a
        ``finding``) when a container cannot be started. May be cancelled at any point and repeated.
        """

    def observe(self) -> AsyncIterator[Fact]:
        """Yield every fact from now on; the present ones come from ``inventory``."""

    async def remove(self, deployment_guid: str, *, below: int | None = None) -> None:
        """End and delete all containers of a deployment, or only those of generations before ``below``."""

    async def roll_back(self, deployment_guid: str, *, generation: int) -> int:
        """End ``generation`` and let the one run again that an exclusive start ended and kept; return its
        number. Return 0 where none was kept: then nothing is changed.

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
    ) -> AsyncIterator[bytes]:
        """Yield the log of the newest generation's container in chunks that end at line ends.

        With ``timestamps`` each line begins with the time at which it came (RFC 3339) and a space; in place
        of a time that nobody noted stands ``-``.

        An empty chunk is a sign of life while nothing is logged (at most 15 s apart).
        """

    async def inventory(self) -> Sequence[Fact]:
        """Return one fact for every container that the engine holds, of all deployments."""
