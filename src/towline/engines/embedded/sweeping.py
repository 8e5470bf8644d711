"""Clearing away what monitors left: containers known to the runtime, folders with foreign owners."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
from typing import TYPE_CHECKING

import structlog

from towline.engines.embedded.monitor import inside

if TYPE_CHECKING:
    from pathlib import Path

log = structlog.get_logger("towline.engine.embedded")


class Sweeper:
    """Deletes containers from the runtime and folders from the disk.

    A normal user's containers leave files that belong to its range of ids: only in a user namespace can it
    delete them.
    """

    def __init__(self, *, run: Path, user_namespace: bool) -> None:
        self._root = run / "runtime"
        self._user_namespace = user_namespace
        self.runtime = ""

    async def clear(self, container: str) -> None:
        """Have the runtime kill and forget a container, with its control group."""
        if not self.runtime:
            log.warning("runtime.missing", container=container)
            return
        arguments = ("--root", str(self._root), "--log", "/dev/null", "delete", "--force", container)
        said = await _failure(self.runtime, *arguments)
        if said:
            log.warning("runtime.delete_failed", container=container, said=said)

    async def delete(self, folder: Path) -> None:
        """Delete a folder with everything in it; it need not exist."""
        if self._user_namespace and folder.exists():  # noqa: ASYNC240 - one look at a local disk
            said = await _inside("delete", folder)
            if said:
                log.warning("folder.delete_failed", folder=folder.name, said=said)
        else:
            await asyncio.to_thread(_delete, folder)


async def namespace_refusal(scratch: Path) -> str:
    """Return why a normal user cannot run containers on this machine; "" if it can.

    ``scratch`` is made for the trial and deleted.
    """
    await asyncio.to_thread(_delete, scratch)
    await asyncio.to_thread(scratch.mkdir, mode=0o700)
    try:
        return await _inside("probe", scratch)
    finally:
        await _inside("delete", scratch)
        await asyncio.to_thread(_delete, scratch)


async def _inside(action: str, folder: Path) -> str:
    return await _failure(sys.executable, "-I", "-S", inside.__file__, action, str(folder))


async def _failure(*command: str) -> str:
    """Run a command; return what it says when it fails, "" when it does not."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={},
    )
    _, said = await process.communicate()
    text = said.decode(errors="replace").strip().rpartition("\n")[2][:200]
    return (text or f"exit code {process.returncode}") if process.returncode != 0 else ""


def _delete(folder: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)
