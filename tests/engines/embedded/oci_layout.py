"""Images made in memory, and a second implementation of ImageSource that serves them from a folder."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from backports import zstd

from towline.domain.causes import FindingCode
from towline.domain.errors import PullRefused
from towline.domain.findings import Finding
from towline.domain.image import ImageReference
from towline.domain.proof import Platform
from towline.domain.registry import RegistrySettings
from towline.domain.workload import PullAccess
from towline.ports import Manifest

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

HERE = Platform("linux", "amd64")
ACCESS = PullAccess(RegistrySettings.default("registry.test"))
NAME = ImageReference.parse("registry.test/team/app:1.0")
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
_COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "": lambda content: content,
    "+gzip": lambda content: gzip.compress(content, 1, mtime=0),
    "+zstd": zstd.compress,
}


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@dataclass(frozen=True)
class Layer:
    """A layer's tar stream and how it is compressed."""

    tar: bytes
    compression: str = "+gzip"

    @property
    def media_type(self) -> str:
        return f"application/vnd.oci.image.layer.v1.tar{self.compression}"

    @property
    def blob(self) -> bytes:
        return _COMPRESSIONS[self.compression](self.tar)


class Tar:
    """Writes an archive entry by entry; nothing is refused."""

    def __init__(self) -> None:
        self._bytes = io.BytesIO()
        self._archive = tarfile.open(fileobj=self._bytes, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115

    def add(self, name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"", **fields: object) -> Tar:
        entry = tarfile.TarInfo(name)
        entry.type = kind
        entry.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
        entry.size = len(content)
        entry.mtime = 1_700_000_000
        for key, value in fields.items():
            setattr(entry, key, value)
        self._archive.addfile(entry, io.BytesIO(content))
        return self

    def folder(self, name: str, **fields: object) -> Tar:
        return self.add(name, tarfile.DIRTYPE, **fields)

    def file(self, name: str, content: bytes = b"", **fields: object) -> Tar:
        return self.add(name, content=content, **fields)

    def link(self, name: str, target: str, **fields: object) -> Tar:
        return self.add(name, tarfile.SYMTYPE, linkname=target, **fields)

    def hard_link(self, name: str, target: str) -> Tar:
        return self.add(name, tarfile.LNKTYPE, linkname=target)

    def bytes(self) -> bytes:
        self._archive.close()
        return self._bytes.getvalue()


def layer(*names: str, compression: str = "+gzip") -> Layer:
    """Return a layer with a file of each name, which holds its own name."""
    tar = Tar()
    for name in names:
        tar.file(name, name.encode())
    return Layer(tar.bytes(), compression)


@dataclass
class LayoutSource:
    """Serves blobs and manifests by digest and counts what is asked for.

    ``pause`` holds every blob back until it is set; ``cuts`` ends the next answers after so many bytes.
    """

    folder: Path
    asked: list[tuple[str, int]] = field(default_factory=list)
    manifests_asked: list[str] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    pause: asyncio.Event | None = None
    cuts: list[int] = field(default_factory=list)
    piece: int = 1000
    refuse: dict[str, FindingCode] = field(default_factory=dict)
    """What accesses, by user name, are refused for."""

    async def manifest(self, image: ImageReference, access: PullAccess) -> Manifest:  # noqa: ARG002 - the port's
        name = image.digest or self.tags[image.reference]
        self.manifests_asked.append(name)
        content = self.path(name).read_bytes()
        return Manifest(name, json.loads(content).get("mediaType", MANIFEST), content)

    async def blob(
        self,
        image: ImageReference,  # noqa: ARG002 - the port's
        digest: str,
        access: PullAccess,
        *,
        offset: int = 0,
    ) -> AsyncIterator[bytes]:
        self.asked.append((digest, offset))
        if self.pause is not None:
            await self.pause.wait()
        if access.credential is not None and access.credential.username in self.refuse:
            raise PullRefused(Finding(self.refuse[access.credential.username]))
        content = self.path(digest).read_bytes()[offset:]
        cut = self.cuts.pop(0) if self.cuts else None
        for at in range(0, len(content), self.piece):
            if cut is not None and at >= cut:
                raise PullRefused(Finding(FindingCode.REGISTRY_RESET))
            yield content[at : at + self.piece]

    def path(self, digest: str) -> Path:
        return self.folder / digest.removeprefix("sha256:")

    def put(self, content: bytes, *, name: str = "") -> str:
        """Store a blob, if need be under a digest that is not its own."""
        name = name or digest(content)
        self.folder.mkdir(exist_ok=True)
        self.path(name).write_bytes(content)
        return name

    def put_json(self, document: object) -> str:
        return self.put(json.dumps(document).encode())

    def image(self, layers: Sequence[Layer], **changes: object) -> ImageReference:
        """Store an image; ``changes`` are to its configuration. Return the reference by digest."""
        return NAME.pinned(self.put_json(self.manifest_of(layers, **changes)))

    def manifest_of(self, layers: Sequence[Layer], **changes: object) -> dict[str, object]:
        """Store an image's blobs; return its manifest."""
        config = {
            "architecture": HERE.architecture,
            "os": HERE.os,
            "config": {"Cmd": ["/bin/true"]},
            "rootfs": {"type": "layers", "diff_ids": [digest(layer.tar) for layer in layers]},
            **changes,
        }
        return {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.descriptor(json.dumps(config).encode(), CONFIG),
            "layers": [self.descriptor(layer.blob, layer.media_type) for layer in layers],
        }

    def index(self, entries: Sequence[tuple[ImageReference, dict[str, str]]]) -> ImageReference:
        """Store an index of images by platform."""
        manifests = [
            {"mediaType": MANIFEST, "digest": image.digest, "size": 1, "platform": platform}
            for image, platform in entries
        ]
        return NAME.pinned(self.put_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}))

    def descriptor(self, content: bytes, media_type: str) -> dict[str, object]:
        """Store a blob; return what a manifest says of it."""
        return {"mediaType": media_type, "digest": self.put(content), "size": len(content)}
