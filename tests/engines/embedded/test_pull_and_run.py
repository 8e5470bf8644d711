"""Both sides of the engine together: what is pulled is run, as root and as a normal user."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from normal_user import as_user, users_home
from pull_and_run_lab import pull_and_run

from parts.require import require

if TYPE_CHECKING:
    from pathlib import Path


async def test_an_image_of_three_layers_is_pulled_and_run_as_its_user(tmp_path: Path) -> None:
    for part in ("root", "runc", "busybox"):
        require(part)
    check(await pull_and_run(tmp_path))


async def test_a_normal_user_pulls_and_runs_it_too() -> None:
    for part in ("root", "runc", "busybox"):
        require(part)
    with users_home() as home:
        said = await as_user(home, "pull_and_run_lab.py", with_range=True)
    check(json.loads(said.splitlines()[-1]))


def check(outcome: dict[str, object]) -> None:
    log = outcome["log"]
    assert isinstance(log, list)
    assert log[:5] == ["1000", "kept", "shown", "copy", "1777"]
    assert {"passwd", "kept"} < set(log[5:])
    assert "gone" not in log
    assert outcome["told"]
    assert outcome["left"] == []
