"""When what a log holds came: a small file beside each of the log's parts, so that these stay as they are.

``times`` belongs to ``log``, ``times.1`` to ``log.1`` and so on. Records are two unsigned numbers of 64 bits,
little endian. The first record holds the inode of the part that it belongs to, and 0; each other one where in
the part something begins, and when that came, in microseconds since 1970. What came within a millisecond of
the record before has none of its own.
"""

from __future__ import annotations

import errno
import os
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "times"
RECORD = struct.Struct("<QQ")
CLOSE = 1000


class LogTimes:
    """Appends to the file at ``path``, for the part that is open as ``log``; ``now`` is in nanoseconds."""

    def __init__(self, path: str, log: int, *, now: Callable[[], int]) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._now = now
        self._last = 0
        head = RECORD.pack(os.fstat(log).st_ino, 0)
        size = os.fstat(self._fd).st_size
        if os.pread(self._fd, RECORD.size, 0) == head:
            self._size = size - size % RECORD.size
            os.ftruncate(self._fd, self._size)
        else:  # of a part that went without its times, or none yet
            os.ftruncate(self._fd, 0)
            self._size = 0
            self._append(head)

    def note(self, begin: int) -> None:
        """Note that what begins there comes now."""
        now = self._now() // 1000
        if not 0 <= now - self._last < CLOSE:
            self._append(RECORD.pack(begin, now))
            self._last = now

    def close(self) -> None:
        """Close the file; nothing is buffered here."""
        os.close(self._fd)

    def _append(self, record: bytes) -> None:
        try:
            written = os.write(self._fd, record)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            written = 0
        if written < len(record):  # the disk is full: no half record may stay
            os.ftruncate(self._fd, self._size)
        else:
            self._size += len(record)
