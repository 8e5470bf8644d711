"""Layers that try to reach the host, unpacked as root and as a normal user: none does."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import isal
import pytest
import structlog
from backports import zstd
from hostile import REFUSED, SHAPES, outside, snapshot
from unpack_lab import HARMLESS, attempt

import towline
from parts.require import require

if TYPE_CHECKING:
    from collections.abc import Iterator

USER = 12346
FIRST_ID = 200_000
SYSTEM_PYTHON = "/usr/bin/python3"
"""The tests' own one may lie where no other user can reach it."""
HERE = Path(__file__).parent


@pytest.mark.parametrize("name", SHAPES)
async def test_no_layer_reaches_the_host(name: str, tmp_path: Path) -> None:
    require("root")
    shape = SHAPES[name]
    end = await attempt(shape, tmp_path, user_namespace=False)
    assert not end["harmed"]
    assert end["forbidden"] == []
    assert end["unfinished"] == []
    assert end["ends"] == shape.ends, end["detail"]
    assert end["layers"] == (shape.ends != REFUSED) + (shape.below is not None)


def test_the_shapes_do_harm_where_nobody_takes_care(tmp_path: Path) -> None:
    require("root")
    harmful = set()
    for number, (name, shape) in enumerate(SHAPES.items()):
        if name.startswith("a device"):
            continue
        host, target = outside(tmp_path / f"host-{number}"), tmp_path / f"target-{number}"
        before = snapshot(host)
        for tar in (shape.below, shape.tar):
            content = b"" if tar is None else tar(host).bytes()
            with (
                contextlib.suppress(tarfile.TarError, OSError, ValueError, OverflowError),
                tarfile.open(fileobj=io.BytesIO(content)) as archive,
            ):
                archive.extractall(target, filter="fully_trusted")
        if snapshot(host) != before:
            harmful.add(name)
    assert len(harmful) >= 9, harmful


@pytest.mark.parametrize("with_range", [True, False])
async def test_no_layer_reaches_the_host_of_a_normal_user(
    users_home: Path,
    with_range: bool,  # noqa: FBT001 - a table's column
) -> None:
    ends = await as_user(users_home, with_range=with_range)
    expected = {name: shape.ends for name, shape in SHAPES.items()} | {HARMLESS: ""}
    if not with_range:
        # owners do not matter where there is only one, so that an impossible one is not looked at
        expected["an owner that cannot be"] = ""
    assert {name: end["ends"] for name, end in ends.items()} == expected
    assert [name for name, end in ends.items() if end["harmed"] or end["forbidden"]] == []
    assert [name for name, end in ends.items() if end["unfinished"]] == []
    assert ends[HARMLESS]["owners"] == ([USER, FIRST_ID + 32] if with_range else [USER])


@pytest.fixture
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
        for name in ("hostile.py", "oci_layout.py", "unpack_lab.py"):
            shutil.copy(HERE / name, home)
        for path in (home, *home.rglob("*")):
            os.chown(path, USER, USER)
        yield home
    finally:
        shutil.rmtree(home)


async def as_user(home: Path, *, with_range: bool) -> dict[str, dict[str, object]]:
    """Run the lab as a normal user, with a range of ids that only this process sees granted, or without."""
    mounts = "; ".join(
        f"mount --bind {mine} /etc/{name}" for name, mine in _accounts(home, with_range).items()
    )
    user = f"setpriv --reuid {USER} --regid {USER} --clear-groups"
    process = await asyncio.create_subprocess_exec(
        *("unshare", "--mount", "sh", "-e", "-c"),
        f"{mounts}; exec {user} {SYSTEM_PYTHON} {home}/unpack_lab.py {home}/lab",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PYTHONPATH": f"{home}/lib", "HOME": str(home), "PATH": os.environ["PATH"]},
        cwd=home,
    )
    said, complaints = await process.communicate()
    assert process.returncode == 0, complaints.decode()
    ends: dict[str, dict[str, object]] = json.loads(said.splitlines()[-1])
    return ends


def _accounts(home: Path, with_range: bool) -> dict[str, Path]:  # noqa: FBT001 - passed on
    """Write the system's files about users as they should look; return them by their names."""
    grant, accounts = home / "grant", home / "passwd"
    grant.write_text(f"{USER}:{FIRST_ID}:65536\n" if with_range else "")
    accounts.write_text(f"{Path('/etc/passwd').read_text()}towline-test:x:{USER}:{USER}::{home}:/bin/sh\n")
    return {"subuid": grant, "subgid": grant, "passwd": accounts}
