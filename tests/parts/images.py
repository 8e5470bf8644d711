"""OCI layouts made in pure Python from the distribution's static busybox."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import shutil
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from parts.require import require

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"

STOP_SIGNAL = "SIGKILL"
"""A shell that is process 1 takes no other: ending it would last as long as the grace."""

APPLETS = ("sh", "sleep", "date", "echo", "env", "cat", "true", "false")


def busybox_layout(
    folder: Path,
    *,
    command: tuple[str, ...],
    architectures: tuple[str, ...] = ("amd64",),
    indexed: bool = False,
    ballast: tuple[int, ...] = (),
) -> Path:
    """Write an image that runs ``command`` as an OCI layout; with ``indexed`` as a multi-platform index.

    ``ballast`` adds layers of so many random bytes.
    """
    require("busybox")
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    layers = (_layer(), *(_random_layer(number, size) for number, size in enumerate(ballast)))
    manifests = [_manifest(blobs, layers, architecture, command) for architecture in architectures]
    top = manifests[0]
    if indexed:
        document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}
        top = _kept(blobs, json.dumps(document).encode(), INDEX)
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [top]}))
    return folder


def folders_layout(folder: Path, folders: Sequence[Path], *, config: Mapping[str, object]) -> Path:
    """Write an image of one layer for each folder, owned by root, as an OCI layout."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    layers = [_packed(each) for each in folders]
    document = {
        "architecture": "amd64",
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer) for layer in layers]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": _kept(blobs, json.dumps(document).encode(), CONFIG),
        "layers": [_kept(blobs, gzip.compress(layer, mtime=0), LAYER) for layer in layers],
    }
    kept = _kept(blobs, json.dumps(manifest).encode(), MANIFEST)
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [kept]}))
    return folder


def _packed(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for each in sorted(folder.iterdir()):
            tar.add(each, each.name, filter=_of_root)
    return buffer.getvalue()


def _of_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = entry.mtime = 0
    return entry


def _manifest(
    blobs: Path, layers: tuple[bytes, ...], architecture: str, command: tuple[str, ...]
) -> dict[str, object]:
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Cmd": list(command), "Env": ["PATH=/bin"], "StopSignal": STOP_SIGNAL},
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer) for layer in layers]},
    }
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": _kept(blobs, json.dumps(config).encode(), CONFIG),
        "layers": [_kept(blobs, gzip.compress(layer, mtime=0), LAYER) for layer in layers],
    }
    kept = _kept(blobs, json.dumps(document).encode(), MANIFEST)
    return {**kept, "platform": {"os": "linux", "architecture": architecture}}


def _layer() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        found = shutil.which("busybox")
        tar.add(Path(str(found)).resolve(), "bin/busybox")
        for applet in APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    return buffer.getvalue()


def _random_layer(number: int, size: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        ballast = tarfile.TarInfo(f"ballast/{number}")
        ballast.size = size
        tar.addfile(ballast, io.BytesIO(random.Random(number).randbytes(size)))
    return buffer.getvalue()


def _kept(blobs: Path, content: bytes, media_type: str) -> dict[str, object]:
    digest = _digest(content)
    (blobs / digest.removeprefix("sha256:")).write_bytes(content)
    return {"mediaType": media_type, "digest": digest, "size": len(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
