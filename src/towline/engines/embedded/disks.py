"""Disks of this machine: a folder each, ``disks/<guid>/data``, which nobody else may look into."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from towline.domain.causes import FindingCode
from towline.domain.errors import EngineFailed
from towline.domain.findings import Finding
from towline.engines.embedded.monitor.logfile import NO_ROOM
from towline.engines.embedded.monitor.volumes import DATA, Volume

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from towline.domain.workload import Mount
    from towline.engines.embedded.sweeping import Sweeper

_BLOCK = 512
MOST_ENTRIES = 200_000
"""A disk with more files than that is not counted, as that would take too long."""


class Disks:
    """The folders of all disks. What is in ``data`` belongs to containers, and links there lead anywhere."""

    def __init__(self, root: Path, sweeper: Sweeper) -> None:
        self._root = root
        self._sweeper = sweeper

    def prepare(self) -> None:
        """Make the folder of folders."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)

    def make(self, guid: str) -> None:
        """Make a disk's folder, if it is not there; raise EngineFailed where that cannot be done."""
        try:
            (self._root / guid).mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise _failed("made", self._root / guid, error) from error

    def volume(self, mount: Mount, *, owner: Sequence[int]) -> Volume:
        """Return what a monitor is told of a mount."""
        path = tuple(mount.sub_path.split("/")) if mount.sub_path else ()
        return Volume(str(self._root / mount.disk), path, mount.uid, mount.gid, owner=tuple(owner))

    def used(self, guid: str) -> int | None:
        """Return how many bytes a disk takes; None where there is none, it is too full of files, or not ours
        to look into.
        """
        total = 0
        try:
            for count, size in enumerate(_sizes(self._root / guid / DATA)):
                total += size
                if count >= MOST_ENTRIES:
                    return None
        except OSError:
            return None
        return total

    async def delete(self, guid: str) -> None:
        """Delete a disk with all that is on it; raise EngineFailed where that cannot be done."""
        folder = self._root / guid
        try:
            await self._sweeper.delete(folder)
        except OSError as error:
            raise _failed("deleted", folder, error) from error
        if folder.exists():  # a normal user's: why is in the log
            raise _failed("deleted", folder)


def _sizes(folder: Path) -> Iterator[int]:
    """Yield what each file takes, one with several names once; no link is followed."""
    seen: set[tuple[int, int]] = set()
    for _, _, names, descriptor in os.fwalk(folder, onerror=_fail):
        yield os.fstat(descriptor).st_blocks * _BLOCK
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # what uses the disk goes on meanwhile
                known = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                if (known.st_dev, known.st_ino) not in seen:
                    yield known.st_blocks * _BLOCK
                if known.st_nlink > 1:
                    seen.add((known.st_dev, known.st_ino))


def _fail(error: OSError) -> None:
    raise error


def _failed(what: str, folder: Path, error: OSError | None = None) -> EngineFailed:
    code = FindingCode.DISK_FULL if error and error.errno in NO_ROOM else FindingCode.ENGINE_ERROR
    why = f": {error.strerror}" if error else ""
    return EngineFailed(Finding(code, f"the folder {folder} cannot be {what}{why}"))
