"""A container's log on disk: both streams as they come, whole lines, rotated by size.

The file holds the process's own bytes and nothing else; when they came is noted beside it (``logtimes.py``).
``log`` is the newest part, ``log.1`` the one before, and so on; only the monitor writes, so that a rename is
all that rotating takes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from typing import TYPE_CHECKING

from towline.engines.embedded.monitor.logtimes import NAME, LogTimes

if TYPE_CHECKING:
    from collections.abc import Callable

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
LONGEST_LINE = 16 * 1024
"""What has no line end by then is written as it is."""


class LogFile:
    """Appends to ``path``; begins a new part once ``limit`` bytes are reached, and keeps ``keep`` parts.

    ``limit`` should be well above what is written at once, as one write is never split. Where there is no
    room on the disk, lines are dropped: a container goes on without its log sooner than it ends for it.
    """

    def __init__(self, path: str, *, limit: int, keep: int, now: Callable[[], int] = time.time_ns) -> None:
        self._path = path
        self._limit = limit
        self._keep = keep
        self._now = now
        self._times_path = os.path.join(os.path.dirname(path), NAME)
        self._fd = self._open()
        self._times = self._open_times()
        self._size = os.fstat(self._fd).st_size

    def write(self, data: bytes) -> None:
        """Append ``data``, which should end at a line's end."""
        try:
            self._append(data)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise

    def _append(self, data: bytes) -> None:
        if self._size and self._size + len(data) > self._limit:
            self._rotate()
        self._times.note(self._size)
        view = memoryview(data)
        while view:
            written = os.write(self._fd, view)
            view = view[written:]
            self._size += written

    def close(self) -> None:
        """Close the file; nothing is buffered here."""
        os.close(self._fd)
        self._times.close()

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _open_times(self) -> LogTimes:
        return LogTimes(self._times_path, self._fd, now=self._now)

    def _rotate(self) -> None:
        """Begin a new part; raise OSError before anything is moved where there is no room for its files."""
        fresh = [(f"{path}.new", path) for path in (self._path, self._times_path)]
        for path, _ in fresh:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        for number in range(self._keep - 2, -1, -1):
            for path in (self._path, self._times_path):
                with contextlib.suppress(FileNotFoundError):
                    os.rename(part(path, number), part(path, number + 1))
        for path, place in fresh:
            os.rename(path, place)
        self.close()
        self._fd = self._open()
        self._times = self._open_times()
        self._size = 0


class Lines:
    """Joins two streams into one log without mixing their lines."""

    def __init__(self, log: LogFile) -> None:
        self._log = log
        self._rest = {"stdout": b"", "stderr": b""}
        self._last_error = b""

    @property
    def last_error(self) -> str:
        """The last whole line of the error stream."""
        return self._last_error.decode(errors="replace")

    def feed(self, stream: str, data: bytes) -> None:
        """Take what a stream delivered; whole lines are written at once."""
        whole, end, rest = (self._rest[stream] + data).rpartition(b"\n")
        if len(rest) > LONGEST_LINE:
            whole, end, rest = whole + end + rest, b"\n", b""
        self._rest[stream] = rest
        if end:
            self._write(stream, whole + end)

    def finish(self) -> None:
        """Write what is left of lines that were never ended."""
        for stream, rest in self._rest.items():
            if rest:
                self._write(stream, rest + b"\n")
            self._rest[stream] = b""

    def _write(self, stream: str, lines: bytes) -> None:
        if stream == "stderr":
            self._last_error = lines[:-1].rpartition(b"\n")[2]
        self._log.write(lines)


def part(path: str, number: int) -> str:
    """Return the path of a part of a log, 0 being the newest."""
    return f"{path}.{number}" if number else path
