"""Pulling images: from a reference to layers that can be run, fetching only what is not here.

Layers come side by side, the largest first, and each is unpacked as soon as it is whole. What two
deployments ask for at once is fetched once. The wire is the registry room's: it comes in as ImageSource.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import structlog

from towline.domain.causes import FindingCode
from towline.domain.deployment import LayerProgress
from towline.engines.embedded.content import ContentStore
from towline.engines.embedded.documents import Documents, Reading, local_documents
from towline.engines.embedded.layers import LayerStore
from towline.engines.embedded.refusals import refused
from towline.engines.embedded.sharing import ended
from towline.engines.embedded.supply import Supply
from towline.engines.waiting import all_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping, Sequence
    from pathlib import Path

    from towline.domain.image import ImageReference
    from towline.domain.proof import Platform
    from towline.domain.workload import PullAccess
    from towline.engines.embedded.images import Progress
    from towline.engines.embedded.manifest import ImageConfig
    from towline.engines.embedded.unpack.order import Limits
    from towline.ports import ImageSource

    Use = Callable[..., Coroutine[None, None, None]]

log = structlog.get_logger("towline.engine.embedded")

_REPORT_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class LocalImage:
    """An image that is unpacked here; ``digest`` is its own manifest's, ``layers`` come bottom first."""

    digest: str
    config: ImageConfig
    layers: tuple[Path, ...]


class Puller:
    """The images of the embedded engine; see ``Images``. Make one with ``Puller.open``."""

    def __init__(
        self, source: ImageSource, *, content: ContentStore, layers: LayerStore, platform: Platform
    ) -> None:
        self._source = source
        self._content = content
        self._layers = layers
        self._platform = platform
        self._supply = Supply(source, content=content, layers=layers)
        self._used: Counter[str] = Counter()
        self._keeping = asyncio.Lock()

    @classmethod
    async def open(
        cls,
        root: Path,
        *,
        source: ImageSource,
        platform: Platform,
        user_namespace: bool,
        limits: Limits | None = None,
    ) -> Self:
        """Return a puller on the folder ``root``; raise EngineFailed when another server uses that.

        ``user_namespace`` says that this process's user is a normal one.
        """
        content = ContentStore(root)
        await asyncio.to_thread(content.open)
        layers = LayerStore(root, user_namespace=user_namespace, limits=limits)
        await layers.open()
        return cls(source, content=content, layers=layers, platform=platform)

    async def close(self) -> None:
        """Finish what must be on the disk and let go of the folder; nobody may be pulling any more."""
        await self._layers.close()
        self._content.close()

    async def local(self, image: ImageReference) -> LocalImage | None:
        """Return an image that is wholly here, without asking anybody; None without a digest."""
        if image.digest is None:
            return None
        documents = await asyncio.to_thread(local_documents, self._content, image.digest, self._platform)
        return None if documents is None else self._unpacked(documents)

    async def pull(self, image: ImageReference, access: PullAccess, *, progress: Progress) -> LocalImage:
        """Fetch and unpack what is missing of an image; raise PullRefused with the finding.

        ``progress`` hears of all layers, about five times a second and once at the end.
        """
        async with self._in_use() as use:
            reading = Reading(self._source, content=self._content, supply=self._supply, use=use)
            documents = await reading.documents(image, access, platform=self._platform)
            await use(*documents.blobs, *documents.layer_names)
            board = _Board(documents, self._supply.received)
            async with _reporting(board, progress):
                await _Pull(documents, image, access, supply=self._supply, board=board).run()
            unpacked = self._unpacked(documents)
            if unpacked is None:
                detail = "layers were deleted from the engine's folder while the image was pulled"
                raise refused(FindingCode.ENGINE_ERROR, detail)
            async with self._keeping:
                await asyncio.to_thread(self._content.complete, documents.way[0])
        log.info("image.pulled", image=str(image), digest=unpacked.digest, layers=len(unpacked.layers))
        return unpacked

    async def kept(self) -> Mapping[str, int]:
        """Return the images that are here by their digests, each with its size in bytes as it was pulled."""
        return await asyncio.to_thread(self._sizes)

    def _sizes(self) -> Mapping[str, int]:
        sizes: dict[str, int] = {}
        for digest in self._content.completed():
            documents = local_documents(self._content, digest, self._platform)
            if documents is not None:
                parts = (documents.manifest.config, *documents.manifest.layers)
                sizes[documents.way[-1].digest] = sum(part.size for part in parts)
        return sizes

    async def collect(self, keep: Collection[str]) -> None:
        """Delete what none of the images with these digests needs, and nobody is pulling."""
        async with self._keeping:
            used = frozenset(self._used)
            blobs, layers = await asyncio.to_thread(self._needed, frozenset(keep))
            doomed = await asyncio.to_thread(self._content.discard, blobs | used, parts=used)
            await self._layers.discard(layers | used)
        for path in doomed:
            await asyncio.to_thread(path.unlink)

    def _needed(self, keep: frozenset[str]) -> tuple[frozenset[str], frozenset[str]]:
        """Return the blobs and layers of what is kept, and of indexes that led to what is kept."""
        blobs, layers = set(keep), set[str]()
        for digest in {*keep, *self._content.completed()}:
            documents = local_documents(self._content, digest, self._platform)
            if documents is not None and not keep.isdisjoint(step.digest for step in documents.way):
                blobs |= documents.blobs
                layers |= documents.layer_names
        return frozenset(blobs), frozenset(layers)

    def _unpacked(self, documents: Documents) -> LocalImage | None:
        config = documents.config
        pairs = zip(config.diff_ids, config.chain_ids, strict=True)
        found = [self._layers.find(diff_id, chain_id) for diff_id, chain_id in pairs]
        layers = tuple(path for path in found if path is not None)
        if len(layers) < len(found):
            return None
        return LocalImage(documents.way[-1].digest, config, layers=layers)

    @asynccontextmanager
    async def _in_use(self) -> AsyncIterator[Use]:
        """Keep blobs and layers from being collected, from when they are named until the end."""
        named: list[str] = []

        async def use(*names: str) -> None:
            async with self._keeping:
                named.extend(names)
                self._used.update(names)

        try:
            yield use
        finally:
            self._used.subtract(named)
            self._used += Counter()


class _Board:
    """Where people see how far a pull is."""

    def __init__(self, documents: Documents, received: Callable[[str], int]) -> None:
        self._received = received
        layers = documents.manifest.layers
        self._rows = [LayerProgress(layer.digest, layer.size) for layer in layers]

    def fetched(self, number: int) -> None:
        """Mark a layer as fetched."""
        self._rows[number] = replace(self._rows[number], received=self._rows[number].size)

    def unpacked(self, number: int) -> None:
        """Mark a layer as unpacked."""
        self.fetched(number)
        self._rows[number] = replace(self._rows[number], unpacked=True)

    def rows(self) -> tuple[LayerProgress, ...]:
        """Return how far each layer is."""
        return tuple(replace(row, received=row.received or self._received(row.digest)) for row in self._rows)


class _Pull:
    """One pull: what is known of its layers while they come."""

    def __init__(
        self,
        documents: Documents,
        image: ImageReference,
        access: PullAccess,
        *,
        supply: Supply,
        board: _Board,
    ) -> None:
        self._documents = documents
        self._image = image
        self._access = access
        self._supply = supply
        self._board = board
        loop = asyncio.get_running_loop()
        self._ready: list[asyncio.Future[Path]] = [loop.create_future() for _ in documents.manifest.layers]

    async def run(self) -> None:
        """Have all layers unpacked; the largest are begun first."""
        layers = self._documents.manifest.layers
        largest_first = sorted(range(len(layers)), key=lambda number: -layers[number].size)
        await all_of(self._layer(number) for number in largest_first)

    async def _layer(self, number: int) -> None:
        diff_id = self._documents.config.diff_ids[number]
        chain_id = self._documents.config.chain_ids[number]
        path = self._supply.unpacked(diff_id, chain_id)
        if path is None:
            wanted = self._documents.manifest.layers[number]
            blob = await self._supply.blob(wanted, self._image, self._access)
            self._board.fetched(number)
            path = await self._supply.layer(
                blob, diff_id=diff_id, chain_id=chain_id, below=self._below(number)
            )
        self._board.unpacked(number)
        self._ready[number].set_result(path)

    def _below(self, number: int) -> Callable[[], Coroutine[None, None, Sequence[Path]]]:
        """Return what waits for the layers below one."""

        async def lowers() -> Sequence[Path]:
            return [await asyncio.shield(ready) for ready in self._ready[:number]]

        return lowers


@asynccontextmanager
async def _reporting(board: _Board, progress: Progress) -> AsyncIterator[None]:
    """Tell ``progress`` what changed, now and then while the work goes on, and when it is done."""

    async def report() -> None:
        told: Sequence[LayerProgress] = ()
        while True:
            rows = board.rows()
            if rows != told:
                progress(rows)
                told = rows
            await asyncio.sleep(_REPORT_SECONDS)

    reporter = asyncio.create_task(report())
    try:
        yield
    finally:
        reporter.cancel()
        await ended(reporter)
    progress(board.rows())
