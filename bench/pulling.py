"""Pulling a large image: download and verification against ``skopeo copy`` from the same registry."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
import subprocess
import tarfile
import time
from typing import Any

from demo import place, registry

from bench.table import at_most, row
from towline.domain.credential import Credential, Password
from towline.domain.image import ImageReference
from towline.domain.proof import Platform
from towline.domain.registry import RegistrySettings
from towline.domain.workload import PullAccess
from towline.engines.embedded.content import ContentStore
from towline.engines.embedded.layers import LayerStore
from towline.engines.embedded.manifest import Descriptor
from towline.engines.embedded.puller import Puller
from towline.engines.embedded.supply import Supply
from towline.registry import Registry

LAYERS = 7
LAYER_BYTES = 60 << 20
REPOSITORY = "bench/large"


def compare(private: registry.Registry) -> None:
    """Push an image of seven layers and pull it with both, turn by turn, cold each time."""
    if shutil.which("skopeo") is None:
        row("pull + verify against skopeo copy", "<= 0.8 x", "skopeo is not installed")
        return
    manifest = push(private)
    image = ImageReference.parse(f"{private.address}/{REPOSITORY}:1")
    settings = RegistrySettings(private.address, plain_http=True)
    access = PullAccess(settings, Credential(registry.USER, Password(private.password)), plain_http=True)
    ours, theirs = [], []
    for _ in range(5):
        theirs.append(_skopeo(image, private))
        ours.append(asyncio.run(_download(image, access, manifest)))
    size = sum(each["size"] for each in manifest["layers"]) / 1e6
    row(f"skopeo copy, {size:.0f} MB in {LAYERS} layers", "-", f"{min(theirs):.2f} s")
    row("the same by the embedded engine: download + verify", "-", f"{min(ours):.2f} s")
    at_most("pull + verify: against skopeo copy", 0.8, min(ours) / min(theirs), unit="x", digits=2)
    row("the same with unpacking", "-", f"{asyncio.run(_whole(image, access)):.2f} s")


async def _download(image: ImageReference, access: PullAccess, manifest: dict[str, Any]) -> float:
    root = place.FOLDER / "download"
    root.mkdir()
    room = Registry()
    content = ContentStore(root)
    await asyncio.to_thread(content.open)
    supply = Supply(room.source, content=content, layers=LayerStore(root, user_namespace=False))
    wanted = [Descriptor(each["mediaType"], each["digest"], each["size"]) for each in manifest["layers"]]
    began = time.perf_counter()
    await asyncio.gather(*(supply.blob(each, image, access) for each in wanted))
    took = time.perf_counter() - began
    await room.close()
    content.close()
    shutil.rmtree(root)
    return took


async def _whole(image: ImageReference, access: PullAccess) -> float:
    root = place.FOLDER / "whole"
    root.mkdir()
    room = Registry()
    here = Platform("linux", registry.architecture())
    puller = await Puller.open(root, source=room.source, platform=here, user_namespace=os.geteuid() != 0)
    began = time.perf_counter()
    await puller.pull(image, access, progress=lambda _: None)
    took = time.perf_counter() - began
    await puller.close()
    await room.close()
    shutil.rmtree(root)
    return took


def _skopeo(image: ImageReference, private: registry.Registry) -> float:
    target = place.FOLDER / "skopeo"
    login = place.FOLDER / "skopeo-auth.json"
    login.write_text(json.dumps({"auths": {private.address: {"auth": registry.basic(private)}}}))
    words = ["skopeo", "copy", "-q", "--src-tls-verify=false", "--authfile", str(login)]
    began = time.perf_counter()
    subprocess.run([*words, f"docker://{image}", f"oci:{target}:1"], check=True, stdout=subprocess.DEVNULL)
    took = time.perf_counter() - began
    shutil.rmtree(target)
    return took


def push(private: registry.Registry) -> dict[str, Any]:
    """Push the large image ; return its manifest."""
    layers = [_layer(number) for number in range(LAYERS)]
    return registry.push(private, REPOSITORY, "1", layers, level=1)


def _layer(number: int) -> bytes:
    """Return a tar of random files: compression gains nothing on them, as on most programs' data."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for part in range(6):
            content = os.urandom(LAYER_BYTES // 6)
            entry = tarfile.TarInfo(f"layer-{number}/{part}.bin")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
