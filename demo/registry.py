"""A private registry on loopback, with a password, and a small image in it."""

from __future__ import annotations

import base64
import gzip
import hashlib
import http.client
import io
import json
import platform
import socket
import struct
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo import place

USER = "robot"
REPOSITORY = "team/hello"

_LOOP = 'trap "exit 0" TERM; while :; do echo "hello from a private image, $(date)"; sleep 1 & wait $!; done'
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}
_CONFIG = """\
version: 0.1
log: {{level: warn}}
storage: {{filesystem: {{rootdirectory: {storage}}}}}
http: {{addr: "127.0.0.1:{port}"}}
auth: {{htpasswd: {{realm: demo, path: {htpasswd}}}}}
"""


@dataclass(frozen=True)
class Registry:
    """Where the registry is, and its password."""

    port: int
    password: str

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def image(self) -> str:
        return f"{self.address}/{REPOSITORY}:1.0"


def run(password: str) -> Registry:
    """Start the registry and push the image; return where it is."""
    registry = Registry(free_port(), password)
    htpasswd = subprocess.run(
        [place.program("htpasswd"), "-Bin", USER], input=password.encode(), capture_output=True, check=True
    )
    (place.FOLDER / "htpasswd").write_bytes(htpasswd.stdout)
    config = place.FOLDER / "registry.yml"
    storage, passwords = place.FOLDER / "registry", place.FOLDER / "htpasswd"
    config.write_text(_CONFIG.format(storage=storage, port=registry.port, htpasswd=passwords))
    place.start("registry", [place.program("docker-registry"), "serve", str(config)])
    place.wait_for("the registry", lambda: _status(registry, "GET", "/v2/", b"", {}) == 200 or None)
    push(registry, REPOSITORY, "1.0", [_layer()], command=["sh", "-c", _LOOP])
    return registry


def free_port() -> int:
    """Return a port of the loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def push(
    registry: Registry,
    repository: str,
    tag: str,
    layers: Sequence[bytes],
    *,
    command: Sequence[str] = (),
    level: int = 9,
) -> dict[str, Any]:
    """Push an image of these tars, compressed with gzip's ``level``; return its manifest."""
    config = _config(layers, command)
    described = []
    for layer in layers:
        packed = gzip.compress(layer, compresslevel=level, mtime=0)
        _upload(registry, repository, packed)
        described.append(_descriptor(packed, "application/vnd.oci.image.layer.v1.tar+gzip"))
    _upload(registry, repository, config)
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": _descriptor(config, "application/vnd.oci.image.config.v1+json"),
        "layers": described,
    }
    headers = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}
    path = f"/v2/{repository}/manifests/{tag}"
    status = _status(registry, "PUT", path, json.dumps(manifest).encode(), headers)
    if status != 201:
        raise place.DemoFailed(f"the registry answered {status} to the image's manifest")
    return manifest


def basic(registry: Registry) -> str:
    """Return the docker authorization token of the registry's login."""
    return base64.b64encode(f"{USER}:{registry.password}".encode()).decode()


def architecture() -> str:
    """Return this machine's processor as images name it."""
    machine = platform.machine()
    return _MACHINES.get(machine, machine)


def _layer() -> bytes:
    """Return a tar with a static busybox and links to it."""
    busybox = Path(place.program("busybox")).resolve()
    if _has_interpreter(busybox.read_bytes()):
        raise place.Unfit("busybox is not static here: sudo apt-get install busybox-static")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add(busybox, "bin/busybox")
        for applet in ("sh", "sleep", "date", "echo", "env", "ls", "cat"):
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    return buffer.getvalue()


def _has_interpreter(program: bytes) -> bool:
    """Whether an ELF program needs a dynamic linker: it has a program header of type PT_INTERP (3)."""
    wide, order = program[4] == 2, "<" if program[5] == 1 else ">"
    start, size, count = (
        struct.unpack_from(f"{order}Q", program, 32)[0]
        if wide
        else struct.unpack_from(f"{order}I", program, 28)[0],
        *struct.unpack_from(f"{order}HH", program, 54 if wide else 42),
    )
    kinds = (struct.unpack_from(f"{order}I", program, start + size * at)[0] for at in range(count))
    return 3 in kinds


def _config(layers: Sequence[bytes], command: Sequence[str]) -> bytes:
    return json.dumps(
        {
            "architecture": architecture(),
            "os": "linux",
            "config": {"Cmd": list(command), "Env": ["PATH=/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer) for layer in layers]},
        }
    ).encode()


def _upload(registry: Registry, repository: str, blob: bytes) -> None:
    status, location = _ask(registry, "POST", f"/v2/{repository}/blobs/uploads/", b"", {})
    if status != 202:
        raise place.DemoFailed(f"the registry answered {status} to an upload")
    path = "/" + location.split("/", 3)[3]
    target = f"{path}{'&' if '?' in path else '?'}digest={_digest(blob)}"
    status = _status(registry, "PUT", target, blob, {"Content-Type": "application/octet-stream"})
    if status != 201:
        raise place.DemoFailed(f"the registry answered {status} to a blob")


def _status(registry: Registry, method: str, path: str, body: bytes, headers: dict[str, str]) -> int:
    return _ask(registry, method, path, body, headers)[0]


def _ask(registry: Registry, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", registry.port, timeout=20)
    try:
        connection.request(method, path, body, {"Authorization": f"Basic {basic(registry)}", **headers})
        answer = connection.getresponse()
        answer.read()
    except ConnectionRefusedError:
        return 0, ""
    finally:
        connection.close()
    return answer.status, answer.headers.get("Location", "")


def _descriptor(content: bytes, media_type: str) -> dict[str, object]:
    return {"mediaType": media_type, "digest": _digest(content), "size": len(content)}


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
