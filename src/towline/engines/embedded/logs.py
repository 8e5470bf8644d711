"""Reading a container's log: its last lines, and what comes, across rotation.

The parts are ``log`` (newest), ``log.1``, ``log.2`` and so on, see ``monitor/logfile.py``. A reader holds the
part that it reads open, so that a rename does not disturb it, and goes on to the next newer one at its end.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from towline.engines.embedded.logtimes import PartTimes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path
    from typing import BinaryIO

CHUNK = 1 << 16
LOOK_AGAIN = 0.2
SIGN_OF_LIFE = 10.0


def last_lines(folder: Path, count: int) -> Sequence[bytes]:
    """Return the last ``count`` lines of the newest part that has any."""
    for part in reversed(_parts(folder)):
        try:
            with part.open("rb") as file:
                _, lines = _tail(file, count)
        except FileNotFoundError:  # rotated away just now
            continue
        if lines:
            return [line.rstrip(b"\n") for line in lines]
    return ()


async def read(
    folder: Path, *, follow: bool, tail: int | None, is_alive: Callable[[], bool], timestamps: bool = False
) -> AsyncIterator[bytes]:
    """Yield the log in chunks that end at line ends; follow it for as long as ``is_alive`` says.

    With ``timestamps`` each line begins with the time at which it came, ``-`` where that was not noted.
    """
    reader = _Reader(folder, timestamps=timestamps)
    try:
        if tail is not None:
            reader.skip_to_last(tail)
        idle = 0.0
        while True:
            alive = is_alive()  # asked before reading: what was written before the end is still read
            chunk = reader.read()
            if chunk:
                idle = 0.0
                yield chunk
                continue
            if not follow or not alive:
                return
            await asyncio.sleep(LOOK_AGAIN)
            idle += LOOK_AGAIN
            if idle >= SIGN_OF_LIFE:
                idle = 0.0
                yield b""
    finally:
        reader.close()


class _Reader:
    """A place in a log; begins at the oldest part."""

    def __init__(self, folder: Path, *, timestamps: bool) -> None:
        self._folder = folder
        self._timestamps = timestamps
        self._file: BinaryIO | None = None
        self._times: PartTimes | None = None
        self._rest = b""
        self._open_oldest()

    def skip_to_last(self, count: int) -> None:
        """Go to where the last ``count`` lines begin."""
        wanted = count
        for path in reversed(_parts(self._folder)):
            self._reopen(path)
            if self._file is None:
                continue
            start, found = _tail(self._file, wanted)
            self._file.seek(start)
            wanted -= len(found)
            if wanted <= 0:
                return

    def read(self) -> bytes:
        """Return whole lines that are there and were not read yet; nothing if there are none."""
        while True:
            data = self._file.read(CHUNK) if self._file is not None else b""
            if not data:
                if not self._go_on():
                    return b""
                continue
            whole, end, self._rest = (self._rest + data).rpartition(b"\n")
            if end:
                return self._told(whole + end)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._times is not None:
            self._times.close()
            self._times = None

    def _told(self, lines: bytes) -> bytes:
        if self._times is None or self._file is None:
            return lines
        return self._times.stamped(lines, self._file.tell() - len(self._rest) - len(lines))

    def _go_on(self) -> bool:
        """At the end of a part that is not the newest any more: open the next one."""
        if self._file is None:
            return self._open_oldest()
        here = os.fstat(self._file.fileno()).st_ino
        parts = _parts(self._folder)
        numbers = [_inode(path) for path in parts]
        if not parts or numbers[-1] == here:
            return False
        if self._file.read(1):  # written between the last read and the rename
            self._file.seek(-1, os.SEEK_CUR)
            return True
        following = numbers.index(here) + 1 if here in numbers else 0
        self._reopen(parts[following])
        return True

    def _open_oldest(self) -> bool:
        parts = _parts(self._folder)
        if parts:
            self._reopen(parts[0])
        return bool(parts)

    def _reopen(self, path: Path) -> None:
        self.close()
        try:
            self._file = path.open("rb")
        except FileNotFoundError:  # rotated away just now
            self._file = None
        if self._timestamps and self._file is not None:
            self._times = PartTimes(self._folder, os.fstat(self._file.fileno()).st_ino)


def _parts(folder: Path) -> Sequence[Path]:
    """Return the parts that exist, oldest first."""
    rotated = [path for path in folder.glob("log.*") if path.suffix[1:].isdigit()]
    newest = folder / "log"
    ordered = sorted(rotated, key=lambda path: int(path.suffix[1:]), reverse=True)
    return [*ordered, newest] if newest.exists() else ordered


def _tail(file: BinaryIO, count: int) -> tuple[int, Sequence[bytes]]:
    """Return where the last lines of a file begin, in bytes, and the lines, each with its end.

    It may grow meanwhile: what comes after its present end is not among them.
    """
    position = end = file.seek(0, os.SEEK_END)
    if count <= 0:
        return end, ()
    data = b""
    while position > 0 and data.count(b"\n") <= count:
        step = min(CHUNK, position)
        position -= step
        file.seek(position)
        data = file.read(step) + data
    lines = _split(data)[-count:]
    return end - sum(map(len, lines)), lines


def _split(data: bytes) -> list[bytes]:
    """Split at newlines only."""
    lines = data.split(b"\n")
    last = lines.pop()
    return [*(line + b"\n" for line in lines), *([last] if last else [])]


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0
