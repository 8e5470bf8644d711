"""The real command, run as a process against a live server, each test with a home of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from parts.forks import towline
from parts.live import Live, live_server
from parts.world import JANE, JANES_PASSWORD


@dataclass(frozen=True)
class Shell:
    """Where ``towline`` is typed."""

    home: Path

    @property
    def config(self) -> Path:
        return self.home / "towline" / "config.json"

    def towline(
        self, *words: str, stdin: str | bytes = "", **environ: str
    ) -> subprocess.CompletedProcess[str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("TOWLINE_")}
        return towline(*words, stdin=stdin, env={**kept, "XDG_CONFIG_HOME": str(self.home), **environ})


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
