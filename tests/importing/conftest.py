"""The command as its user types it, with homes that hold nothing of this machine."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from parts.forks import towline
from parts.server import EMAIL, PASSWORD, Server, running_server

OWN = ("DOCKER_", "REGISTRY_AUTH_FILE", "XDG_", "TOWLINE_")


@dataclass(frozen=True)
class Shell:
    """Where ``towline`` is typed: a home of its own, none of this machine's logins."""

    home: Path

    def towline(
        self, *words: str, stdin: str | bytes = "", **environ: str
    ) -> subprocess.CompletedProcess[str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(OWN)}
        own = {"HOME": str(self.home), **environ}
        return towline(*words, stdin=stdin, env={**kept, **own})


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("server")) as made:
        yield made


@pytest.fixture
def jane(server: Server, shell: Shell) -> Shell:
    url = f"http://127.0.0.1:{server.port}"
    done = shell.towline("login", url, "--email", EMAIL, "--password-stdin", stdin=f"{PASSWORD}\n")
    assert done.returncode == 0, done.stderr
    return shell
