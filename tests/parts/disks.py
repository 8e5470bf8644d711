"""Small disks that can be filled up: a file system in memory, which only root can make."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from parts.require import require

MIB = 1 << 20


@contextmanager
def small_disk(place: Path, megabytes: int) -> Iterator[None]:
    """Have one of that size at a place that is not there yet."""
    require("root")
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", place], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def fill(folder: Path) -> Path:
    """Leave no room where ``folder`` is; return the file that takes it."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (MIB, 4096, 1):
            try:
                while True:
                    file.write(b"\xff" * size)
            except OSError:
                continue
    return filler
