"""Applying a layer's entries, one after the other, in the order of the archive.

Left out, because no image needs them: device nodes, and extended attributes other than ``user.*``
(``security.*`` would be live on the host, ``*.overlay.*`` would speak to overlayfs).
"""

from __future__ import annotations

import errno
import os
import stat
import tarfile
from typing import TYPE_CHECKING

from towline.engines.embedded.unpack.lower import OPAQUE
from towline.engines.embedded.unpack.refusals import Refused
from towline.engines.embedded.unpack.tree import steps_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from towline.engines.embedded.unpack.order import Limits
    from towline.engines.embedded.unpack.stream import TarStream
    from towline.engines.embedded.unpack.tree import Tree

_CHUNK = 1 << 20
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MARK = ".wh."
_OPAQUE_MARK = ".wh..wh..opq"
_AUFS_MARK = ".wh..wh."
"""Other names of this kind are notes that the aufs file system left; docker skips them too."""
_XATTR = "SCHILY.xattr."
_LARGEST_ID = 2**32 - 2
_LARGEST_TIME = 2**33
_NO_SUCH_ATTRIBUTES = frozenset({errno.ENOTSUP, errno.ENOSPC, errno.E2BIG, errno.ERANGE, errno.EPERM})


class _Header(tarfile.TarInfo):
    """A header that is broken in the middle of an archive is an error: tarfile takes it for the end."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> _Header:
        try:
            return super().fromtarfile(tarfile_)
        except (tarfile.EOFHeaderError, tarfile.EmptyHeaderError):  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise Refused(f"the archive is broken: {error}") from error


class Application:
    """Applies entries to a tree and counts them."""

    def __init__(self, tree: Tree, *, limits: Limits, room: int) -> None:
        self.entries = 0
        self.content = 0
        self.left_out = 0
        self._tree = tree
        self._limits = limits
        self._room = room

    def apply(self, stream: TarStream) -> None:
        """Apply the whole archive; raise Refused or LowerNeeded."""
        for entry, archive in _entries(stream):
            self.entries += 1
            if self.entries > self._limits.entries:
                raise Refused(f"the layer has more than {self._limits.entries} entries")
            self._add(entry, stream, archive)
        self._tree.finish()

    def _add(self, entry: tarfile.TarInfo, stream: TarStream, archive: tarfile.TarFile) -> None:
        steps = steps_of(entry.name)
        if not steps:
            self._root(entry)
            return
        name = steps.pop()
        if name.startswith(_MARK):
            self._mark(steps, name)
            return
        if entry.ischr() or entry.isblk():
            self.left_out += 1
            return
        path = f"{self._tree.folder(steps)}{name}"
        if entry.isdir():
            self._folder(path, entry)
        elif entry.isreg():
            self._file(path, entry, _content(entry, stream, archive))
        elif entry.issym():
            self._link(path, entry)
        elif entry.islnk():
            self._hard_link(path, entry)
        elif entry.isfifo():
            self._fifo(path, entry)
        else:
            raise Refused(f"the entry {entry.name[:200]!r} is of an unknown kind")

    def _root(self, entry: tarfile.TarInfo) -> None:
        if not entry.isdir():
            raise Refused("the image's root is not a folder")
        self._folder("/", entry)

    def _mark(self, steps: list[str], name: str) -> None:
        """Do what a whiteout says."""
        if name == _OPAQUE_MARK:
            os.setxattr(self._tree.folder(steps), OPAQUE, b"y")
        elif not name.startswith(_AUFS_MARK):
            hidden = name.removeprefix(_MARK)
            if hidden in ("", ".", ".."):
                raise Refused(f"the whiteout {name!r} names nothing")
            self._tree.hide(f"{self._tree.folder(steps)}{hidden}")

    def _folder(self, path: str, entry: tarfile.TarInfo) -> None:
        self._tree.make_folder(path)
        self._describe(path, entry)
        self._tree.keep_time(path, _time(entry))

    def _file(self, path: str, entry: tarfile.TarInfo, content: Iterator[bytes]) -> None:
        try:
            file = os.open(path, _NEW_FILE, 0o600)
        except FileExistsError:
            self._tree.clear(path)
            file = os.open(path, _NEW_FILE, 0o600)
        try:
            for piece in content:
                self._count(len(piece))
                _write(file, piece)
            self._describe(file, entry)
            when = _time(entry)
            os.utime(file, ns=(when, when))
        finally:
            os.close(file)

    def _link(self, path: str, entry: tarfile.TarInfo) -> None:
        if not entry.linkname or "\0" in entry.linkname:
            raise Refused(f"the link {entry.name[:200]!r} leads nowhere")
        self._clear(path)
        os.symlink(entry.linkname, path)
        uid, gid = _owner(entry)
        self._tree.give(path, uid=uid, gid=gid)
        when = _time(entry)
        os.utime(path, ns=(when, when), follow_symlinks=False)

    def _hard_link(self, path: str, entry: tarfile.TarInfo) -> None:
        steps = steps_of(entry.linkname)
        if not steps:
            raise Refused(f"the hard link {entry.name[:200]!r} leads to no file")
        name = steps.pop()
        target = f"{self._tree.folder(steps)}{name}"
        self._tree.file(target)
        if target != path:
            self._clear(path)
            os.link(target, path, follow_symlinks=False)

    def _fifo(self, path: str, entry: tarfile.TarInfo) -> None:
        self._clear(path)
        os.mkfifo(path, 0o600)
        self._describe(path, entry)
        when = _time(entry)
        os.utime(path, ns=(when, when))

    def _clear(self, path: str) -> None:
        if self._tree.status(path) is not None:
            self._tree.clear(path)

    def _describe(self, path: str | int, entry: tarfile.TarInfo) -> None:
        """Set owner, mode and attributes of what is no link; the owner first, as that clears setuid."""
        if self._tree.can_give:
            os.chown(path, *_owner(entry))
        os.chmod(path, stat.S_IMODE(entry.mode))
        for key, value in entry.pax_headers.items():
            if key.startswith(_XATTR):
                self._attribute(path, key.removeprefix(_XATTR), value)

    def _attribute(self, path: str | int, name: str, value: str) -> None:
        if not name.startswith("user.") or name.startswith("user.overlay."):
            self.left_out += 1
            return
        try:
            os.setxattr(path, name, value.encode("utf-8", "surrogateescape"))
        except OSError as error:
            if error.errno not in _NO_SUCH_ATTRIBUTES:
                raise
            self.left_out += 1

    def _count(self, size: int) -> None:
        self.content += size
        if self.content > self._room:
            raise Refused(f"the layer's files hold more than {self._room} bytes, far beyond its size")


def _entries(stream: TarStream) -> Iterator[tuple[tarfile.TarInfo, tarfile.TarFile]]:
    """Yield the archive's entries; none is kept, so that memory does not grow with their number."""
    try:
        archive = tarfile.TarFile(
            fileobj=stream,  # type: ignore[arg-type]  # it reads, tells and seeks forward, as a stream must
            tarinfo=_Header,
            encoding="utf-8",
            errors="surrogateescape",
        )
        while (entry := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined]  # the documented way to keep none
            if entry.size < 0:
                raise Refused(f"the entry {entry.name[:200]!r} has a size below zero")
            yield entry, archive
    except (tarfile.TarError, ValueError, OverflowError) as error:
        raise Refused(f"the archive is broken: {error}") from error


def _content(entry: tarfile.TarInfo, stream: TarStream, archive: tarfile.TarFile) -> Iterator[bytes]:
    """Yield a file's content; a sparse file's holes as zeros."""
    if entry.issparse():
        file = archive.extractfile(entry)
        while file is not None and (piece := file.read(_CHUNK)):
            yield piece
        return
    left = entry.size
    while left:
        piece = stream.read(min(left, _CHUNK))
        if not piece:
            raise Refused(f"the archive ends in the middle of {entry.name[:200]!r}")
        left -= len(piece)
        yield piece


def _owner(entry: tarfile.TarInfo) -> tuple[int, int]:
    if not (0 <= entry.uid <= _LARGEST_ID and 0 <= entry.gid <= _LARGEST_ID):
        raise Refused(f"the entry {entry.name[:200]!r} belongs to an impossible owner")
    return entry.uid, entry.gid


def _time(entry: tarfile.TarInfo) -> int:
    """Return the time of change in nanoseconds, to the last digit, brought into what file systems know."""
    seconds = max(-_LARGEST_TIME, min(entry.mtime, _LARGEST_TIME))
    exact = entry.pax_headers.get("mtime", "")
    whole, _, fraction = exact.partition(".")
    if whole.isdecimal() and int(whole) == int(seconds) and fraction.isdecimal():
        return int(whole) * 1_000_000_000 + int(fraction[:9].ljust(9, "0"))
    return int(seconds * 1_000_000_000)


def _write(file: int, piece: bytes) -> None:
    view = memoryview(piece)
    while view:
        view = view[os.write(file, view) :]
