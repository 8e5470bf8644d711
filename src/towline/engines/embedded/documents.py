"""The documents that describe an image, from here or from its registry: indexes, manifest, configuration."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from towline.domain.causes import FindingCode
from towline.domain.errors import PullRefused
from towline.engines.embedded.content import digest_of
from towline.engines.embedded.layers import layer_names
from towline.engines.embedded.manifest import (
    MOST_DOCUMENT_BYTES,
    Descriptor,
    ImageConfig,
    ImageManifest,
    Index,
    check_layers,
    parse_config,
    parse_manifest,
)
from towline.engines.embedded.refusals import refused

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from towline.domain.image import ImageReference
    from towline.domain.proof import Platform
    from towline.domain.workload import PullAccess
    from towline.engines.embedded.content import ContentStore
    from towline.engines.embedded.supply import Supply
    from towline.ports import ImageSource

_MOST_STEPS = 3
"""Indexes may hold indexes, but nobody stacks them higher."""


@dataclass(frozen=True, slots=True)
class Documents:
    """What describes an image: the way to it through indexes, its own manifest last, and its config."""

    way: tuple[Descriptor, ...]
    manifest: ImageManifest
    config: ImageConfig

    @property
    def blobs(self) -> frozenset[str]:
        """The digests of all that belongs to the image."""
        parts = (*self.way, self.manifest.config, *self.manifest.layers)
        return frozenset(part.digest for part in parts)

    @property
    def layer_names(self) -> frozenset[str]:
        """The folders that its layers may have."""
        pairs = zip(self.config.diff_ids, self.config.chain_ids, strict=True)
        return frozenset(name for pair in pairs for name in layer_names(*pair))


def local_documents(content: ContentStore, digest: str, platform: Platform) -> Documents | None:
    """Return the documents of an image, or of an index's image for ``platform``, if all of them are here."""
    way: list[Descriptor] = []
    while len(way) < _MOST_STEPS and (document := content.read(digest)) is not None:
        try:
            step = parse_manifest(document)
            if isinstance(step, Index):
                way.append(Descriptor(step.media_type, digest, len(document)))
                digest = step.choose(platform).digest
                continue
            config = content.read(step.config.digest)
            if config is None:
                return None
            parsed = parse_config(config)
            check_layers(step, parsed)
        except PullRefused:  # what a pull refuses is not here; the pull that follows says why
            return None
        return Documents((*way, Descriptor(step.media_type, digest, len(document))), step, parsed)
    return None


class Reading:
    """Reading an image's documents from the store, and from the registry what is not there.

    ``use`` is told of everything before it is looked for, so that it is not collected meanwhile.
    """

    def __init__(
        self,
        source: ImageSource,
        *,
        content: ContentStore,
        supply: Supply,
        use: Callable[..., Coroutine[None, None, None]],
    ) -> None:
        self._source = source
        self._content = content
        self._supply = supply
        self._use = use

    async def documents(self, image: ImageReference, access: PullAccess, *, platform: Platform) -> Documents:
        """Return the documents of an image; raise PullRefused."""
        way: list[Descriptor] = []
        step = image
        while len(way) < _MOST_STEPS:
            descriptor, parsed = await self._manifest(step, access)
            way.append(descriptor)
            if isinstance(parsed, ImageManifest):
                config = await self._config(parsed, image, access)
                config.refuse_other_platforms(platform)
                return Documents(tuple(way), parsed, config)
            step = image.pinned(parsed.choose(platform).digest)
        detail = f"more than {_MOST_STEPS - 1} indexes stand above the image"
        raise refused(FindingCode.MANIFEST_NOT_SUPPORTED, detail)

    async def _manifest(
        self, image: ImageReference, access: PullAccess
    ) -> tuple[Descriptor, ImageManifest | Index]:
        if image.digest is not None:
            if not image.digest.startswith("sha256:"):
                raise refused(FindingCode.MANIFEST_NOT_SUPPORTED, "the digest is not one of sha256")
            await self._use(image.digest)
            here = await asyncio.to_thread(self._content.read, image.digest)
            if here is not None:
                parsed = parse_manifest(here)
                return Descriptor(parsed.media_type, image.digest, len(here)), parsed
        sent = await self._source.manifest(image, access)
        digest = digest_of(sent.content)
        if digest != (image.digest or sent.digest):
            detail = f"the registry sent the manifest {digest} for {image.reference}"
            raise refused(FindingCode.IMAGE_CORRUPT, detail)
        if len(sent.content) > MOST_DOCUMENT_BYTES:
            raise refused(FindingCode.MANIFEST_NOT_SUPPORTED, "the manifest is bigger than 4 MiB")
        parsed = parse_manifest(sent.content, sent.media_type)
        await self._use(digest)
        await asyncio.to_thread(self._content.put, sent.content)
        return Descriptor(parsed.media_type, digest, len(sent.content)), parsed

    async def _config(
        self, manifest: ImageManifest, image: ImageReference, access: PullAccess
    ) -> ImageConfig:
        wanted = manifest.config
        await self._use(wanted.digest)
        content = await asyncio.to_thread(self._content.read, wanted.digest)
        if content is None:
            path = await self._supply.blob(wanted, image, access)
            content = await asyncio.to_thread(path.read_bytes)
        config = parse_config(content)
        check_layers(manifest, config)
        return config
