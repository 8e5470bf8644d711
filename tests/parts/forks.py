"""Commands of a program that is loaded once, as if each had been started: see ``parts/forking.py``."""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from parts import forking

FORKING = Path(forking.__file__)
PATIENCE = 120.0


class Process:
    """A process that was forked: what the tests use of ``subprocess.Popen``."""

    def __init__(self, words: Sequence[str], answers: int) -> None:
        self.args = list(words)
        self.returncode: int | None = None
        self._answers = os.fdopen(answers, "rb", buffering=0)
        self._read = b""
        self._turn = threading.Lock()
        self.pid = int(self._line())

    def poll(self) -> int | None:
        """Return the exit code, None as long as it runs."""
        with self._turn:
            if self.returncode is None and self._is_told(0):
                self.returncode = int(self._line())
                self._answers.close()
        return self.returncode

    def wait(self, timeout: float = PATIENCE) -> int:
        """Return the exit code once it has ended; raise ``subprocess.TimeoutExpired``."""
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired(self.args, timeout)
            self._is_told(left)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it has ended since
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)

    def _is_told(self, within: float) -> bool:
        return b"\n" in self._read or bool(select.select([self._answers], [], [], within)[0])

    def _line(self) -> bytes:
        while b"\n" not in self._read:
            more = self._answers.read(16)
            if not more:
                raise RuntimeError("what forks has ended: its own words stand above")
            self._read += more
        line, _, self._read = self._read.partition(b"\n")
        return line


@dataclass
class Forks:
    """A process that has loaded a program, and forks for each of its commands."""

    interpreter: str
    name: str
    entry: str
    package: str = ""
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    def __post_init__(self) -> None:
        """Begin to load."""
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            words = [self.interpreter, str(FORKING), str(theirs.fileno()), self.entry, self.package]
            self._process = subprocess.Popen(
                words, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, env=self.environ
            )

    def start(
        self,
        words: Sequence[str],
        *,
        streams: tuple[int, int, int],
        env: Mapping[str, str] | None = None,
        cwd: str | Path = "",
    ) -> Process:
        """Start a command whose standard streams are these descriptors."""
        request = {
            "argv": [self.name, *words],
            "env": dict(os.environ if env is None else env),
            "cwd": str(cwd or Path.cwd()),
        }
        ours, answers = os.pipe()
        try:
            socket.send_fds(self._requests, [json.dumps(request).encode()], [*streams, answers])
        finally:
            os.close(answers)
        return Process(words, ours)

    def run(
        self,
        words: Sequence[str],
        *,
        given: bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: str | Path = "",
        timeout: float = PATIENCE,
        together: bool = False,
    ) -> subprocess.CompletedProcess[bytes]:
        """Return how a command ended and what it printed, ``together``: errors among the output.

        Raises ``subprocess.TimeoutExpired``; then the command is killed.
        """
        with _file() as typed, _file() as printed, _file() as complained:
            typed.write(given)
            typed.seek(0)
            streams = (typed.fileno(), printed.fileno(), (printed if together else complained).fileno())
            process = self.start(words, streams=streams, env=env, cwd=cwd)
            try:
                code = process.wait(timeout)
            finally:
                process.kill()
            printed.seek(0)
            complained.seek(0)
            return subprocess.CompletedProcess(list(words), code, printed.read(), complained.read())

    def close(self) -> None:
        """End it, and what it forked."""
        self._requests.close()
        self._process.wait(PATIENCE)


def towline(
    *words: str | Path,
    stdin: str | bytes = b"",
    env: Mapping[str, str] | None = None,
    check: bool = False,
    timeout: float = PATIENCE,
) -> subprocess.CompletedProcess[str]:
    """Return how ``towline WORDS`` ended; ``check`` raises ``subprocess.CalledProcessError``."""
    given = stdin.encode() if isinstance(stdin, str) else stdin
    done = the_towline().run([str(each) for each in words], given=given, env=env, timeout=timeout)
    ended = subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )
    if check:
        ended.check_returncode()
    return ended


@functools.cache
def the_towline() -> Forks:
    """Return what forks the command ``towline``: loaded at the first call, ended with this process."""
    made = Forks(sys.executable, "towline", "towline.cli:main", "towline")
    atexit.register(made.close)
    return made


def _file() -> BinaryIO:
    """Return an open file that is in memory alone."""
    return os.fdopen(os.memfd_create("stream"), "w+b", buffering=0)
