"""Running a program of these tests as a normal user of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import isal
import structlog
from backports import zstd

import towline
from parts.require import require

if TYPE_CHECKING:
    from collections.abc import Iterator

USER = 12346
FIRST_ID = 200_000
SYSTEM_PYTHON = "/usr/bin/python3"
"""The tests' own one may lie where no other user can reach it."""
HERE = Path(__file__).parent


@contextlib.contextmanager
def users_home() -> Iterator[Path]:
    """Give a folder that a normal user owns, with all that it needs to unpack."""
    for part in ("root", "setpriv", "unshare", "newuidmap", SYSTEM_PYTHON):
        require(part)
    home = Path(tempfile.mkdtemp(prefix="towline-user-"))
    try:
        for package in (towline, structlog, isal):
            folder = Path(package.__file__ or "").parent
            shutil.copytree(folder, home / "lib" / folder.name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(Path(zstd.__file__).parent, home / "lib" / "backports" / "zstd")
        for program in HERE.glob("*.py"):
            shutil.copy(program, home)
        shutil.copytree(HERE.parents[1] / "parts", home / "parts")
        for path in (home, *home.rglob("*")):
            os.chown(path, USER, USER)
        yield home
    finally:
        shutil.rmtree(home)


async def as_user(home: Path, program: str, *, with_range: bool) -> str:
    """Run a program of this folder as a normal user; return what it prints.

    A range of ids is granted by files that only that process sees in the place of the system's.
    """
    mounts = "; ".join(
        f"mount --bind {mine} /etc/{name}" for name, mine in _accounts(home, with_range).items()
    )
    user = f"setpriv --reuid {USER} --regid {USER} --clear-groups"
    process = await asyncio.create_subprocess_exec(
        *("unshare", "--mount", "sh", "-e", "-c"),
        f"{mounts}; exec {user} {SYSTEM_PYTHON} {home}/{program} {home}/lab",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PYTHONPATH": f"{home}/lib", "HOME": str(home), "PATH": os.environ["PATH"]},
        cwd=home,
    )
    said, complaints = await process.communicate()
    assert process.returncode == 0, complaints.decode()
    return said.decode()


def _accounts(home: Path, with_range: bool) -> dict[str, Path]:  # noqa: FBT001 - passed on
    """Write the system's files about users as they should look; return them by their names."""
    grant, accounts = home / "grant", home / "passwd"
    grant.write_text(f"{USER}:{FIRST_ID}:65536\n" if with_range else "")
    accounts.write_text(f"{Path('/etc/passwd').read_text()}towline-test:x:{USER}:{USER}::{home}:/bin/sh\n")
    return {"subuid": grant, "subgid": grant, "passwd": accounts}
