"""A server that writes whatever bytes it likes, and remembers whatever bytes it hears.

Raw sockets, as no web framework can be made to behave this badly. One request a connection.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

USER, PASSWORD = "jane", "hunter2-not-for-you"
LOGIN = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
BASIC = 'WWW-Authenticate: Basic realm="r"\r\n'


@dataclass(frozen=True)
class Call:
    """One request, as it came: the first line taken apart and the whole head."""

    method: str
    target: str
    head: str

    @property
    def authorization(self) -> str:
        """The Authorization header, empty where there is none."""
        lines = (line.partition(":") for line in self.head.split("\r\n"))
        return next((text.strip() for name, _, text in lines if name.lower() == "authorization"), "")

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]


Says = Callable[[Call], "bytes | AsyncIterator[bytes]"]


@dataclass
class Villain:
    """What the server says to each request, and what it heard. ``netloc`` is where it listens."""

    says: Says
    netloc: str = ""
    heard: list[Call] = field(default_factory=list)

    @property
    def logins(self) -> list[Call]:
        """Every request that holds the password in any form."""
        return [call for call in self.heard if PASSWORD in call.head or LOGIN in call.head]

    @property
    def authorized(self) -> list[Call]:
        """Every request with an Authorization header."""
        return [call for call in self.heard if call.authorization]

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Hear one request and answer it."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            method, target, _ = head.split(" ", 2)
            call = Call(method, target, head)
            self.heard.append(call)
            said = self.says(call)
            if isinstance(said, bytes):
                said = once(said)
            async for piece in said if method != "HEAD" else once(await only_head(said)):
                writer.write(piece)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            return  # the client has had enough, as is hoped for
        finally:
            writer.close()


@asynccontextmanager
async def loose(says: Says) -> AsyncIterator[Villain]:
    """Let a villain loose on loopback; it is gone afterwards."""
    villain, talks = Villain(says), set[asyncio.Task[None]]()

    def door(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.create_task(villain.talk(reader, writer)))

    server = await asyncio.start_server(door, "127.0.0.1", 0, limit=1 << 20)
    villain.netloc = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield villain
    finally:
        server.close()
        for task in talks:
            task.cancel()
        for ended in await asyncio.gather(*talks, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended


def answer(status: int, body: bytes = b"", *, headers: str = "", kind: str = "application/json") -> bytes:
    """Return a whole answer; ``headers`` are lines with their ends."""
    head = f"HTTP/1.1 {status} Because\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Connection: close\r\n{headers}\r\n".encode("latin-1") + body


def refusal(code: str, message: str, *, status: int = 401, headers: str = BASIC) -> bytes:
    """Return a registry's error."""
    body = json.dumps({"errors": [{"code": code, "message": message}]}).encode()
    return answer(status, body, headers=headers)


async def once(piece: bytes) -> AsyncIterator[bytes]:
    """Yield one piece."""
    yield piece


async def only_head(said: AsyncIterator[bytes]) -> bytes:
    """Return what answers a HEAD: the first piece up to the blank line."""
    head, blank, _ = (await anext(said)).partition(b"\r\n\r\n")
    return head + blank


async def poured(first: bytes, drop: bytes, *, every: float = 0) -> AsyncIterator[bytes]:
    """Yield ``first``, then ``drop`` for ever."""
    yield first
    while True:
        await asyncio.sleep(every)
        yield drop
