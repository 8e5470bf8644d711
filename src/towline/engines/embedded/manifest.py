"""What a registry says an image is: manifests, indexes, configurations, parsed at the door.

Facts: opencontainers/image-spec ``manifest.md``, ``image-index.md``, ``config.md``, ``media-types.md``;
distribution ``manifest-v2-2``. Fields that are not needed are not looked at; ``urls`` of foreign layers
are never followed.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from towline.domain.causes import FindingCode
from towline.domain.proof import Platform
from towline.engines.embedded import fields
from towline.engines.embedded.refusals import refused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST_LAYERS = 127
MOST_LAYER_BYTES = 64 << 30
MOST_IMAGE_BYTES = 256 << 30
MOST_DOCUMENT_BYTES = 4 << 20

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_INDEXES = frozenset(
    {
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    }
)
_MANIFESTS = frozenset(
    {
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    }
)
_CONFIGS = frozenset(
    {
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.docker.container.image.v1+json",
        "application/octet-stream",
        "application/json",
    }
)
"""The two that are meant, and two that old pushers wrote, which docker runs as well."""
_LAYER = re.compile(
    r"application/vnd\.(?:oci\.image\.layer\.(?:nondistributable\.)?v1\.tar|"
    r"docker\.image\.rootfs\.(?:foreign\.)?diff\.tar)(?:[.+](?:gzip|zstd))?"
)
_STANDS_FOR = {
    ("arm64", "v8"): ("v8", ""),
    ("arm64", ""): ("", "v8"),
    ("arm", "v8"): ("v8", "v7", "", "v6", "v5"),
    ("arm", "v7"): ("v7", "", "v6", "v5"),
    ("arm", "v6"): ("v6", "", "v5"),
    ("amd64", ""): ("", "v1"),
}
"""Which variants a processor runs, the best first; others run their own and what names none."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What a blob is, and how big."""

    media_type: str
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class ImageManifest:
    """One image of one platform; ``layers`` bottom first."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]


@dataclass(frozen=True, slots=True)
class Index:
    """Images by platform; None where an entry names none."""

    media_type: str
    entries: tuple[tuple[Descriptor, Platform | None], ...]

    def choose(self, platform: Platform) -> Descriptor:
        """Return the entry for ``platform``; raise PullRefused when there is none."""
        for variant in _STANDS_FOR.get((platform.architecture, platform.variant), (platform.variant, "")):
            wanted = Platform(platform.os, platform.architecture, variant)
            for descriptor, offered in self.entries:
                if offered == wanted:
                    return descriptor
        unnamed = [descriptor for descriptor, offered in self.entries if offered is None]
        if len(unnamed) == len(self.entries) == 1:
            return unnamed[0]
        offers = ", ".join(sorted({str(offered) for _, offered in self.entries if offered})[:20])
        detail = f"this engine runs {platform}, the image is there for {offers or 'no platform'}"
        raise refused(FindingCode.PLATFORM_NOT_AVAILABLE, detail)


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """What an image says about how it is to be run; empty where it says nothing.

    ``diff_ids`` are the digests of its layers unpacked, bottom first.
    """

    architecture: str
    os: str
    diff_ids: tuple[str, ...]
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = ""
    user: str = ""
    stop_signal: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def chain_ids(self) -> tuple[str, ...]:
        """What stands for each layer together with all below it (image-spec, ``Layer ChainID``)."""
        chain: list[str] = []
        for diff_id in self.diff_ids:
            chain.append(_sha256(f"{chain[-1]} {diff_id}") if chain else diff_id)
        return tuple(chain)

    def refuse_other_platforms(self, platform: Platform) -> None:
        """Raise PullRefused when the image was built for another processor or system."""
        same = self.os in ("", platform.os) and self.architecture in ("", platform.architecture)
        if not same:
            detail = f"this engine runs {platform}, the image is for {self.os}/{self.architecture}"
            raise refused(FindingCode.PLATFORM_NOT_AVAILABLE, detail)


def parse_manifest(content: bytes, media_type: str = "") -> ImageManifest | Index:
    """Return what a manifest says; raise PullRefused that names what is wrong with it.

    ``media_type`` is what came with it: OCI manifests need not state their own.
    """
    document = fields.document(content, "the manifest")
    stated = document.text("mediaType")
    kind = stated or media_type.partition(";")[0].strip() or _kind_by_content(document)
    if "manifests" in document and "layers" in document:
        raise document.wrong("", "is an image and an index at once")
    if document.number("schemaVersion") == 1 or "distribution.manifest.v1" in kind:
        raise document.wrong("", "is of schema 1, which was given up in 2017")
    if kind in _INDEXES:
        return _index(document, kind)
    if kind in _MANIFESTS:
        return _image(document, kind)
    raise document.wrong("", f"is of the kind {kind[:100]!r}, which is no container image")


def parse_config(content: bytes) -> ImageConfig:
    """Return what an image's configuration says; raise PullRefused that names what is wrong with it."""
    document = fields.document(content, "the image's configuration")
    run = document.inner("config")
    root = document.inner("rootfs")
    diff_ids = root.texts("diff_ids")
    for number, diff_id in enumerate(diff_ids):
        if not _DIGEST.fullmatch(diff_id):
            raise root.wrong(f"diff_ids[{number}]", "is not a sha256 digest")
    return ImageConfig(
        document.text("architecture"),
        document.text("os"),
        diff_ids=diff_ids,
        entrypoint=run.texts("Entrypoint"),
        cmd=run.texts("Cmd"),
        environment=_environment(run.texts("Env")),
        working_dir=run.text("WorkingDir"),
        user=run.text("User"),
        stop_signal=run.text("StopSignal"),
        labels=run.text_values("Labels"),
    )


def check_layers(manifest: ImageManifest, config: ImageConfig) -> None:
    """Raise PullRefused unless manifest and configuration speak of the same layers."""
    listed, described = len(manifest.layers), len(config.diff_ids)
    if listed != described:
        detail = f"the manifest lists {listed} layers, the image's configuration {described}"
        raise refused(FindingCode.MANIFEST_NOT_SUPPORTED, detail)


def _kind_by_content(document: fields.Document) -> str:
    name = "index" if "manifests" in document else "manifest" if "layers" in document else "unknown"
    return f"application/vnd.oci.image.{name}.v1+json"


def _index(document: fields.Document, kind: str) -> Index:
    entries = document.inners("manifests")
    return Index(kind, tuple((_descriptor(entry), _platform(entry)) for entry in entries))


def _image(document: fields.Document, kind: str) -> ImageManifest:
    config = document.inner("config")
    if config.text("mediaType") not in _CONFIGS:
        kind = config.text("mediaType")[:100]
        raise config.wrong("mediaType", f"is {kind!r}: this is an artifact, not a container image")
    entries = document.inners("layers")
    if len(entries) > MOST_LAYERS:
        raise document.wrong("layers", f"are {len(entries)}; an image has at most {MOST_LAYERS}")
    layers = tuple(_layer(entry) for entry in entries)
    if sum(layer.size for layer in layers) > MOST_IMAGE_BYTES:
        raise document.wrong("layers", f"are bigger than {MOST_IMAGE_BYTES >> 30} GiB together")
    return ImageManifest(kind, _descriptor(config, most=MOST_DOCUMENT_BYTES), layers)


def _layer(entry: fields.Document) -> Descriptor:
    kind = entry.text("mediaType")
    if not _LAYER.fullmatch(kind):
        raise entry.wrong("mediaType", f"is {kind[:100]!r}, which is no layer that can be unpacked")
    return _descriptor(entry)


def _descriptor(entry: fields.Document, *, most: int = MOST_LAYER_BYTES) -> Descriptor:
    digest, size = entry.text("digest"), entry.number("size")
    if not _DIGEST.fullmatch(digest):
        raise entry.wrong("digest", f"is {digest[:80]!r}, which is not a sha256 digest")
    if not 0 <= size <= most:
        raise entry.wrong("size", f"is {size}, which is not from 0 to {most}")
    return Descriptor(entry.text("mediaType"), digest, size)


def _platform(entry: fields.Document) -> Platform | None:
    platform = entry.inner("platform")
    if not platform:
        return None
    return Platform(platform.text("os"), platform.text("architecture"), platform.text("variant"))


def _environment(entries: Sequence[str]) -> Mapping[str, str]:
    """Return variables by name; as in docker, what has no name is nothing."""
    pairs = (entry.partition("=") for entry in entries)
    return {name: value for name, _, value in pairs if name}


def _sha256(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
