"""A container's root file system and bundle, in a mount namespace of the monitor's own.

The root is an overlay of the image's layers below a writable folder. Nothing of this is visible
outside, and all of it is gone with the monitor. The bundle lies on a tmpfs, so that the environment's
values, which the runtime wants in ``config.json``, are never on a disk.

Overlay facts: Documentation/filesystems/overlayfs.rst. A mount's options must fit into one page, so
layers are named through short links.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from typing import TYPE_CHECKING

from towline.engines.embedded.monitor import kernel

if TYPE_CHECKING:
    from towline.engines.embedded.monitor.instructions import Configuration, Instructions

MOUNT_POINTS = ("dev", "proc", "sys")
"""Must be folders, or absent: runc 1.1 follows a link in the place of /dev out of the image."""

BUNDLE = "bundle"
"""Where the bundle is inside a container's folder; ``config.json`` names paths below it."""


def mount_root(instructions: Instructions) -> str:
    """Make the bundle's folder with the root file system in it; return its path."""
    bundle = os.path.join(instructions.folder, BUNDLE)
    flags = kernel.MS_NOSUID | kernel.MS_NODEV
    kernel.mount("towline", bundle, kind="tmpfs", flags=flags | kernel.MS_NOEXEC, options="mode=0700,size=4m")
    os.chdir(bundle)
    for name in ("layers", "rootfs"):
        os.mkdir(name)
    os.chdir("layers")
    kernel.mount("overlay", f"{bundle}/rootfs", kind="overlay", flags=flags, options=_overlay(instructions))
    os.chdir("/")
    return bundle


def write_bundle(bundle: str, *, configuration: Configuration, hostname: str) -> None:
    """Put down what the runtime reads, and fresh copies of the host's name service files."""
    _write(f"{bundle}/config.json", json.dumps(configuration), mode=0o600)
    _write(f"{bundle}/resolv.conf", _host_file("/etc/resolv.conf"), mode=0o644)
    hosts = _host_file("/etc/hosts").rstrip("\n")
    _write(f"{bundle}/hosts", f"{hosts}\n127.0.0.1\t{hostname}\n".lstrip("\n"), mode=0o644)


def hostile_mount_point(bundle: str) -> str:
    """Return which mount point is something else than a folder, in words; "" when all is well.

    Asked before each start, as a container may have changed its root file system in the run before.
    """
    for name in MOUNT_POINTS:
        try:
            mode = os.lstat(f"{bundle}/rootfs/{name}").st_mode
        except FileNotFoundError:
            continue
        if not stat.S_ISDIR(mode):
            return f"/{name} is a {'link' if stat.S_ISLNK(mode) else 'file'}, where a folder must be"
    return ""


def forget_configuration(bundle: str) -> None:
    """Remove ``config.json``, once the runtime has read it."""
    os.unlink(f"{bundle}/config.json")


def _overlay(instructions: Instructions) -> str:
    """Link layers and writable folders by short names; return the mount's options."""
    names = []
    for number, layer in enumerate(instructions.layers):
        os.symlink(layer, str(number))
        names.append(str(number))
    os.symlink(f"{instructions.folder}/upper", "u")
    os.symlink(f"{instructions.folder}/work", "w")
    return f"lowerdir={':'.join(reversed(names))},upperdir=u,workdir=w,userxattr"


def _host_file(path: str) -> str:
    """Return a file of the host; a host without one has nothing to say there."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def _write(path: str, content: str, *, mode: int) -> None:
    """Replace a file; no older one of that name is written through."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with open(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), mode)
        file.write(content)
