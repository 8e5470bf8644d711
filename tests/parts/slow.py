"""A door in front of a registry through which its answers come slowly, so that a pull can be watched."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

CHUNK = 16_384


@contextmanager
def slowly(netloc: str, *, rate: int) -> Iterator[str]:
    """Yield an address of the loopback that leads to ``netloc``, at ``rate`` bytes a second in all."""
    ready, box = threading.Event(), list[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]]()
    host, _, port = netloc.rpartition(":")
    thread = threading.Thread(target=lambda: asyncio.run(_serve(host, int(port), rate, ready, box)))
    thread.start()
    try:
        ready.wait()
        [(loop, over, here)] = box
        yield f"127.0.0.1:{here}"
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()


async def _serve(
    host: str,
    port: int,
    rate: int,
    ready: threading.Event,
    box: list[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]],
) -> None:
    over, turn = asyncio.Event(), asyncio.Lock()

    async def through(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection(host, port)
        pipes = (_pipe(reader, inner_writer), _pipe(inner_reader, writer, turn=turn, rate=rate))
        with contextlib.suppress(OSError, asyncio.CancelledError):  # the end of the loop is the end of it
            await asyncio.gather(*pipes)

    server = await asyncio.start_server(through, "127.0.0.1", 0)
    box.append((asyncio.get_running_loop(), over, server.sockets[0].getsockname()[1]))
    ready.set()
    await over.wait()
    server.close()


async def _pipe(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    *,
    turn: asyncio.Lock | None = None,
    rate: int = 0,
) -> None:
    """Carry bytes one way; with ``turn`` only while it is this way's turn, for as long as they take."""
    try:
        while chunk := await reader.read(CHUNK):
            if turn is not None:
                async with turn:
                    await asyncio.sleep(len(chunk) / rate)
            writer.write(chunk)
            await writer.drain()
    finally:
        writer.close()
