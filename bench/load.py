"""A client that asks as fast as it is answered, on a core of its own, and counts what the server spends."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import uvloop
from demo import place

END_OF_HEAD = b"\r\n\r\n"


@dataclass(frozen=True)
class Spent:
    """What a number of requests took: CPU of the server a request, time in all, time of each."""

    cpu: float
    wall: float
    delays: list[float]

    @property
    def a_second(self) -> float:
        """How many requests were answered in a second."""
        return len(self.delays) / self.wall

    @property
    def late(self) -> float:
        """The milliseconds within which 99 of 100 were answered."""
        return statistics.quantiles(self.delays, n=100)[98] * 1000


@dataclass(frozen=True)
class Server:
    """A process that answers on a port of the loopback."""

    pid: int
    port: int

    def spent(self, ask: Callable[[int], bytes], *, count: int, clients: int) -> Spent:
        """Send what ``ask`` makes of the numbers up to ``count``, over ``clients`` connections."""
        with apart(self.pid):
            before = cpu(self.pid)
            began = time.perf_counter()
            delays = uvloop.run(_asked(self.port, ask, count, clients))
            wall = time.perf_counter() - began
            return Spent((cpu(self.pid) - before) / count, wall, delays)


def request(method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """Return a request as it goes over the wire."""
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"{method} {path} HTTP/1.1\r\nHost: bench\r\n{head}{length}\r\n".encode() + body


def cpu(pid: int) -> float:
    """Return the seconds of CPU that a process has used, all its threads together."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(each.read_text().split()[0]) for each in threads) / 1e9


@contextmanager
def apart(pid: int) -> Iterator[None]:
    """Keep the server on one core and this process on the others, where there are others."""
    cores = os.sched_getaffinity(0)
    first = min(cores)
    threads = [int(each.name) for each in Path(f"/proc/{pid}/task").iterdir()]
    if len(cores) == 1:
        yield
        return
    for thread in threads:
        os.sched_setaffinity(thread, {first})
    os.sched_setaffinity(0, cores - {first})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
        for thread in threads:
            os.sched_setaffinity(thread, cores)


async def _asked(port: int, ask: Callable[[int], bytes], count: int, clients: int) -> list[float]:
    loop = asyncio.get_running_loop()
    numbers = iter(range(count))
    connections = []
    for _ in range(clients):
        _, connection = await loop.create_connection(lambda: _Connection(ask, numbers), "127.0.0.1", port)
        connections.append(connection)
    await asyncio.gather(*(each.done for each in connections))
    return [delay for each in connections for delay in each.delays]


class _Connection(asyncio.Protocol):
    """Sends one request after the other, and takes the time of each."""

    def __init__(self, ask: Callable[[int], bytes], numbers: Iterator[int]) -> None:
        self.delays: list[float] = []
        self.done = asyncio.get_running_loop().create_future()
        self._ask = ask
        self._numbers = numbers
        self._got = b""
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.WriteTransport", transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        """Go on as soon as the answer is whole."""
        self._got += data
        head, end, body = self._got.partition(END_OF_HEAD)
        if not end:
            return
        if not head.startswith(b"HTTP/1.1 2"):
            self._ended(place.DemoFailed(self._got.decode(errors="replace")))
            return
        if len(body) == int(head.lower().partition(b"content-length:")[2].split()[0]):
            self.delays.append(time.perf_counter() - self._began)
            self._got = b""
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        """End; what is unanswered is a failure."""
        self._ended(exc or place.DemoFailed("the server hung up"))

    def _next(self) -> None:
        number = next(self._numbers, None)
        if number is None:
            self._ended(None)
            return
        self._began = time.perf_counter()
        self._transport.write(self._ask(number))

    def _ended(self, failure: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(failure) if failure else self.done.set_result(None)
            self._transport.close()
