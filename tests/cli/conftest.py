"""The real command, run as a process against a live server, each test with a home of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from parts.live import Live, live_server
from parts.shell import Shell
from parts.world import JANE, JANES_PASSWORD


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with live_server() as made:
        yield made


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture
def jane(live: Live, shell: Shell) -> Shell:
    done = shell.towline("login", live.url, "--email", JANE, "--password-stdin", stdin=f"{JANES_PASSWORD}\n")
    assert done.returncode == 0, done.stderr
    return shell
