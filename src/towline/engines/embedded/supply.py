"""Blobs and layers for all pulls of an engine: each is fetched and unpacked once, however many want it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from towline.domain.causes import FindingCode
from towline.engines.embedded.refusals import refused
from towline.engines.embedded.sharing import Shared
from towline.engines.embedded.transfer import fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from pathlib import Path

    from towline.domain.image import ImageReference
    from towline.domain.workload import PullAccess
    from towline.engines.embedded.content import ContentStore
    from towline.engines.embedded.layers import LayerStore
    from towline.engines.embedded.manifest import Descriptor
    from towline.ports import ImageSource

_AT_ONCE = 4


class Supply:
    """Fetches from ``source`` into ``content``, at most four blobs at once, and unpacks into ``layers``."""

    def __init__(self, source: ImageSource, *, content: ContentStore, layers: LayerStore) -> None:
        self._source = source
        self._content = content
        self._layers = layers
        self._fetching: Shared[Path] = Shared()
        self._unpacking: Shared[Path | None] = Shared()
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._received: dict[str, int] = {}
        self._verified: set[str] = set()

    def received(self, digest: str) -> int:
        """Return how much of a blob that is being fetched has come."""
        return self._received.get(digest, 0)

    def unpacked(self, diff_id: str, chain_id: str) -> Path | None:
        """Return a layer's folder if it is there."""
        return self._layers.find(diff_id, chain_id)

    async def blob(self, wanted: Descriptor, image: ImageReference, access: PullAccess) -> Path:
        """Return the path of a blob's content; what an earlier process fetched is verified again."""
        if wanted.digest in self._verified and self._content.has(wanted.digest):
            return self._content.path(wanted.digest)
        return await self._fetching.get(wanted.digest, lambda: self._fetch(wanted, image, access))

    async def layer(
        self,
        blob: Path,
        *,
        diff_id: str,
        chain_id: str,
        below: Callable[[], Coroutine[None, None, Sequence[Path]]],
    ) -> Path:
        """Return the folder of a blob, unpacked; ``below`` waits for the layers below it, if need be."""
        alone = await self._unpacking.get(diff_id, lambda: self._alone(blob, diff_id))
        if alone is not None:
            return alone
        lowers = await below()
        above = await self._unpacking.get(
            f"{chain_id} above", lambda: self._above(blob, diff_id, chain_id, lowers=lowers)
        )
        if above is None:
            detail = f"layer {diff_id} leans on a layer that is not in the image"
            raise refused(FindingCode.IMAGE_REFUSED, detail)
        return above

    async def _fetch(self, wanted: Descriptor, image: ImageReference, access: PullAccess) -> Path:
        async with self._turns:
            await asyncio.to_thread(self._content.doubt, wanted.digest)
            try:
                path = await fetch(
                    lambda offset: self._source.blob(image, wanted.digest, access, offset=offset),
                    wanted,
                    self._content,
                    received=lambda size: self._received.update({wanted.digest: size}),
                )
            finally:
                self._received.pop(wanted.digest, None)
        self._verified.add(wanted.digest)
        return path

    async def _alone(self, blob: Path, diff_id: str) -> Path | None:
        found = self._layers.find(diff_id, "")
        return found or await self._layers.unpack(blob, diff_id=diff_id)

    async def _above(self, blob: Path, diff_id: str, chain_id: str, *, lowers: Sequence[Path]) -> Path | None:
        found = self._layers.find(diff_id, chain_id)
        return found or await self._layers.unpack(blob, diff_id=diff_id, chain_id=chain_id, lowers=lowers)
