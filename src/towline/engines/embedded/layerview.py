"""Reading a small file of an image through its unpacked layers, as an overlay would show it.

Layers are hostile: every step of a path is looked at without following links, and links are resolved
by hand inside the image, so that none leads to the host. Whiteouts (character device 0:0) and opaque
folders (``user.overlay.opaque``) hide what lies below, see Documentation/filesystems/overlayfs.rst.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_LINKS = 40
_OPAQUE = "user.overlay.opaque"


def read_text(layers: Sequence[Path], path: str, *, most: int = 1 << 20) -> str:
    """Return the text of ``path`` in the image of these layers, bottom first; "" when it is no file there."""
    found = _resolve(layers, path)
    if found is None:
        return ""
    descriptor = os.open(found, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(most).decode(errors="replace")


def _resolve(layers: Sequence[Path], path: str) -> Path | None:
    """Return where the regular file lies that ``path`` means; None when there is none."""
    todo = [step for step in reversed(path.split("/")) if step]
    trail = [list(reversed(layers))]
    links = 0
    while todo:
        step = todo.pop()
        if step == ".":
            continue
        if step == "..":
            trail = trail[:-1] or trail
            continue
        places = _step(trail[-1], step)
        if not places:
            return None
        mode = places[0].lstat().st_mode
        if stat.S_ISLNK(mode):
            links += 1
            target = str(places[0].readlink())
            if links > _MOST_LINKS:
                return None
            todo.extend(part for part in reversed(target.split("/")) if part)
            trail = trail[:1] if target.startswith("/") else trail
            continue
        if stat.S_ISDIR(mode):
            trail.append(places)
            continue
        return places[0] if stat.S_ISREG(mode) and not todo else None
    return None


def _step(folders: Sequence[Path], name: str) -> list[Path]:
    """Return the layers' entries of that name, topmost first: one for a file, several for a merged folder."""
    found: list[Path] = []
    for folder in folders:
        entry = folder / name
        try:
            status = entry.lstat()
        except FileNotFoundError:
            continue
        if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
            break
        if not stat.S_ISDIR(status.st_mode):
            return found or [entry]
        found.append(entry)
        if _is_opaque(entry):
            break
    return found


def _is_opaque(folder: Path) -> bool:
    try:
        return os.getxattr(folder, _OPAQUE, follow_symlinks=False) == b"y"
    except OSError:  # no such attribute, or a file system without any: nothing is hidden
        return False
