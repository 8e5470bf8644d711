"""OCI layouts made in pure Python from the distribution's static busybox."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import tarfile
from pathlib import Path

from parts.require import require

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"

APPLETS = ("sh", "sleep", "date", "echo", "env", "cat", "true", "false")


def busybox_layout(
    folder: Path,
    *,
    command: tuple[str, ...],
    architectures: tuple[str, ...] = ("amd64",),
    indexed: bool = False,
) -> Path:
    """Write an image that runs ``command`` as an OCI layout; with ``indexed`` as a multi-platform index."""
    require("busybox")
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    layer = _layer()
    manifests = [_manifest(blobs, layer, architecture, command) for architecture in architectures]
    top = manifests[0]
    if indexed:
        document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}
        top = _kept(blobs, json.dumps(document).encode(), INDEX)
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [top]}))
    return folder


def _manifest(blobs: Path, layer: bytes, architecture: str, command: tuple[str, ...]) -> dict[str, object]:
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Cmd": list(command), "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
    }
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": _kept(blobs, json.dumps(config).encode(), CONFIG),
        "layers": [_kept(blobs, gzip.compress(layer, mtime=0), LAYER)],
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


def _kept(blobs: Path, content: bytes, media_type: str) -> dict[str, object]:
    digest = _digest(content)
    (blobs / digest.removeprefix("sha256:")).write_bytes(content)
    return {"mediaType": media_type, "digest": digest, "size": len(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
