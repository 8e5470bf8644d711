"""An embedded engine with a tiny image; as a program it is one that a test can kill.

``engine_lab.py FOLDER USER SCRIPT`` starts the engine, runs SCRIPT as the image's USER with a probe that
touches /dev/shm/asked and with a disk at /data, prints a line of JSON for every fact, and ends when its
standard input does; with ``--remove`` it removes the container and the disk first.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1]))
from parts import layers
from towline.domain.credential import Password
from towline.domain.image import ImageReference
from towline.domain.package import LivenessProbe, RestartPolicy
from towline.domain.registry import RegistrySettings
from towline.domain.workload import Mount, PullAccess, Workload, WorkloadExecutable
from towline.engines.embedded import machine
from towline.engines.embedded.engine import EmbeddedEngine

GUID = "dep-test"
DISK = "disk-lab"
SHELL = ("/bin/sh", "-c")

_OF_WORKLOAD = ("generation", "replicas", "restart", "exclusive", "stop_seconds")


class EmbeddedLab:
    """Makes engines on one folder, and workloads for them."""

    def __init__(self, root: Path, *, user: str = "app", log_bytes: int = 10 << 20) -> None:
        self.root = root
        self.images = layers.LayerImages(root / "image", user=user) if not (root / "image").exists() else None
        self.engine = self.another(log_bytes=log_bytes)

    def another(self, *, log_bytes: int = 10 << 20) -> EmbeddedEngine:
        """Return an engine on the same folders."""
        if self.images is None:
            raise RuntimeError("the image belongs to another lab")
        return EmbeddedEngine(
            self.root / "data",
            run=self.root / "run",
            images=self.images,
            platform=machine.platform(),
            host=machine.host(),
            clock=lambda: datetime.now(UTC),
            log_bytes=log_bytes,
        )

    def workload(self, script: str, **changes: Any) -> Workload:
        """Return a workload that runs a shell script in the image."""
        return workload(script, **changes)


def workload(script: str, **changes: Any) -> Workload:
    """Return a workload that runs a shell script, with changes to itself or its executable."""
    own = {name: changes.pop(name) for name in _OF_WORKLOAD if name in changes}
    if "environment" in changes:
        changes["environment"] = {name: Password(value) for name, value in changes["environment"].items()}
    executable = WorkloadExecutable(
        "main",
        ImageReference.parse(changes.pop("image", layers.IMAGE)),
        PullAccess(RegistrySettings.default("registry.test")),
        entrypoint=changes.pop("entrypoint", SHELL),
        command=changes.pop("command", (script,) if script else ()),
    )
    settings = {"generation": 1, "restart": RestartPolicy.ALWAYS, "stop_seconds": 5, **own}
    return Workload(GUID, "test", "project-test", executables=(replace(executable, **changes),), **settings)


async def _main(folder: str, user: str, script: str, *, remove: bool) -> None:
    lab = EmbeddedLab(Path(folder), user=user)
    await lab.engine.start()
    facts = lab.engine.observe()
    probe = LivenessProbe(command=("touch", "/dev/shm/asked"))
    mounts = (Mount(DISK, "/data", sub_path="own"),)
    await lab.engine.apply(lab.workload(script, restart=RestartPolicy.NEVER, probe=probe, mounts=mounts))
    _say(started=[str(fact.started_at) for fact in await lab.engine.inventory()])
    if remove:
        async for fact in facts:
            if fact.exit_code is not None:
                break
        log = [chunk.decode() async for chunk in lab.engine.logs(GUID, "main")]
        await lab.engine.remove(GUID)
        await lab.engine.delete_disk(DISK)
        _say(exit_code=fact.exit_code, log="".join(log))
    else:
        await asyncio.to_thread(sys.stdin.read)
    await lab.engine.close()


def _say(**words: object) -> None:
    sys.stdout.write(f"{json.dumps(words)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    arguments = [argument for argument in sys.argv[1:] if argument != "--remove"]
    asyncio.run(_main(*arguments, remove="--remove" in sys.argv))
