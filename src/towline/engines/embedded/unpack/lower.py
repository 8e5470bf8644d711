"""The layers below the one that is unpacked, seen as an overlay shows them, through open folders only.

No link is ever followed in there: a path is walked step by step, each from an open folder.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

OPAQUE = "user.overlay.opaque"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Found(NamedTuple):
    """An entry of a lower layer: what it is, and an open folder to reach it from, to be closed."""

    status: os.stat_result
    folder: int
    name: str

    def link_target(self) -> str:
        """Return where a symbolic link points."""
        return os.readlink(self.name, dir_fd=self.folder)

    def open(self) -> int:
        """Open a regular file for reading."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        return os.open(self.name, flags, dir_fd=self.folder)


class Lower:
    """Unpacked layers, topmost first. Made before the way to their paths is cut off."""

    def __init__(self, layers: Iterable[str]) -> None:
        self._layers = [os.open(layer, _FOLDER) for layer in layers]

    def find(self, path: str) -> Found | None:
        """Return what stands at ``path``, whose folders exist in the layer above; None if nothing does."""
        steps = path.strip("/").split("/")
        folders = [os.dup(layer) for layer in self._layers]
        for step in steps[:-1]:
            below = _folders(folders, step)
            _close(folders)
            folders = below
        found = _entry(folders, steps[-1])
        _close(folder for folder in folders if found is None or folder != found.folder)
        return found


def is_whiteout(status: os.stat_result) -> bool:
    """Whether an entry only says that there is nothing."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def is_opaque(folder: int | str) -> bool:
    """Whether a folder hides what is in the folders below it."""
    try:
        return os.getxattr(folder, OPAQUE) == b"y"
    except OSError as error:
        if error.errno not in (errno.ENODATA, errno.ENOTSUP):
            raise
        return False


def _folders(folders: Sequence[int], name: str) -> list[int]:
    found: list[int] = []
    for folder in folders:
        status = _status(folder, name)
        if status is None:
            continue
        if not stat.S_ISDIR(status.st_mode):
            break
        found.append(os.open(name, _FOLDER, dir_fd=folder))
        if is_opaque(found[-1]):
            break
    return found


def _entry(folders: Sequence[int], name: str) -> Found | None:
    for folder in folders:
        status = _status(folder, name)
        if status is not None:
            return None if is_whiteout(status) else Found(status, folder, name)
    return None


def _status(folder: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _close(folders: Iterable[int]) -> None:
    for folder in folders:
        os.close(folder)
