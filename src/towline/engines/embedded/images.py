"""What the run side of the engine asks of its pull side, as Protocols."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from towline.domain.deployment import LayerProgress
    from towline.domain.image import ImageReference
    from towline.domain.workload import PullAccess

    Progress = Callable[[Sequence[LayerProgress]], None]


class ImageConfig(Protocol):
    """What an image says about how it is to be run; empty where it says nothing."""

    @property
    def entrypoint(self) -> tuple[str, ...]: ...
    @property
    def cmd(self) -> tuple[str, ...]: ...
    @property
    def environment(self) -> Mapping[str, str]: ...
    @property
    def user(self) -> str: ...
    @property
    def working_dir(self) -> str: ...
    @property
    def stop_signal(self) -> str: ...


class LocalImage(Protocol):
    """An image that is unpacked here; ``layers`` bottom first."""

    @property
    def digest(self) -> str: ...
    @property
    def config(self) -> ImageConfig: ...
    @property
    def layers(self) -> tuple[Path, ...]: ...


class Images(Protocol):
    """The images of this engine."""

    async def local(self, image: ImageReference) -> LocalImage | None:
        """Return an image that is wholly here."""

    async def pull(self, image: ImageReference, access: PullAccess, *, progress: Progress) -> LocalImage:
        """Fetch and unpack what is missing of an image; raise PullRefused with the finding."""

    async def kept(self) -> Mapping[str, int]:
        """Return the images that are here by their digests, each with its size in bytes as it was pulled."""

    async def collect(self, keep: Collection[str]) -> None:
        """Delete what none of the images with these digests needs, and nobody is pulling."""
