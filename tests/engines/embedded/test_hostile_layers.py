"""Layers that try to reach the host, unpacked as root and as a normal user: none does."""

from __future__ import annotations

import contextlib
import io
import json
import tarfile
from typing import TYPE_CHECKING

import pytest
from hostile import REFUSED, SHAPES, outside, snapshot
from normal_user import FIRST_ID, USER, as_user, users_home
from unpack_lab import HARMLESS, attempt

from parts.require import require

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


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
    home: Path,
    with_range: bool,  # noqa: FBT001 - a table's column
) -> None:
    said = await as_user(home, "unpack_lab.py", with_range=with_range)
    ends = json.loads(said.splitlines()[-1])
    expected = {name: shape.ends for name, shape in SHAPES.items()} | {HARMLESS: ""}
    if not with_range:
        # owners do not matter where there is only one, so that an impossible one is not looked at
        expected["an owner that cannot be"] = ""
    assert {name: end["ends"] for name, end in ends.items()} == expected
    assert [name for name, end in ends.items() if end["harmed"] or end["forbidden"]] == []
    assert [name for name, end in ends.items() if end["unfinished"]] == []
    assert ends[HARMLESS]["owners"] == ([USER, FIRST_ID + 32] if with_range else [USER])


@pytest.fixture
def home() -> Iterator[Path]:
    with users_home() as home:
        yield home
