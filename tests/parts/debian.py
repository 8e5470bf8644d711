"""A real Debian with Python, made by debootstrap once for this checkout."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from parts.require import require

BUILD = Path(__file__).resolve().parents[2] / "build"
ARCHIVE = BUILD / "debian.tar"
PACKAGES = "python3,python3-venv"
PATIENCE = 200
"""In seconds: less than pytest gives a test before it ends the whole process without a word."""
TAR = ("--xattrs", "--numeric-owner", "--format=pax", "--exclude=./var/cache/apt/archives/*.deb")


def debian() -> Path:
    """Return its root file system as an archive; who comes while it is made waits for it."""
    for part in ("root", "debootstrap", "tar"):
        require(part)
    with alone("debian"):
        if not ARCHIVE.exists():
            folder, fresh = BUILD / "debian", BUILD / "debian.tar.new"
            _clear(folder)
            run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(folder))
            run("tar", *TAR, "-C", str(folder), "-cf", str(fresh), ".")
            fresh.rename(ARCHIVE)
            shutil.rmtree(folder)
    return ARCHIVE


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Keep other processes from making the same part of ``build/`` meanwhile."""
    BUILD.mkdir(exist_ok=True)
    with (BUILD / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _clear(folder: Path) -> None:
    """Take away what a killed debootstrap left, which mounts the machine's own /proc in there."""
    mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for each in reversed([place for place in mounted if place.startswith(f"{folder}/")]):
        run("umount", each)
    if folder.exists():
        shutil.rmtree(folder)


def run(*words: str, given: str = "") -> str:
    """Run a program and return what it printed; fail with what it said, also when it does not end."""
    try:
        done = subprocess.run(
            words, input=given, capture_output=True, text=True, check=False, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired as late:
        said = f"{(late.stdout or b'')[-2000:]!r} {(late.stderr or b'')[-2000:]!r}"
        raise AssertionError(f"{' '.join(words)} did not end in {PATIENCE} s: {said}") from None
    assert done.returncode == 0, f"{' '.join(words[:3])}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout.strip()
