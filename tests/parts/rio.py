"""rapyuta.io's own command line, the real one, from an environment of its own (``make .venv/.rio``)."""

from __future__ import annotations

import ctypes.util
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

import pytest

from parts.forks import Forks
from parts.require import require

HOME = Path(sys.prefix) / "rio"
RIO = HOME / "bin" / "rio"
PATIENCE = 90.0
NOWHERE = "http://127.0.0.1:9"
"""A proxy that nobody is: what would leave this machine fails at once."""

_PICTURES = re.compile("[^\\x00-\\x7f\u00c0-\u017f\u2019]+ ?")

Drive = Callable[["Rio", "subprocess.Popen[str]"], str]
"""Lives through a command that waits for something; returns what it printed so far."""


@dataclass(frozen=True)
class Ran:
    """How a command ended: exit code, all that it printed, and how long it took."""

    command: str
    code: int
    text: str
    seconds: float


@dataclass
class Rio:
    """Where ``rio`` is typed: a folder with its configuration, and words that commands mean by ``$NAME``.

    With ``forks`` commands run in forks of a process that has loaded ``rio`` already; else, and where a
    command is driven, the script itself is started.
    """

    folder: Path
    words: Mapping[str, str] = field(default_factory=dict)
    forks: Forks | None = None

    @property
    def config(self) -> Path:
        """The file that ``$RIO_CONFIG`` names."""
        return self.folder / "rio.json"

    def run(self, command: str, *, stdin: str = "", drive: Drive | None = None) -> Ran:
        """Return how ``rio COMMAND`` ended."""
        words = [Template(word).substitute(self.words) for word in shlex.split(command)]
        began = time.monotonic()
        if self.forks is not None and drive is None:
            done = self.forks.run(
                words, given=stdin.encode(), env=self._environment(), cwd=self.folder, together=True
            )
            code, text = done.returncode, done.stdout.decode()
        else:
            code, text = self._started(words, stdin, drive)
        return Ran(command, code, text, seconds=time.monotonic() - began)

    def _started(self, words: list[str], stdin: str, drive: Drive | None) -> tuple[int, str]:
        pipe = subprocess.PIPE
        with subprocess.Popen(
            [str(RIO), *words],
            stdin=pipe,
            stdout=pipe,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.folder,
            env=self._environment(),
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                process.stdin.write(stdin)
                process.stdin.close()
                text = drive(self, process) if drive is not None else ""
                text += process.stdout.read()
                return process.wait(PATIENCE), text
            finally:
                process.kill()

    def _environment(self) -> Mapping[str, str]:
        """Return a small environment: no browser, no agent, no way out of this machine."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        return {
            "PATH": f"{RIO.parent}:{os.environ['PATH']}",
            "HOME": str(home),
            "RIO_CONFIG": str(self.config),
            "LC_ALL": "C.UTF-8",
            "COLUMNS": "160",
            "PYTHONUNBUFFERED": "1",
            "BROWSER": "true",
            "HTTPS_PROXY": NOWHERE,
        }


@contextmanager
def running_forks() -> Iterator[Forks]:
    """Load ``rio`` once; yield what forks it."""
    environ = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "PYTHONUNBUFFERED": "1"}
    made = Forks(str(HOME / "bin" / "python"), "rio", "riocli.bootstrap:safe_cli", environ=environ)
    try:
        yield made
    finally:
        made.close()


def require_rio() -> None:
    """Go on if the real ``rio`` is here, with the library that it loads from the distribution."""
    require(str(RIO))
    if ctypes.util.find_library("magic") is None:
        require("libmagic1")


def printed_lines(text: str) -> list[str]:
    """Return what a command printed as lines without pictures and colours, empty ones left out."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", text)
    lines = (_PICTURES.sub("", line).strip() for line in plain.splitlines())
    return [line for line in lines if line]


def leaves() -> set[str]:
    """Return every command that the real ``rio`` lists in its help, as one types it."""
    walked = subprocess.run(
        [str(HOME / "bin" / "python"), "-c", _WALK],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    if walked.returncode:
        pytest.fail(walked.stderr)
    return set(walked.stdout.splitlines())


_WALK = """
import click
from riocli.bootstrap import cli

def walk(command, path):
    if not isinstance(command, click.Group):
        print(" ".join(path))
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        below = command.get_command(context, name)
        if below is not None and not below.hidden:
            walk(below, [*path, name])

walk(cli, [])
"""
