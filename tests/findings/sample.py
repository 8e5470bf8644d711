"""The sample image that scripted registries serve, and the placeholders by which cases name its parts.

In paths, headers and bodies ``@config`` stands for the digest of the part ``config``, and so on.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import tarfile
from dataclasses import dataclass
from typing import Any

_OCI = "application/vnd.oci.image"
_DOCKER = "application/vnd.docker"
_NAMES = re.compile(r"@([a-z0-9]+(?:-[a-z0-9]+)*)")


@dataclass(frozen=True)
class Part:
    """A blob or manifest with its media type."""

    kind: str
    content: bytes

    @property
    def digest(self) -> str:
        return f"sha256:{hashlib.sha256(self.content).hexdigest()}"

    def descriptor(self, **more: Any) -> dict[str, Any]:
        """Return how a manifest names this part."""
        return {"mediaType": self.kind, "digest": self.digest, "size": len(self.content), **more}


def _json(kind: str, document: dict[str, Any]) -> Part:
    return Part(kind, json.dumps(document, indent=1).encode())


def _layer() -> Part:
    content = b"hello\n"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        entry = tarfile.TarInfo("hello.txt")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return Part(f"{_OCI}.layer.v1.tar+gzip", gzip.compress(packed.getvalue(), mtime=0))


def _config(architecture: str, variant: str = "") -> Part:
    plain = hashlib.sha256(gzip.decompress(_LAYER.content)).hexdigest()
    named = {"os": "linux", "architecture": architecture} | ({"variant": variant} if variant else {})
    layers = {"type": "layers", "diff_ids": [f"sha256:{plain}"]}
    return _json(f"{_OCI}.config.v1+json", {**named, "config": {"Cmd": ["/hello"]}, "rootfs": layers})


def _manifest(config: Part, *layers: Part, kind: str = f"{_OCI}.manifest.v1+json") -> Part:
    body = {"config": config.descriptor(), "layers": [layer.descriptor() for layer in layers]}
    return _json(kind, {"schemaVersion": 2, "mediaType": kind, **body})


def _docker_manifest() -> Part:
    config = Part(f"{_DOCKER}.container.image.v1+json", _CONFIG.content)
    layer = Part(f"{_DOCKER}.image.rootfs.diff.tar.gzip", _LAYER.content)
    return _manifest(config, layer, kind=f"{_DOCKER}.distribution.manifest.v2+json")


def _by_an_old_pusher() -> Part:
    return _manifest(Part("application/octet-stream", _CONFIG.content), _LAYER)


def _lone(part: Part) -> Part:
    """Return an index whose one entry names no platform."""
    kind = f"{_OCI}.index.v1+json"
    return _json(kind, {"schemaVersion": 2, "mediaType": kind, "manifests": [part.descriptor()]})


def _index(*offers: tuple[Part, dict[str, str]], kind: str = f"{_OCI}.index.v1+json") -> Part:
    listed = [part.descriptor(platform=platform) for part, platform in offers]
    return _json(kind, {"schemaVersion": 2, "mediaType": kind, "manifests": listed})


_LAYER = _layer()
_CONFIG = _config("amd64")
_CONFIG_ARM64 = _config("arm64", "v8")
_MANIFEST = _manifest(_CONFIG, _LAYER)
_MANIFEST_ARM64 = _manifest(_CONFIG_ARM64, _LAYER)
_AMD64 = {"os": "linux", "architecture": "amd64"}
_ARM64 = {"os": "linux", "architecture": "arm64", "variant": "v8"}
_UNKNOWN = {"os": "unknown", "architecture": "unknown"}
_WINDOWS = {"os": "windows", "architecture": "amd64", "os.version": "10.0.20348.2700"}
_ARMV6 = {"os": "linux", "architecture": "arm", "variant": "v6"}
_AMD64_V3 = {"os": "linux", "architecture": "amd64", "variant": "v3"}
_CONFIG_ARMV6 = _config("arm", "v6")
_MANIFEST_ARMV6 = _manifest(_CONFIG_ARMV6, _LAYER)
_CHART = Part("application/vnd.cncf.helm.config.v1+json", b'{"name": "chart", "version": "1.0.0"}')

PARTS = {
    "layer": _LAYER,
    "config": _CONFIG,
    "config-arm64": _CONFIG_ARM64,
    "manifest": _MANIFEST,
    "manifest-arm64": _MANIFEST_ARM64,
    "manifest-docker": _docker_manifest(),
    "index": _index((_MANIFEST, _AMD64), (_MANIFEST_ARM64, _ARM64)),
    "index-amd64": _index((_MANIFEST, _AMD64), (_MANIFEST, _UNKNOWN)),
    "index-arm64": _index((_MANIFEST_ARM64, _ARM64)),
    "list-docker": _index((_docker_manifest(), _AMD64), kind=f"{_DOCKER}.distribution.manifest.list.v2+json"),
    "config-armv6": _CONFIG_ARMV6,
    "manifest-armv6": _MANIFEST_ARMV6,
    "index-armv6": _index((_MANIFEST_ARMV6, _ARMV6)),
    "index-amd64v3": _index((_MANIFEST, _AMD64_V3)),
    "index-windows": _index((_MANIFEST, _WINDOWS)),
    "manifest-octets": _by_an_old_pusher(),
    "index-lone": _lone(_MANIFEST),
    "index-lone-arm64": _lone(_MANIFEST_ARM64),
    "index-attestation": _index((_MANIFEST, _UNKNOWN)),
    "chart-config": _CHART,
    "chart": _manifest(_CHART, _LAYER),
    "schema1": _json(
        f"{_DOCKER}.distribution.manifest.v1+prettyjws",
        {"schemaVersion": 1, "name": "team/app", "tag": "1.0", "architecture": "amd64", "fsLayers": []},
    ),
}


def filled(text: str) -> str:
    """Return ``text`` with the digests of the parts it names."""
    return _NAMES.sub(lambda found: PARTS[found[1]].digest if found[1] in PARTS else found[0], text)
