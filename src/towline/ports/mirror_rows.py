"""Rows of mirrors, and the cluster that keeps what they ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from towline.domain.mirror import HandedCopy, Mirror, MirrorOrder, MirrorPlace


class MirrorRows(Protocol):
    """Mirrors of all projects, and how they fare in each namespace."""

    def put(self, mirror: Mirror) -> None:
        """Insert or replace."""

    def get(self, guid: str) -> Mirror | None:
        """Return one."""

    def all(self) -> Sequence[Mirror]:
        """Return every mirror there is, also those that are being taken away, the oldest first."""

    def of_secret(self, secret_guid: str) -> Sequence[Mirror]:
        """Return a secret's mirrors, also those that are being taken away, the oldest first."""

    def remove(self, guid: str) -> None:
        """Forget a mirror and its places."""

    def places(self, guid: str) -> Sequence[MirrorPlace]:
        """Return how a mirror fares, by namespace."""

    def set_places(self, guid: str, places: Sequence[MirrorPlace]) -> None:
        """Put how a mirror fares in place, as a whole."""


class MirrorTarget(Protocol):
    """A cluster that keeps copies of secrets in namespaces."""

    async def run(
        self,
        *,
        hand_out: Callable[[MirrorOrder, str], Awaitable[HandedCopy | None]],
        tell: Callable[[str, Sequence[MirrorPlace]], Awaitable[None]],
    ) -> None:
        """Keep what is ordered until cancelled.

        ``hand_out`` returns the credential for one namespace, None when it may not leave any more; it is
        asked once for every copy that is written. ``tell`` hears of a mirror, with all its places, whenever
        one of them changed.
        """

    def order(self, orders: Sequence[MirrorOrder]) -> None:
        """Take over what is to be kept from now on, as a whole; all else that was put there is taken away."""

    async def is_clear_of(self, mirror_guid: str) -> bool:
        """Whether the cluster is known to hold nothing of a mirror."""
