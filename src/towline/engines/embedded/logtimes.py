"""When the lines of a log came, read from what the monitor noted beside it, see ``monitor/logtimes.py``."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from towline.engines.embedded.monitor.logtimes import NAME, RECORD

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

UNKNOWN = b"-"
"""Stands for the time of a line of which nobody noted it."""


class PartTimes:
    """The times of the part of a log that has this inode, as far as they are noted."""

    def __init__(self, folder: Path, inode: int) -> None:
        self._folder = folder
        self._inode = inode
        self._file: BinaryIO | None = None
        self._rest = b""
        self._begins: list[int] = []
        self._came: list[int] = []

    def stamped(self, lines: bytes, begin: int) -> bytes:
        """Return ``lines``, which begin at that place of the part, each behind its time and a space."""
        self._read_on()
        told = list[bytes]()
        for line in _whole(lines):
            told += (self._stamp(begin), b" ", line)
            begin += len(line)
        return b"".join(told)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _stamp(self, begin: int) -> bytes:
        found = bisect_right(self._begins, begin) - 1
        return UNKNOWN if found < 0 else rfc3339(self._came[found])

    def _read_on(self) -> None:
        if self._file is None:
            self._file = self._found()
        if self._file is None:
            return
        data = self._rest + self._file.read()
        whole = len(data) - len(data) % RECORD.size
        for begin, came in RECORD.iter_unpack(data[:whole]):
            self._begins.append(begin)
            self._came.append(came)
        self._rest = data[whole:]

    def _found(self) -> BinaryIO | None:
        """Return the file that belongs to the part, behind its head, wherever rotation has moved it."""
        head = RECORD.pack(self._inode, 0)
        for path in self._folder.glob(f"{NAME}*"):
            try:
                file = path.open("rb")
            except FileNotFoundError:  # rotated away just now
                continue
            if file.read(RECORD.size) == head:
                return file
            file.close()
        return None


def rfc3339(microseconds: int) -> bytes:
    """Return a time since 1970 as RFC 3339 has it, in UTC."""
    seconds, rest = divmod(microseconds, 1_000_000)
    at = datetime.fromtimestamp(seconds, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{rest:06}Z".encode()


def _whole(lines: bytes) -> list[bytes]:
    """Split at newlines only, the last of which ends ``lines``."""
    return [line + b"\n" for line in lines.split(b"\n")[:-1]]
