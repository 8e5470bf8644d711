"""Disks: storage that outlives deployments, and the volumes by which a deployment mounts them.

A disk lives on one engine, named when it is made or chosen by the first deployment that mounts it, and serves
one deployment at a time. Capacities and states are those that rapyuta.io's clients know.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from towline.domain.causes import FindingCode
from towline.domain.errors import InvalidInput
from towline.domain.findings import Finding

LEAST_GIB, MOST_GIB = 4, 512
CAPACITY_RULE = f"give an even number of GiB from {LEAST_GIB} to {MOST_GIB}"
MOST_VOLUMES = 50
NOT_RUNNING = "DEP_E210"

_LONGEST_PATH = 1024
_MOUNT_RULE = "give an absolute path inside the container, for example /data"
_SUB_RULE = "give a relative path inside the disk without '..', for example app/db"
_KERNEL_FOLDERS = ("/proc", "/sys", "/dev")
_UNFIT = re.compile(r"[\x00-\x1f\x7f:]")
"""Control characters, and the colon, by which engines part the ends of a mount."""


class DiskState(StrEnum):
    """How a disk is, in the words of the wire."""

    AVAILABLE = "Available"
    BOUND = "Bound"
    """A deployment has it."""
    RELEASED = "Released"
    """Free for the next deployment, which waits until the last containers that had it have ended."""
    FAILED = "Failed"
    PENDING = "Pending"


@dataclass(frozen=True, slots=True)
class DiskUser:
    """A deployment that has a disk; one that ``is_ending`` was deleted, and its containers go."""

    guid: str
    name: str
    is_ending: bool = False


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk. ``capacity`` in GiB; ``engine`` is where it lives, empty until a deployment mounts it first;
    ``machine`` which server's machine that is, where engines of that name are several servers' own.
    """

    guid: str
    name: str
    project_guid: str
    creator_guid: str
    created_at: datetime
    capacity: int
    labels: Mapping[str, str] = field(default_factory=dict)
    engine: str = ""
    machine: str = ""
    users: tuple[DiskUser, ...] = ()

    @property
    def holder(self) -> DiskUser | None:
        """The live deployment that has the disk."""
        return next((user for user in self.users if not user.is_ending), None)


@dataclass(frozen=True, slots=True)
class DiskDraft:
    """A disk as somebody asks for it, already checked; ``engine`` may be empty."""

    name: str
    capacity: int
    labels: Mapping[str, str] = field(default_factory=dict)
    engine: str = ""


@dataclass(frozen=True, slots=True)
class DiskView:
    """A disk as people see it; ``used`` is how many bytes are in it, None where nobody can tell."""

    disk: Disk
    state: DiskState
    error_code: str = ""
    used: int | None = None


@dataclass(frozen=True, slots=True)
class Volume:
    """Where a deployment mounts a disk, or the folder ``sub_path`` of it. ``disk`` is what people call it,
    ``disk_guid`` which one that was when they asked. An empty ``executable`` is the only one.

    ``uid`` and ``gid`` own the folder at each start; without them whoever the executable runs as owns a new
    one.
    """

    disk: str
    executable: str
    mount_path: str
    sub_path: str = ""
    uid: int | None = None
    gid: int | None = None
    disk_guid: str = ""


def checked_capacity(number: int, *, field: str = "spec.capacity") -> int:
    """Return a capacity in GiB; raise InvalidInput for one that rapyuta.io's clients do not take."""
    if not LEAST_GIB <= number <= MOST_GIB or number % 2:
        raise InvalidInput(field, problem=f"is {number}", rule=CAPACITY_RULE)
    return number


def mount_path(text: str, *, field: str) -> str:
    """Return where a disk is mounted in a container, in its shortest form; raise InvalidInput."""
    if not text.startswith("/"):
        problem = f"{text[:60]!a} is not absolute" if text else "is empty"
        raise InvalidInput(field, problem=problem, rule=_MOUNT_RULE)
    _check_text(text, field=field, rule=_MOUNT_RULE)
    path = "/" + posixpath.normpath(text).lstrip("/")
    if path == "/" or any(path == each or path.startswith(f"{each}/") for each in _KERNEL_FOLDERS):
        raise InvalidInput(
            field, problem=f"is {path[:60]!a}, which belongs to the container itself", rule=_MOUNT_RULE
        )
    return path


def sub_path(text: str, *, field: str) -> str:
    """Return the folder of a disk, empty for all of it; raise InvalidInput."""
    _check_text(text, field=field, rule=_SUB_RULE)
    if text.startswith("/"):
        raise InvalidInput(field, problem=f"{text[:60]!a} is absolute", rule=_SUB_RULE)
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if any(len(part.encode()) > 255 for part in parts):
        raise InvalidInput(field, problem="has a part of more than 255 bytes", rule=_SUB_RULE)
    return "/".join(parts)


def not_ready(name: str, detail: str) -> Finding:
    """Return the finding that a disk cannot be mounted now."""
    return Finding(FindingCode.DISK_NOT_READY, f"disk {name!r} {detail}")


def _check_text(text: str, *, field: str, rule: str) -> None:
    if len(text.encode()) > _LONGEST_PATH:
        raise InvalidInput(field, problem=f"is longer than {_LONGEST_PATH} bytes", rule=rule)
    if _UNFIT.search(text):
        raise InvalidInput(field, problem="holds a colon or a control character", rule=rule)
    if ".." in text.split("/"):
        raise InvalidInput(field, problem=f"{text[:60]!a} holds '..'", rule=rule)
