"""Driving an OCI runtime's command line: create, start, delete.

Facts: opencontainers/runc man pages, ``utils_linux.go``. The runtime's error text is parsed here and
nowhere else.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
from typing import NamedTuple

COMMAND_NOT_FOUND = "command-not-found"
WRONG_ARCHITECTURE = "wrong-architecture"
IMAGE_REFUSED = "image-refused"
ENGINE_ERROR = "engine-error"
PROBE_FAILED = "probe-failed"

_PATIENCE = 60_000
"""Milliseconds after which a runtime that does not come back is given up."""

_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}

_DEFAULT_AGAIN = (signal.SIGPIPE, signal.SIGXFSZ)
"""Python ignores these two, and a child would inherit that."""

_NOT_THERE = ("executable file not found", "no such file or directory", "permission denied", "is a directory")


class Refusal(Exception):
    """The runtime could not start the container: a finding's code, and words for people."""

    def __init__(self, problem: str, detail: str) -> None:
        self.problem = problem
        self.detail = detail
        super().__init__(f"{problem}: {detail}")


class Streams(NamedTuple):
    """The writing ends of a container's standard output and error."""

    output: int
    error: int


class Runtime:
    """One container of a runtime, by its identifier."""

    def __init__(self, program: str, *, root: str, container: str) -> None:
        self._program = program
        self._root = root
        self._container = container

    def create(self, bundle: str, streams: Streams) -> int:
        """Make the container up to the point where its process would start; return that process's id.

        Raises ChildProcessError when the runtime refuses; it says why on the streams' error.
        """
        pid_file = f"{bundle}/pid"
        self._run("create", "--pid-file", pid_file, "--bundle", bundle, self._container, streams=streams)
        with open(pid_file, encoding="ascii") as file:
            return int(file.read())

    def start(self, streams: Streams) -> None:
        """Let the process go."""
        self._run("start", self._container, streams=streams)

    def execute(self, process: int, *, output: int) -> int:
        """Start one more process in the container, as the file ``process`` tells; return the runtime's id."""
        described = f"/proc/self/fd/{process}"
        command = [
            "--root",
            self._root,
            "--log",
            "/dev/null",
            "exec",
            "--process",
            described,
            self._container,
        ]
        return os.posix_spawn(
            self._program,
            [self._program, *command],
            _ENVIRONMENT,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, process, process),  # this one is kept open across the start
                *((os.POSIX_SPAWN_DUP2, output, number) for number in (0, 1, 2)),
            ],
            setsigdef=(*_DEFAULT_AGAIN, signal.SIGTERM),
        )

    def delete(self) -> None:
        """Remove what the runtime holds of the container, with its control group; kills what still runs.

        There may be nothing.
        """
        with contextlib.suppress(ChildProcessError):
            self._run("delete", "--force", self._container, streams=None)

    def control_groups(self) -> dict[str, str]:
        """Return the folders of the container's control groups by controller, "" being version 2's."""
        path = f"{self._root}/{self._container}/state.json"
        with open(path, encoding="utf-8") as file:
            found = json.load(file).get("cgroup_paths") or {}
        return {str(name): str(folder) for name, folder in found.items()}

    def _run(self, *arguments: str, streams: Streams | None) -> None:
        command = [self._program, "--root", self._root, "--log", "/dev/null", *arguments]
        output, error = (streams.output, streams.error) if streams else (0, 0)
        pid = os.posix_spawn(
            self._program,
            command,
            _ENVIRONMENT,
            file_actions=[(os.POSIX_SPAWN_DUP2, output, 1), (os.POSIX_SPAWN_DUP2, error, 2)],
            setsigdef=_DEFAULT_AGAIN,
        )
        code = _wait(pid)
        if code != 0:
            raise ChildProcessError(code, f"{arguments[0]} ended with {code}")


def oom_kills(groups: dict[str, str]) -> int:
    """Return how often the kernel killed in these control groups because memory ran out."""
    if "memory" in groups:
        return _counter(f"{groups['memory']}/memory.oom_control", "oom_kill")
    return _counter(f"{groups.get('', '')}/memory.events", "oom_kill")


def refused(text: str, *, command: str) -> Refusal:
    """Return what a runtime's words mean, when it could not create the container."""
    reason = text.strip().rpartition("\n")[2].rpartition("unable to start container process: ")[2].strip()
    if reason.startswith("exec: ") and any(words in reason for words in _NOT_THERE):
        return Refusal(COMMAND_NOT_FOUND, f"{command!r}: {reason.rpartition(': ')[2]}")
    return Refusal(ENGINE_ERROR, reason or "the runtime gave no reason")


def ended_before_it_began(last_error_line: str) -> Refusal | None:
    """Return why a process could not be executed after the runtime had let it go, None if it could."""
    first, _, reason = last_error_line.rpartition(": ")
    if not first.startswith("exec "):
        return None
    if reason == "exec format error":
        return Refusal(WRONG_ARCHITECTURE, last_error_line)
    if reason in _NOT_THERE:
        return Refusal(COMMAND_NOT_FOUND, f"{last_error_line} (its interpreter or loader may be missing)")
    return None


def _wait(pid: int) -> int:
    """Return a child's exit code, negative after a signal; one that hangs is killed."""
    handle = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        if not poll.poll(_PATIENCE):
            os.kill(pid, signal.SIGKILL)
    finally:
        os.close(handle)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _counter(path: str, name: str) -> int:
    """Return a counter from a file of ``name value`` lines; 0 where the kernel does not count."""
    try:
        with open(path, encoding="ascii") as file:
            pairs = [line.split() for line in file]
    except FileNotFoundError:
        return 0
    return next((int(pair[1]) for pair in pairs if pair[0] == name), 0)
