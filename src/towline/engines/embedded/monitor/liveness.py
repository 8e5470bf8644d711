"""Asking a container whether it still works: by a command inside it, a connection, or HTTP.

Each question is a child process with a deadline, so that the monitor never waits for an answer. The
meaning of the settings is Kubernetes' own (core/v1 Probe): so many failures in a row end the container.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import time
from typing import TYPE_CHECKING, NamedTuple

from towline.engines.embedded.monitor import oci

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from towline.engines.embedded.monitor.instructions import Instructions

_MOST_WORDS = 200
_KILL_AFTER = 1.0
"""Seconds after the deadline, and the polite signal, after which a question is killed."""
_FINE = range(200, 400)


class Probe(NamedTuple):
    """What is asked, how often, in seconds; ``command`` goes before ``path``, that before ``port``."""

    command: list[str]
    host: str
    port: int
    path: str
    https: bool
    headers: list[list[str]]
    initial_delay: float
    period: float
    timeout: float
    failures: int
    successes: int


class Liveness:
    """The questions to one run of a container. ``ask`` starts one: (process id, where its words come)."""

    def __init__(self, probe: Probe, ask: Callable[[], tuple[int, int]]) -> None:
        self._probe = probe
        self._ask = ask
        self._pid = 0
        self._words = -1
        self._asked_at = 0.0
        self._next = time.monotonic() + probe.initial_delay
        self._said_no = 0
        self._said_yes = 0

    @property
    def due(self) -> float:
        """When ``look`` is to be called at the latest, in monotonic seconds."""
        return self._next

    def look(self, ended: Mapping[int, int]) -> str:
        """Go on, given the wait statuses of ended children; return why the container is to end, or ""."""
        verdict = self._heard(ended[self._pid]) if self._pid in ended else ""
        now = time.monotonic()
        if now >= self._next:
            self._hurry(now) if self._pid else self._begin(now)
        return verdict

    def close(self) -> None:
        """End a question that is under way; its process is reaped with all others."""
        if self._pid:
            self._signal(signal.SIGKILL)
            os.close(self._words)
            self._pid = 0

    def _begin(self, now: float) -> None:
        self._pid, self._words = self._ask()
        self._asked_at, self._next = now, now + self._probe.timeout

    def _hurry(self, now: float) -> None:
        """End a question that takes too long: politely first, so that a command inside is told."""
        late = now >= self._asked_at + self._probe.timeout + _KILL_AFTER
        self._signal(signal.SIGKILL if late else signal.SIGTERM)
        self._next = now + _KILL_AFTER

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, number)

    def _heard(self, wait_status: int) -> str:
        """Count an answer; return why the container is to end, or ""."""
        words = os.read(self._words, _MOST_WORDS).decode(errors="replace")
        os.close(self._words)
        took, self._pid = time.monotonic() - self._asked_at, 0
        self._next = max(self._asked_at + self._probe.period, time.monotonic())
        if took < self._probe.timeout and wait_status == 0:
            self._said_yes += 1
            self._said_no = 0 if self._said_yes >= self._probe.successes else self._said_no
            return ""
        self._said_no, self._said_yes = self._said_no + 1, 0
        if self._said_no < self._probe.failures:
            return ""
        if took >= self._probe.timeout:
            words = f"no answer within {self._probe.timeout:g} s"
        words = words or f"the command ended with {os.waitstatus_to_exitcode(wait_status)}"
        return f"{self._said_no} times in a row: {words}"


def asker(probe: Probe, instructions: Instructions) -> Callable[[], tuple[int, int]]:
    """Return what starts a question of this kind: a child whose success is exit code 0."""
    if probe.command:
        return lambda: _run_inside(probe, instructions)
    return lambda: _fork(lambda: _http(probe) if probe.path else _connect(probe).close())


def _run_inside(probe: Probe, instructions: Instructions) -> tuple[int, int]:
    """Run the command in the container as its own process is run; its description is in memory only."""
    process = {**_process(instructions), "args": probe.command, "terminal": False}
    described = os.memfd_create("probe", os.MFD_CLOEXEC)
    reader, writer = os.pipe2(os.O_CLOEXEC)
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.write(described, json.dumps(process).encode())
        runtime = oci.Runtime(
            instructions.runtime, root=instructions.runtime_root, container=instructions.container
        )
        return runtime.execute(described, output=null), reader
    finally:
        for handle in (described, writer, null):
            os.close(handle)


def _process(instructions: Instructions) -> dict[str, object]:
    process = instructions.configuration["process"]
    return dict(process) if isinstance(process, dict) else {}


def _fork(ask: Callable[[], None]) -> tuple[int, int]:
    """Ask in a child, which says in words what went wrong."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid:
        os.close(writer)
        return pid, reader
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        ask()
        code = 0
    except (OSError, ValueError) as error:
        os.write(writer, str(getattr(error, "strerror", "") or error).encode()[:_MOST_WORDS])
    finally:
        os._exit(code)


def _connect(probe: Probe) -> socket.socket:
    return socket.create_connection((probe.host or "127.0.0.1", probe.port), timeout=probe.timeout)


def _http(probe: Probe) -> None:
    """Ask by HTTP; raise ValueError for an answer that is not one of 200 to 399."""
    connection = _connect(probe)
    if probe.https:
        connection = _tls(connection, probe.host)
    names = {name.lower() for name, _ in probe.headers}
    host = [] if "host" in names else [["Host", f"{probe.host or '127.0.0.1'}:{probe.port}"]]
    lines = [f"{name}: {value}" for name, value in [*host, *probe.headers]]
    request = [f"GET {probe.path} HTTP/1.1", *lines, "User-Agent: towline", "Connection: close", "", ""]
    connection.sendall("\r\n".join(request).encode())
    with connection.makefile("rb") as answer:
        first = answer.readline(256).decode("latin-1").split()
    if len(first) < 2 or not first[0].startswith("HTTP/") or not first[1].isdigit():
        raise ValueError("the answer is not HTTP")
    if int(first[1]) not in _FINE:
        raise ValueError(f"{probe.path} was answered with {first[1]}")


def _tls(connection: socket.socket, host: str) -> socket.socket:
    """Speak TLS; as in Kubernetes it does not matter whose certificate it is."""
    import ssl  # noqa: PLC0415 - costs each monitor 3 MB, and few need it

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(connection, server_hostname=host or None)
