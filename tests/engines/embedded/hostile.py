"""Layers that try to reach the host, and how to see whether one did."""

from __future__ import annotations

import gzip
import os
import stat
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from oci_layout import Tar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

REFUSED = "image-refused"
CONTAINED = ""


@dataclass(frozen=True)
class Shape:
    """A layer made to harm the folder it is told, how it ends, and a layer below it where it needs one."""

    tar: Callable[[Path], Tar]
    ends: str = CONTAINED
    below: Callable[[Path], Tar] | None = None


def outside(folder: Path) -> Path:
    """Make the folder of the host that no layer may touch."""
    folder.mkdir()
    (folder / "victim").write_text("the host's own")
    (folder / "victim").chmod(0o600)
    (folder / "kept").mkdir()
    return folder


def snapshot(folder: Path) -> dict[str, object]:
    """Return all that could be harmed."""
    return {str(path): _state(path) for path in (folder, *folder.rglob("*"))}


def _state(path: Path) -> tuple[object, ...]:
    status = path.lstat()
    content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
    names = os.listxattr(path, follow_symlinks=False)
    return content, names, status.st_mode, status.st_uid, status.st_nlink, status.st_mtime_ns


def _up(folder: Path) -> str:
    """Return a relative way to a folder of the host that is long enough from anywhere."""
    return "../" * 40 + str(folder).lstrip("/")


SHAPES: dict[str, Shape] = {
    "a name with ..": Shape(lambda host: Tar().file(_up(host / "new"), b"x"), REFUSED),
    "a name with .. further in": Shape(lambda _: Tar().folder("a").file("a/../../new", b"x"), REFUSED),
    "an absolute name": Shape(lambda host: Tar().file(str(host / "victim"), b"x")),
    "a file through an absolute link": Shape(lambda host: Tar().link("l", str(host)).file("l/victim", b"x")),
    "a file through a relative link": Shape(lambda host: Tar().link("l", _up(host)).file("l/victim", b"x")),
    "a file through two links": Shape(
        lambda host: Tar().link("a", "b").link("b", str(host)).file("a/victim", b"x")
    ),
    "a file through a link of a lower layer": Shape(
        lambda _: Tar().file("l/victim", b"x"), below=lambda host: Tar().link("l", str(host))
    ),
    "a file over a link": Shape(lambda host: Tar().link("l", str(host / "victim")).file("l", b"x")),
    "a folder over a link": Shape(
        lambda host: Tar().link("l", str(host)).folder("l", mode=0o777, uid=1).file("l/victim", b"x")
    ),
    "a hard link to an absolute name": Shape(
        lambda host: Tar().hard_link("h", str(host / "victim")).file("h", b"x"), REFUSED
    ),
    "a hard link with ..": Shape(
        lambda host: Tar().hard_link("h", _up(host / "victim")).file("h", b"x"), REFUSED
    ),
    "a hard link through a link": Shape(
        lambda host: Tar().link("l", str(host)).hard_link("h", "l/victim").file("h", b"x"), REFUSED
    ),
    "a hard link to a link": Shape(
        lambda host: Tar().link("l", str(host / "victim")).hard_link("h", "l").file("h", b"x")
    ),
    "a hard link through a link of a lower layer": Shape(
        lambda _: Tar().hard_link("h", "l/victim").file("h", b"x"),
        REFUSED,
        below=lambda host: Tar().link("l", str(host)),
    ),
    "a whiteout through a link": Shape(lambda host: Tar().link("l", str(host)).file("l/.wh.victim")),
    "an opaque mark through a link": Shape(lambda host: Tar().link("l", str(host)).file("l/.wh..wh..opq")),
    "a whiteout of the folder above": Shape(lambda _: Tar().folder("a").file("a/.wh..."), REFUSED),
    "a whiteout of the folder itself": Shape(lambda _: Tar().file(".wh.."), REFUSED),
    "a whiteout of nothing": Shape(lambda _: Tar().file(".wh."), REFUSED),
    "a name below a whiteout": Shape(lambda _: Tar().file("a/.wh.b/c", b"x"), REFUSED),
    "links in a circle": Shape(lambda _: Tar().link("a", "b").link("b", "a").file("a/c", b"x"), REFUSED),
    "a device of the host's disk": Shape(
        lambda _: Tar().add("disk", tarfile.BLKTYPE, devmajor=8, devminor=0, mode=0o666)
    ),
    "a device of the host's memory": Shape(
        lambda _: Tar().add("mem", tarfile.CHRTYPE, devmajor=1, devminor=1, mode=0o666)
    ),
    "a forged whiteout device": Shape(lambda _: Tar().add("null", tarfile.CHRTYPE, devmajor=0, devminor=0)),
    "attributes of overlayfs": Shape(
        lambda _: Tar().folder(
            "a",
            pax_headers={
                f"SCHILY.xattr.{space}.overlay.{name}": "y"
                for space in ("user", "trusted")
                for name in ("opaque", "redirect", "metacopy")
            },
        )
    ),
    "attributes that give powers": Shape(
        lambda _: Tar().file("a", b"x", pax_headers={"SCHILY.xattr.security.capability": "\1\0\0\2"})
    ),
    "an owner that cannot be": Shape(lambda _: Tar().file("a", pax_headers={"uid": str(2**40)}), REFUSED),
    "a name with a zero byte": Shape(lambda _: Tar().file("x", pax_headers={"path": "a\0b"}), REFUSED),
    "a file as the root": Shape(lambda _: Tar().file("."), REFUSED),
    "a link as the root": Shape(lambda host: Tar().link("./", str(host)), REFUSED),
    "an entry below a file": Shape(lambda _: Tar().file("a").file("a/b"), REFUSED),
    "a name too long to be": Shape(lambda _: Tar().file("a" * 300), REFUSED),
    "an unknown kind of entry": Shape(lambda _: Tar().add("a", b"Z"), REFUSED),
}


def forbidden(folder: Path) -> list[str]:
    """Return what no unpacked layer may hold: devices, and attributes that the kernel heeds."""
    found = []
    for path in folder.rglob("*"):
        status = path.lstat()
        if stat.S_ISBLK(status.st_mode) or (stat.S_ISCHR(status.st_mode) and status.st_rdev):
            found.append(f"device {path}")
        names = os.listxattr(path, follow_symlinks=False)
        values = [name for name in names if name != "user.overlay.opaque"]
        found += [f"{name} of {path}" for name in values if "overlay" in name or not name.startswith("user.")]
    return found


def packed(tar: Tar) -> tuple[bytes, bytes]:
    """Return an archive, and it compressed."""
    content = tar.bytes()
    return content, gzip.compress(content, 1)
