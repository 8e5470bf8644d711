"""A proxy on loopback through which other programs meet a scripted stage under its hosts' own names."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from types import TracebackType
from typing import Self

from findings.stage import Stage, carry


class Tunnel:
    """Lets CONNECT through to the hosts of ``stage``, and to nobody else."""

    def __init__(self) -> None:
        self.stage: Stage | None = None
        self.url = ""
        self._talks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._door, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._talks:
            task.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    def _door(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._talk(reader, writer))
        self._talks.add(task)
        task.add_done_callback(self._talks.discard)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            method, target, _ = head.decode("latin-1").split(" ", 2)
            there = await self._reached(target) if method == "CONNECT" else None
            if there is None:
                writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
                return
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await asyncio.gather(carry(reader, there[1]), carry(there[0], writer))
        except (OSError, asyncio.IncompleteReadError):
            return  # the program went away, as it may
        finally:
            writer.close()

    async def _reached(self, target: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        host, _, port = target.rpartition(":")
        if self.stage is None:
            return None
        with contextlib.suppress(OSError):
            found = await self.stage.lookup(host, int(port), socket.AF_INET)
            return await asyncio.open_connection(*found[-1])
        return None
