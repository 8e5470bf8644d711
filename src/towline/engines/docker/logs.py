"""Reading a container's log: the Engine mixes both streams into frames, we give whole lines.

Frames: moby ``api/swagger.yaml``, ContainerAttach. Each is asked for with its time, for two reasons: a
followed log can lose its last line when the container ends (seen on 20.10), so the end is read again
from the last time on; and a reader that follows goes on across restarts.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING

import aiohttp

from towline.engines.docker.daemon import Refused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from towline.engines.docker.daemon import Daemon

GoesOn = Callable[[], Awaitable[bool]]
"""Waits for a container's next start; answers False when there will be none."""

SIGN_OF_LIFE = 10.0
LONGEST_LINE = 256 << 10
_HEAD = struct.Struct(">BxxxI")
_SECOND = 10**9
_GOING = (404, 409)
"""Statuses for a container that is gone or marked for removal."""


class Lines:
    """Takes bytes as they come and gives whole lines, each once; ``last`` is the time of the newest."""

    def __init__(self, *, timestamps: bool = False) -> None:
        self.last = 0
        self._timestamps = timestamps
        self._known = 0
        self._bytes = b""
        self._unfinished: dict[int, bytes] = {}

    def begin(self) -> None:
        """Expect another answer; what it repeats is left out."""
        self._bytes, self._known = b"", self.last

    def feed(self, data: bytes) -> bytes:
        """Return the lines that ``data`` completes."""
        self._bytes += data
        found = []
        for stream, frame in self._frames():
            stamp, _, text = frame.partition(b" ")
            at = nanoseconds(stamp.decode(errors="replace"))
            if at <= self._known:
                continue
            self.last = max(self.last, at)
            begun = self._unfinished.pop(stream, stamp + b" " if self._timestamps else b"")
            whole, end, rest = (begun + text).rpartition(b"\n")
            found.append(whole + end)
            if len(rest) > LONGEST_LINE:  # what is never ended is given in pieces, not kept
                found.append(rest)
            elif rest:
                self._unfinished[stream] = rest
        return b"".join(found)

    def finish(self) -> bytes:
        """Return what never got a line's end, each with one."""
        rest = b"".join(line + b"\n" for line in self._unfinished.values())
        self._unfinished.clear()
        return rest

    def _frames(self) -> Iterator[tuple[int, bytes]]:
        begin = 0
        while len(self._bytes) >= begin + _HEAD.size:
            stream, size = _HEAD.unpack_from(self._bytes, begin)
            end = begin + _HEAD.size + size
            if len(self._bytes) < end:
                break
            yield stream, self._bytes[begin + _HEAD.size : end]
            begin = end
        self._bytes = self._bytes[begin:]


def nanoseconds(stamp: str) -> int:
    """Return a time as the Engine writes it in nanoseconds; 1, the oldest there is, if it is none."""
    whole, _, fraction = stamp.removesuffix("Z").partition(".")
    try:
        seconds = int(datetime.fromisoformat(f"{whole}+00:00").timestamp())
        return seconds * _SECOND + int(fraction[:9].ljust(9, "0") or 0)
    except ValueError:
        return 1


async def last_lines(daemon: Daemon, source: str, count: int) -> list[bytes]:
    """Return the last ``count`` lines of a log; none when it cannot be read.

    ``source`` is whose log it is: ``containers/ID`` or ``tasks/ID``.
    """
    lines = Lines()
    try:
        chunks = [chunk async for chunk in _answer(daemon, source, lines, {"tail": str(count)})]
    except Refused:
        return []
    return b"".join([*chunks, lines.finish()]).splitlines()[-count:]


async def read(
    daemon: Daemon, source: str, *, follow: bool, tail: int | None, goes_on: GoesOn, timestamps: bool = False
) -> AsyncIterator[bytes]:
    """Yield the log; follow it for as long as the container goes on."""
    lines = Lines(timestamps=timestamps)
    query = {"tail": "all" if tail is None else str(tail)}
    while True:
        for wanted in ("1", "0") if follow else ("0",):
            async for chunk in _answer(daemon, source, lines, {**query, "follow": wanted}):
                yield chunk
            if lines.last:
                query = {"tail": "all", "since": f"{lines.last // _SECOND}.{lines.last % _SECOND:09d}"}
        if rest := lines.finish():
            yield rest
        if not follow:
            return
        waiting = asyncio.ensure_future(goes_on())
        try:
            while not (await asyncio.wait({waiting}, timeout=SIGN_OF_LIFE))[0]:
                yield b""
            if not waiting.result():
                return
        finally:
            waiting.cancel()


async def _answer(daemon: Daemon, source: str, lines: Lines, query: dict[str, str]) -> AsyncIterator[bytes]:
    """Yield the lines of one answer; none when the container is gone."""
    try:
        async for chunk in _stream(daemon, source, lines, query):
            yield chunk
    except Refused as refused:
        if refused.status not in _GOING:
            raise


async def _stream(daemon: Daemon, source: str, lines: Lines, query: dict[str, str]) -> AsyncIterator[bytes]:
    """Yield the lines of one answer, and a sign of life while none come."""
    lines.begin()
    wanted = {"stdout": "1", "stderr": "1", "timestamps": "1", **query}
    async with daemon.stream("GET", f"/{source}/logs", wanted) as content:
        pending: asyncio.Future[bytes] | None = None
        try:
            while True:
                pending = pending or asyncio.ensure_future(content.readany())
                if not (await asyncio.wait({pending}, timeout=SIGN_OF_LIFE))[0]:
                    yield b""
                    continue
                data, pending = pending.result(), None
                if not data:
                    return
                if chunk := lines.feed(data):
                    yield chunk
        except aiohttp.ClientPayloadError:
            return  # an Engine that removes the container cuts its log's stream
        finally:
            if pending is not None:
                pending.cancel()
