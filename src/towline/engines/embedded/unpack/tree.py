"""The folder that a layer becomes, in the form that overlayfs stacks: finding and clearing places in it.

Paths here are real: every folder in them was looked at and is a folder, none is a link. A link in a name
of the archive is followed by hand, and cannot lead out, as this process is shut into the layer.
A folder that the archive uses without naming it is one of a lower layer: it gets that one's owner and mode.
"""

from __future__ import annotations

import os
import shutil
import stat
from typing import TYPE_CHECKING

from towline.engines.embedded.unpack.lower import OPAQUE, is_opaque, is_whiteout
from towline.engines.embedded.unpack.refusals import LowerNeeded, Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towline.engines.embedded.unpack.lower import Found, Lower

_MOST_LINKS = 40
_MARK = ".wh."
_IMPLIED = 0o755
_CHUNK = 1 << 20


def steps_of(name: str) -> list[str]:
    """Return a name's parts below the image's root; raise Refused when it leads out of it."""
    steps = [step for step in name.split("/") if step not in ("", ".")]
    if ".." in steps or "\0" in name:
        raise Refused(f"the entry {name[:200]!r} leads out of its folder")
    if any(step.startswith(_MARK) for step in steps[:-1]):
        raise Refused(f"the entry {name[:200]!r} lies in what is marked as deleted")
    return steps


class Tree:
    """A layer while it grows. ``can_give`` says whether files may have other owners than this process."""

    def __init__(self, lower: Lower | None, *, can_give: bool) -> None:
        self.can_give = can_give
        self._lower = lower
        self._known: dict[tuple[str, ...], str] = {(): "/"}
        self._times: dict[str, int] = {}

    def folder(self, steps: Sequence[str]) -> str:
        """Return the real path, ending in a slash, of a folder named by ``steps``; it is made if missing."""
        key = tuple(steps)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._walk(list(reversed(steps)))
        return known

    def clear(self, path: str) -> None:
        """Remove what this layer had at ``path``."""
        mode = os.lstat(path).st_mode
        if stat.S_ISDIR(mode):
            shutil.rmtree(path)
            gone = [folder for folder in self._times if f"{folder}/".startswith(f"{path}/")]
            for folder in gone:
                del self._times[folder]
        else:
            os.unlink(path)
        if stat.S_ISDIR(mode) or stat.S_ISLNK(mode):
            self._known = {(): "/"}

    def make_folder(self, path: str) -> None:
        """Make a folder unless there is one; where the layer hides a lower one, it stays hidden."""
        status = self.status(path)
        if status is not None:
            if stat.S_ISDIR(status.st_mode):
                return
            self.clear(path)
        os.mkdir(path, 0o700)
        if status is not None and is_whiteout(status):
            os.setxattr(path, OPAQUE, b"y")

    def hide(self, path: str) -> None:
        """Hide whatever the lower layers have at ``path``."""
        status = self.status(path)
        if status is None:
            os.mknod(path, stat.S_IFCHR, os.makedev(0, 0))
        elif stat.S_ISDIR(status.st_mode):
            os.setxattr(path, OPAQUE, b"y")

    def status(self, path: str) -> os.stat_result | None:
        """Return what this layer has at ``path``."""
        try:
            return os.lstat(path)
        except FileNotFoundError:
            return None

    def file(self, path: str) -> None:
        """See to it that this layer has the file at ``path``, copied from a lower layer where it must be."""
        status = self.status(path)
        if status is None:
            found = self._below(path)
            if found is None:
                raise Refused(f"a hard link leads to {path[:200]!r}, which is not there")
            try:
                self._copy(found, path)
            finally:
                os.close(found.folder)
        elif stat.S_ISDIR(status.st_mode) or is_whiteout(status):
            raise Refused(f"a hard link leads to {path[:200]!r}, which is no file")

    def give(self, path: str, *, uid: int, gid: int) -> None:
        """Set a path's owner, as far as this process can; a link is not followed."""
        if self.can_give:
            os.chown(path, uid, gid, follow_symlinks=False)

    def keep_time(self, folder: str, nanoseconds: int) -> None:
        """Remember a folder's time of change: what is put into it would change it."""
        self._times[folder] = nanoseconds

    def finish(self) -> None:
        """Set the times of folders."""
        for folder, nanoseconds in reversed(self._times.items()):
            os.utime(folder, ns=(nanoseconds, nanoseconds), follow_symlinks=False)

    def _walk(self, todo: list[str]) -> str:
        """Walk steps, last first in ``todo``, from the root; follow links by hand."""
        here, links = "/", 0
        while todo:
            step = todo.pop()
            if step == "..":
                here = f"{here.rstrip('/').rpartition('/')[0]}/"
                continue
            target = self._enter(f"{here}{step}")
            if target is None:
                here = f"{here}{step}/"
                continue
            links += 1
            if links > _MOST_LINKS:
                raise Refused(f"links at {here[:200]!r} lead in circles")
            todo.extend(part for part in reversed(target.split("/")) if part not in ("", "."))
            here = "/" if target.startswith("/") else here
        return here

    def _enter(self, path: str) -> str | None:
        """Make sure that ``path`` is a folder of this layer; return a link's target where it is a link."""
        status = self.status(path)
        if status is None:
            return self._imply(path)
        if stat.S_ISLNK(status.st_mode):
            return os.readlink(path)
        if is_whiteout(status):
            self.make_folder(path)
            os.chmod(path, _IMPLIED)
        elif not stat.S_ISDIR(status.st_mode):
            raise Refused(f"an entry lies below {path[:200]!r}, which is a file")
        return None

    def _imply(self, path: str) -> str | None:
        """Make the folder at ``path`` as the lower layers have it; return a link's target where it is one."""
        found = self._below(path)
        if found is None:
            os.mkdir(path, _IMPLIED)
            return None
        try:
            if stat.S_ISLNK(found.status.st_mode):
                return found.link_target()
            os.mkdir(path, _IMPLIED)
            if stat.S_ISDIR(found.status.st_mode):
                self._describe_like(path, found.status)
                self.keep_time(path, found.status.st_mtime_ns)
        finally:
            os.close(found.folder)
        return None

    def _below(self, path: str) -> Found | None:
        """Return what the lower layers have at ``path``; raise LowerNeeded when they are not at hand."""
        parent = path.rpartition("/")[0]
        while parent:
            if is_opaque(parent):
                return None
            parent = parent.rpartition("/")[0]
        if is_opaque("/"):
            return None
        if self._lower is None:
            raise LowerNeeded(path)
        return self._lower.find(path)

    def _copy(self, found: Found, path: str) -> None:
        """Copy a lower layer's file up, with its owner, mode and time."""
        status = found.status
        if stat.S_ISLNK(status.st_mode):
            os.symlink(found.link_target(), path)
        elif stat.S_ISFIFO(status.st_mode):
            os.mkfifo(path, 0o600)
        elif stat.S_ISREG(status.st_mode):
            _copy_content(found, path)
        else:
            raise Refused(f"a hard link leads to {path[:200]!r}, which is no file")
        self._describe_like(path, status)
        os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns), follow_symlinks=False)

    def _describe_like(self, path: str, status: os.stat_result) -> None:
        self.give(path, uid=status.st_uid, gid=status.st_gid)
        if not stat.S_ISLNK(status.st_mode):
            os.chmod(path, stat.S_IMODE(status.st_mode))


def _copy_content(found: Found, path: str) -> None:
    with open(found.open(), "rb", buffering=0) as source, open(path, "xb", buffering=0) as copy:
        shutil.copyfileobj(source, copy, _CHUNK)
