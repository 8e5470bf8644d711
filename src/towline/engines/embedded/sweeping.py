"""Clearing away what monitors left: containers known to the runtime, folders with foreign owners."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from pathlib import Path

log = structlog.get_logger("towline.engine.embedded")


class Sweeper:
    """Deletes containers from the runtime and folders from the disk."""

    def __init__(self, *, run: Path) -> None:
        self._root = run / "runtime"
        self.runtime = ""

    async def clear(self, container: str) -> None:
        """Have the runtime kill and forget a container, with its control group."""
        process = await asyncio.create_subprocess_exec(
            self.runtime,
            "--root",
            str(self._root),
            "--log",
            "/dev/null",
            "delete",
            "--force",
            container,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await process.communicate()
        if process.returncode != 0:
            log.warning(
                "runtime.delete_failed", container=container, said=said.decode(errors="replace")[:200]
            )

    async def delete(self, folder: Path) -> None:
        """Delete a folder with everything in it; it need not exist."""
        await asyncio.to_thread(_delete, folder)


def _delete(folder: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)
