"""Pulls an image and runs it, both sides of the engine together; as a program it does so as its own user.

``pull_and_run_lab.py FOLDER`` prints the container's log and what was left, as a line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from oci_layout import ACCESS, LayoutSource, Tar
from oci_layout import Layer as TarLayer

from towline.domain.package import RestartPolicy
from towline.domain.workload import Fact, ReplicaState, Workload, WorkloadExecutable
from towline.engines.embedded import machine
from towline.engines.embedded.engine import EmbeddedEngine
from towline.engines.embedded.puller import Puller

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from towline.domain.image import ImageReference

BUSYBOX = Path("/bin/busybox")
GUID = "dep-test"
PATIENCE = 60
SCRIPT = "id -u; cat /etc/kept; ls /var; cat /copied; stat -c %a /tmp; ls /etc"


def image(source: LayoutSource) -> ImageReference:
    """Store an image that needs every kind of layer to be right."""
    lowest = Tar().folder("bin").file("bin/busybox", BUSYBOX.read_bytes(), mode=0o755)
    for command in ("sh", "id", "cat", "ls", "stat"):
        lowest.hard_link(f"bin/{command}", "bin/busybox")
    lowest.folder("etc").file("etc/passwd", b"app:x:1000:1000::/:/bin/sh\n").file("etc/kept", b"kept\n")
    lowest.file("etc/gone").folder("var").file("var/hidden").folder("tmp", mode=0o1777).file(
        "original", b"copy\n"
    )
    middle = Tar().folder("etc").file("etc/.wh.gone").folder("var").file("var/.wh..wh..opq").file("var/shown")
    highest = Tar().hard_link("copied", "original").file("tmp/new")
    layers = [
        TarLayer(lowest.bytes(), "+zstd"),
        TarLayer(middle.bytes(), "+gzip"),
        TarLayer(highest.bytes(), ""),
    ]
    run = {"Entrypoint": ["/bin/sh", "-c"], "Cmd": [SCRIPT], "User": "app"}
    return source.image(layers, config=run, architecture=machine.platform().architecture)


async def pull_and_run(folder: Path) -> dict[str, object]:
    """Return the container's log by words, whether progress was told, and the layers that were left."""
    source = LayoutSource(folder / "source", piece=1 << 16)
    platform, host = machine.platform(), machine.host()
    puller = await Puller.open(
        folder / "engine" / "images", source=source, platform=platform, user_namespace=host.user_namespace
    )
    engine = EmbeddedEngine(
        folder / "engine",
        run=folder / "run",
        images=puller,
        platform=platform,
        host=host,
        clock=lambda: datetime.now(UTC),
    )
    await engine.start()
    facts = engine.observe()
    workload = Workload(
        GUID,
        "test",
        "project-test",
        generation=1,
        executables=(WorkloadExecutable("main", image(source), ACCESS),),
        restart=RestartPolicy.NEVER,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            await engine.apply(workload)
            seen = await until_exited(facts)
        log = b"".join([chunk async for chunk in engine.logs(GUID, "main")]).decode().split()
    finally:
        await engine.remove(GUID)
        await engine.close()
        await puller.close()
    told = any(fact.layers and all(layer.unpacked for layer in fact.layers) for fact in seen)
    left = [path.name for path in (folder / "engine" / "images" / "layers").iterdir()]
    return {"log": log, "told": told, "left": left}


async def until_exited(facts: AsyncIterator[Fact]) -> list[Fact]:
    seen = []
    async for fact in facts:
        seen.append(fact)
        if fact.state is ReplicaState.EXITED:
            break
    return seen


if __name__ == "__main__":
    place = Path(sys.argv[1])
    place.mkdir()
    sys.stdout.write(f"{json.dumps(asyncio.run(pull_and_run(place)))}\n")
