"""The life of one container: start, watch, start again after a pause, stop when asked.

All waiting is one ``poll`` on the container's streams and on the signals of this process.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from typing import TYPE_CHECKING

from towline.engines.embedded.monitor import oci, status
from towline.engines.embedded.monitor.logfile import NO_ROOM
from towline.engines.embedded.monitor.process import End, Process
from towline.engines.embedded.monitor.status import Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from towline.engines.embedded.monitor.events import Announcer
    from towline.engines.embedded.monitor.instructions import Instructions
    from towline.engines.embedded.monitor.liveness import Liveness

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
STEADY_AFTER = 10.0
"""A run of so many seconds makes the next pause a short one again."""

_SAY_AGAIN_AFTER = 1.0
_LAST_WORD_TRIES = 5


class Supervisor:
    """Keeps one container as its restart policy wants it, until it rests or is to be stopped."""

    def __init__(
        self,
        instructions: Instructions,
        *,
        new_process: Callable[[], Process],
        new_liveness: Callable[[], Liveness | None],
        announcer: Announcer,
        report: Callable[[Status], None],
    ) -> None:
        self._instructions = instructions
        self._new_process = new_process
        self._new_liveness = new_liveness
        self._unwell = ""
        self._announcer = announcer
        self._report = report
        self._status = Status()
        self._stopping = False
        self._unsaid = False
        self._wakeup = _signals_as_bytes(self._ask_to_stop)

    def run(self) -> None:
        """Live the container's life; the last word is said once there is room for it on the disk."""
        self._live()
        tries = 0
        while self._unsaid and not (self._is_stopping() and tries >= _LAST_WORD_TRIES):
            tries += 1
            self._wait({}, until=time.monotonic() + _SAY_AGAIN_AFTER)

    def _live(self) -> None:
        pause = FIRST_PAUSE
        while not self._is_stopping():
            process = self._new_process()
            try:
                process.start()
            except oci.Refusal as refusal:
                self._tell(state=status.FAILED, problem=refusal.problem, detail=refusal.detail, pid=None)
                return
            began = time.monotonic()
            now = {"started_at": time.time(), "pid": process.pid, "problem": "", "detail": ""}
            self._tell(state=status.RUNNING, **now)
            end = self._watch(process)
            if self._is_stopping():
                break
            if not self._wants_restart(end):
                self._tell_ended(status.EXITED, end)
                return
            pause = FIRST_PAUSE if time.monotonic() - began >= STEADY_AFTER else pause
            self._tell_ended(status.BACKING_OFF, end)
            self._rest(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
            self._status = self._status._replace(restarts=self._status.restarts + 1)
        self._tell(state=status.STOPPED, pid=None)

    def _is_stopping(self) -> bool:
        return self._stopping  # set by a signal's handler, at any point

    def _wants_restart(self, end: End) -> bool:
        policy = self._instructions.restart
        failed = end.exit_code != 0 or self._unwell
        return policy == "always" or (policy == "onfailure" and bool(failed))

    def _watch(self, process: Process) -> End:
        """Serve the streams until the process has ended; pass a wish to stop on to it."""
        kill_at: float | None = None
        self._unwell, liveness = "", self._new_liveness()
        while True:
            ended = _reap()
            if process.pid in ended:
                if liveness is not None:
                    liveness.close()
                return process.end(ended[process.pid])
            if liveness is not None and not self._unwell:
                self._unwell = liveness.look(ended)
            if (self._stopping or self._unwell) and kill_at is None:
                process.signal(self._instructions.stop_signal)
                kill_at = time.monotonic() + self._instructions.stop_seconds
            if kill_at is not None and time.monotonic() >= kill_at:
                process.signal(signal.SIGKILL)
                kill_at = float("inf")
            due = kill_at if liveness is None or self._unwell else min(liveness.due, kill_at or liveness.due)
            for descriptor in self._wait(process.readers, until=due):
                process.read(descriptor)

    def _rest(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._stopping and time.monotonic() < until:
            self._wait({}, until=until)
            _reap()

    def _wait(self, readers: dict[int, str], *, until: float | None) -> list[int]:
        """Wait for streams, signals, or the time; return the streams that have something."""
        if self._unsaid or self._announcer.pending:
            self._say()
        poll = select.poll()
        poll.register(self._wakeup, select.POLLIN)
        for descriptor in readers:
            poll.register(descriptor, select.POLLIN)
        ready = [descriptor for descriptor, _ in poll.poll(self._patience(until))]
        if self._wakeup.fileno() in ready:
            self._wakeup.recv(4096)
        return [descriptor for descriptor in ready if descriptor in readers]

    def _patience(self, until: float | None) -> float | None:
        """Return for how many milliseconds to wait; None for ever."""
        waits = [] if until is None or until == float("inf") else [until - time.monotonic()]
        if self._unsaid or self._announcer.pending:
            waits.append(_SAY_AGAIN_AFTER)
        return max(0.0, min(waits) * 1000 + 1) if waits else None

    def _ask_to_stop(self) -> None:
        self._stopping = True

    def _tell_ended(self, state: str, end: End) -> None:
        self._tell(
            state=state,
            exit_code=end.exit_code,
            signal=end.signal,
            out_of_memory=end.out_of_memory,
            pid=None,
            problem=oci.PROBE_FAILED if self._unwell else "",
            detail=self._unwell,
        )

    def _tell(self, **changes: object) -> None:
        self._status = self._status._replace(at=time.time(), **changes)  # type: ignore[arg-type]
        self._unsaid = True
        self._say()

    def _say(self) -> None:
        """Write the status down, if that is to be done, and say so; a full disk only delays it."""
        if self._unsaid:
            try:
                self._report(self._status)
            except OSError as error:
                if error.errno not in NO_ROOM:
                    raise
                return
            self._unsaid = False
        self._announcer.announce()


def _signals_as_bytes(ask_to_stop: Callable[[], None]) -> socket.socket:
    """Have signals interrupt ``poll`` by a byte on the returned socket."""
    reader, writer = socket.socketpair()
    os.set_blocking(reader.fileno(), False)
    os.set_blocking(writer.fileno(), False)
    signal.set_wakeup_fd(writer.detach(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: ask_to_stop())
    reader.settimeout(0)
    return reader


def _reap() -> dict[int, int]:
    """Collect every child that has ended; return their wait statuses by process id."""
    found: dict[int, int] = {}
    while True:
        try:
            ended, wait_status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if ended == 0:
            return found
        found[ended] = wait_status
