"""What is asked of registries, and where images come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from towline.domain.image import ImageReference
    from towline.domain.minting import Grant, MintOrder
    from towline.domain.proof import Answer, Glance, Platform
    from towline.domain.registry import RegistryAddress, RegistrySettings
    from towline.domain.workload import PullAccess


class RegistryProver(Protocol):
    """Asks registries questions without pulling. Never raises for what a registry does: it answers."""

    async def login(self, address: RegistryAddress, access: PullAccess) -> Answer:
        """Answer whether the registry accepts the credential, without naming an image."""

    async def image(self, image: ImageReference, access: PullAccess, *, platform: Platform) -> Answer:
        """Answer whether the image can be pulled for ``platform``, and what it is."""

    async def glance(self, image: ImageReference, access: PullAccess, *, spare: int) -> Glance:
        """Answer with at most ``spare`` requests whether another credential may pull a refused image."""


class RegistryTurns(Protocol):
    """So many questions at a time to one place, and no more: a registry's limits are not ours to try out."""

    def at(self, origin: str) -> AbstractAsyncContextManager[None]:
        """Wait for a turn at ``scheme://host:port``, and have it for the length of the block."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest as the registry sent it, its digest checked."""

    digest: str
    media_type: str
    content: bytes


class ImageSource(Protocol):
    """Where an engine that pulls images itself gets them from. Raises PullRefused with the finding."""

    async def manifest(self, image: ImageReference, access: PullAccess) -> Manifest:
        """Return the manifest that the reference's digest (else tag) names; its digest is verified."""

    def blob(
        self, image: ImageReference, digest: str, access: PullAccess, *, offset: int = 0
    ) -> AsyncIterator[bytes]:
        """Yield a blob's bytes from ``offset`` on, not verified: the receiver hashes what it stores."""


class TokenMint(Protocol):
    """Makes registries' short-lived logins from a parent credential."""

    def check(self, order: MintOrder) -> None:
        """Raise InvalidInput for a parent credential of another form than its kind's; asks nobody."""

    async def mint(
        self, order: MintOrder, *, now: datetime, settings: Mapping[str, RegistrySettings]
    ) -> Grant:
        """Return a login that is good from ``now`` on; raise PullRefused with the finding.

        ``settings`` are the project's, by ``netloc``: they hold for the hosts that are asked on the way.
        """
