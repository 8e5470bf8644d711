"""Binding disks into a container's bundle, from where the runtime mounts them.

What is on a disk was written by containers: a folder of it that is to be mounted may be a link by now, even
to a place outside. So the way to it is walked part by part without following any, what was reached is held
open, and the mount is made of that.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from towline.engines.embedded.monitor import kernel

FOLDER = "volumes"
"""Where the mounts are inside the bundle, by their numbers."""

DATA = "data"
"""What containers see of a disk's folder, which itself is the engine's own."""

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_KEEP = -1


class Volume(NamedTuple):
    """The folder ``path`` (its parts) of a disk, whose own folder is ``disk``.

    ``uid`` and ``gid`` are to own it, None: as it is; ``owner`` (user and group) has what is made on the way.
    """

    disk: str
    path: Sequence[str]
    uid: int | None
    gid: int | None
    owner: Sequence[int]


def mount_all(bundle: str, volumes: Sequence[Volume]) -> None:
    """Bind each volume into the bundle; raise OSError that says which cannot be."""
    for number, volume in enumerate(volumes):
        place = f"{bundle}/{FOLDER}/{number}"
        os.makedirs(place)
        descriptor = opened(volume)
        try:
            kernel.mount(f"/proc/self/fd/{descriptor}", place, flags=kernel.MS_BIND)
        finally:
            os.close(descriptor)


def opened(volume: Volume) -> int:
    """Return a volume's folder, open, made where it was not there yet; raise OSError."""
    descriptor = os.open(volume.disk, _OPEN)
    try:
        for at, part in enumerate((DATA, *volume.path)):
            inner = _entered(descriptor, part, said="/".join(volume.path[:at]), owner=volume.owner)
            os.close(descriptor)
            descriptor = inner
        if (volume.uid, volume.gid) != (None, None):
            _own(
                descriptor,
                _KEEP if volume.uid is None else volume.uid,
                _KEEP if volume.gid is None else volume.gid,
            )
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _entered(parent: int, part: str, *, said: str, owner: Sequence[int]) -> int:
    """Open a folder below ``parent``, which a container may write; make it if it is not there."""
    try:
        return os.open(part, _OPEN, dir_fd=parent)
    except FileNotFoundError:
        os.mkdir(part, dir_fd=parent)
    except OSError as error:
        raise OSError(
            error.errno, f"subPath {said!r} of the disk is a link or a file, where a folder must be"
        ) from error
    made = os.open(part, _OPEN, dir_fd=parent)
    try:
        os.fchmod(made, 0o755)
        _own(made, *owner)
    except BaseException:
        os.close(made)
        raise
    return made


def _own(descriptor: int, uid: int, gid: int) -> None:
    try:
        os.fchown(descriptor, uid, gid)
    except OSError as error:
        raise OSError(error.errno, f"the disk cannot be given to {uid}:{gid}: {error.strerror}") from error
