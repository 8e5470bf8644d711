"""One run of a container: from the runtime's ``create`` to the exit of its process."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, NamedTuple

from towline.engines.embedded.monitor import oci, rootfs

if TYPE_CHECKING:
    from towline.engines.embedded.monitor.instructions import Instructions
    from towline.engines.embedded.monitor.logfile import Lines

_CHUNK = 1 << 16
_ERROR_TEXT = 8 * 1024
_LARGEST_PIPE = 1 << 20
_EXECUTION = 5.0
"""Seconds within which an image's command is executed once the runtime has said so."""


class End(NamedTuple):
    """How a process ended."""

    exit_code: int
    signal: int | None
    out_of_memory: bool


class Process:
    """A container's process and its streams; made anew for each run."""

    def __init__(self, instructions: Instructions, *, bundle: str, lines: Lines) -> None:
        self._instructions = instructions
        self._bundle = bundle
        self._lines = lines
        self._runtime = oci.Runtime(
            instructions.runtime, root=instructions.runtime_root, container=instructions.container
        )
        self._readers: dict[int, str] = {}
        self._groups: dict[str, str] = {}
        self.pid = 0

    @property
    def readers(self) -> dict[int, str]:
        """The reading ends of the streams that are still open."""
        return self._readers

    def start(self) -> None:
        """Start the process, or raise Refusal with nothing left behind."""
        self._runtime.delete()  # what a run before, or a monitor that was killed, may have left
        streams = self._open_streams()
        try:
            self._create(streams)
            self._groups = self._runtime.control_groups()
            self._let_go(streams)
        except (OSError, oci.Refusal) as error:
            self.discard()
            if isinstance(error, oci.Refusal):
                raise
            raise oci.Refusal(oci.ENGINE_ERROR, str(error)) from error
        finally:
            os.close(streams.output)
            os.close(streams.error)

    def read(self, descriptor: int) -> None:
        """Move what a stream holds now into the log; forget the stream at its end."""
        with contextlib.suppress(BlockingIOError):
            data = os.read(descriptor, _CHUNK)
            self._lines.feed(self._readers[descriptor], data)
            if not data:
                del self._readers[descriptor]
                os.close(descriptor)

    def signal(self, number: int) -> None:
        """Send the process a signal; it is a child of ours, so its id cannot have been given away."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def end(self, wait_status: int) -> End:
        """Take down what the ended process leaves and say how it ended."""
        code = os.waitstatus_to_exitcode(wait_status)
        self._drain()
        killed = oci.oom_kills(self._groups) > 0
        self.discard()
        return End(
            exit_code=128 - code if code < 0 else code,
            signal=-code if code < 0 else None,
            out_of_memory=killed and code != 0,
        )

    def discard(self) -> None:
        """Remove container and control group from the runtime, and close the streams."""
        self._runtime.delete()
        for descriptor in self._readers:
            os.close(descriptor)
        self._readers.clear()

    def _create(self, streams: oci.Streams) -> None:
        instructions = self._instructions
        if hostile := rootfs.hostile_mount_point(self._bundle):
            raise oci.Refusal(oci.IMAGE_REFUSED, hostile)
        rootfs.write_bundle(
            self._bundle, configuration=instructions.configuration, hostname=instructions.hostname
        )
        try:
            self.pid = self._runtime.create(self._bundle, streams)
        except ChildProcessError as error:
            raise oci.refused(self._error_text(), command=instructions.command) from error
        finally:
            rootfs.forget_configuration(self._bundle)

    def _let_go(self, streams: oci.Streams) -> None:
        """Have the runtime execute the image's command, and see that it really did.

        The waiting process keeps the runtime's own command line until then.
        """
        waiting = _command_line(self.pid)
        self._runtime.start(streams)
        until = time.monotonic() + _EXECUTION
        while _command_line(self.pid) in (waiting, b"") and time.monotonic() < until:
            ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is not None:
                self._blame(ended.si_status)
                return
            time.sleep(0.001)

    def _blame(self, exit_code: int) -> None:
        """Raise Refusal if what has ended already was not the image's command, but still the runtime."""
        self._drain()
        refusal = oci.ended_before_it_began(self._lines.last_error) if exit_code == 1 else None
        if refusal is not None:
            raise refusal

    def _open_streams(self) -> oci.Streams:
        writers = []
        for name in ("stdout", "stderr"):
            reader, writer = os.pipe2(os.O_CLOEXEC)
            os.set_blocking(reader, False)
            self._readers[reader] = name
            writers.append(writer)
        return oci.Streams(*writers)

    def _error_text(self) -> str:
        reader = next(descriptor for descriptor, name in self._readers.items() if name == "stderr")
        with contextlib.suppress(BlockingIOError):
            return os.read(reader, _ERROR_TEXT).decode(errors="replace")
        return ""

    def _drain(self) -> None:
        for descriptor in list(self._readers):
            self._read_all(descriptor)
        self._lines.finish()

    def _read_all(self, descriptor: int) -> None:
        """Read what a dead process can have left, no more: something outside may hold the other end."""
        with contextlib.suppress(BlockingIOError):
            for _ in range(_LARGEST_PIPE // _CHUNK):
                self._lines.feed(self._readers[descriptor], os.read(descriptor, _CHUNK))


def _command_line(pid: int) -> bytes:
    """Return a process's command line; nothing once it has ended."""
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read()
