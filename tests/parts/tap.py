"""A Unix socket before a real one that keeps all that goes to it: what a client really sent."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path


class Tap:
    """What was sent so far."""

    def __init__(self, path: Path) -> None:
        self.host = f"unix://{path}"
        self.sent = bytearray()
        self.server: asyncio.Server | None = None

    def end_listening(self) -> None:
        """Take no further connection; those that are there go on, as with a daemon that is told to end."""
        assert self.server is not None
        self.server.close()

    def header(self, name: str) -> list[str]:
        """Return the values of a header, in the order in which they came."""
        found = re.findall(rb"\r\n" + name.encode() + rb": ([^\r]*)\r\n", bytes(self.sent), re.IGNORECASE)
        return [value.decode() for value in found]


@asynccontextmanager
async def tapped(path: Path, *, before: str) -> AsyncIterator[Tap]:
    """Listen at ``path`` and pass everything on to the socket ``before`` and back."""
    tap = Tap(path)
    links: set[asyncio.Task[None]] = set()

    async def link(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there = await asyncio.open_unix_connection(before)
        except BaseException:
            writer.close()
            raise
        for work in (_copy(reader, there, tap.sent), _copy(there_reader, writer, None)):
            task = asyncio.create_task(work)
            links.add(task)
            task.add_done_callback(links.discard)

    tap.server = await asyncio.start_unix_server(link, str(path))
    try:
        yield tap
    finally:
        tap.end_listening()
        for task in links:
            task.cancel()
        await asyncio.gather(*links, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: bytearray | None) -> None:
    try:
        while data := await reader.read(1 << 16):
            if kept is not None:
                kept += data
            writer.write(data)
            await writer.drain()
    except OSError:
        return  # the other side is gone, as this one will be
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
