"""What the engine keeps on disk about a container: one folder each, named by the place it fills.

``containers/<deployment>.<generation>.<executable>.<replica>/`` holds ``container.json`` (what it is),
``status.json`` (how it is; the monitor's), ``log``, ``upper`` and ``work`` (what the container wrote),
``bundle`` (where the monitor mounts) and ``lock``, which is held for as long as the monitor lives. No file
here ever holds a value of the environment.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from towline.engines.embedded.monitor.rootfs import BUNDLE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """The one container that a generation's executable has under a replica number."""

    deployment_guid: str
    generation: int
    executable: str
    replica: int

    @property
    def container(self) -> str:
        """The container's name, safe as a folder's name and as a runtime's identifier."""
        return f"{_safe(self.deployment_guid)}.{self.generation}.{_safe(self.executable)}.{self.replica}"


@dataclass(frozen=True, slots=True)
class Container:
    """What a container was made from; ``image`` is the manifest's digest."""

    place: Place
    image: str
    stop_seconds: float


class Containers:
    """The folders of all containers."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def prepare(self) -> None:
        """Make the folder of folders, for nobody else to look into: it holds setuid files of images."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)

    def folder(self, place: Place) -> Path:
        """Return where a container's files are, whether there are any or not."""
        return self._root / place.container

    def make(self, container: Container) -> Path:
        """Make a container's folder, and write down what it is."""
        folder = self.folder(container.place)
        folder.mkdir(mode=0o700)
        for name in ("upper", "work", BUNDLE):
            (folder / name).mkdir()
        (folder / "upper").chmod(0o755)  # it becomes the container's own root folder
        (folder / "container.json").write_text(json.dumps(asdict(container)), encoding="utf-8")
        return folder

    def all(self) -> Iterator[Container]:
        """Yield every container on disk; a folder that tells nothing yet is none."""
        for folder in sorted(self._root.iterdir()):
            container = _read(folder / "container.json")
            if container is not None:
                yield container

    def strays(self) -> Iterator[Path]:
        """Yield folders that a process killed in the middle of ``make`` left behind."""
        known = {self.folder(container.place) for container in self.all()}
        yield from (folder for folder in sorted(self._root.iterdir()) if folder not in known)


def lock(folder: Path) -> int | None:
    """Lock a container's folder and return the handle that holds the lock; None if a monitor holds it."""
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def monitor_pid(folder: Path) -> int | None:
    """Return the process id that a monitor wrote down; None before it came so far."""
    try:
        return int((folder / "monitor").read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        return None


def _read(path: Path) -> Container | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Container(Place(**found["place"]), image=found["image"], stop_seconds=found["stop_seconds"])
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return None


def _safe(text: str) -> str:
    """Return ``text``, or its hash if a folder's name cannot be made of it."""
    return text if _SAFE.fullmatch(text) else hashlib.sha256(text.encode()).hexdigest()[:32]
