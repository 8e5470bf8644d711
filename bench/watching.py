"""A thousand browsers on one deployment's page: how late the last one hears, and what each one costs."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import uvloop
from demo import place

from bench.load import Server, apart, cpu, request
from bench.table import at_most, row
from towline.domain.account import Token
from towline.ports import Transaction
from towline.services.tokens import digest_of, token_text
from towline.store.sqlite import SqliteStore

VIEWERS, EVENTS = 1000, 9
NAME = "watched"
QUIET = 2.5
"""Seconds without news after which the page is taken to stand still."""
STILL = 10
_GENERATION = re.compile(rb"<dt>Generation</dt><dd>(\d+)")
_DEPENDS = {"kind": "package", "nameOrGUID": NAME, "version": "v1"}
_WISH = {
    "kind": "Deployment",
    "metadata": {"name": NAME, "depends": _DEPENDS},
    "spec": {"runtime": "cloud"},
}


def compare(server: Server, headers: Mapping[str, str], *, project: str, email: str) -> None:
    """Measure with a deployment of the package ``watched``, which must be there."""
    uvloop.run(_measured(server, headers, project, email))


async def _measured(server: Server, headers: Mapping[str, str], project: str, email: str) -> None:
    await _sent(server.port, request("POST", "/v2/deployments/", headers, json.dumps(_WISH).encode()))
    tokens = await _sessions(email)
    with apart(server.pid):
        await _watched(server, headers, project, tokens)


async def _watched(server: Server, headers: Mapping[str, str], project: str, tokens: Sequence[str]) -> None:
    warm = [await _opened(server.port, project, token) for token in tokens[:20]]
    await _still(warm)
    before = _resident(server.pid)
    browsers = [await _opened(server.port, project, token) for token in tokens]
    await _still(browsers)
    each = (_resident(server.pid) - before) / VIEWERS
    spent, began = cpu(server.pid), time.perf_counter()
    await asyncio.sleep(STILL)
    idle = (cpu(server.pid) - spent) / (time.perf_counter() - began)
    delays = sorted([await _event(server.port, headers, browsers) for _ in range(EVENTS)])
    for browser in (*warm, *browsers):
        browser.leave()
    at_most(f"an event to the last of {VIEWERS:,} browsers", 60, delays[0] * 1000, unit="ms")
    row("the same, the middle one of the events", "-", f"{delays[EVENTS // 2] * 1000:.0f} ms")
    at_most("memory of the server for each of the browsers", 30, each, unit="kB", digits=1)
    row("CPU of the server while all of them see nothing new", "-", f"{idle:.1%} of a core")


async def _event(port: int, headers: Mapping[str, str], browsers: Sequence[_Browser]) -> float:
    """Wish the next generation; return the seconds from asking to the last browser's news of it."""
    await _still(browsers)
    following = browsers[0].generation + 1
    news = [each.hears_of(following) for each in browsers]
    ask = request("PATCH", f"/v2/deployments/{NAME}/", headers, json.dumps(_WISH).encode())
    began = time.perf_counter()
    await _sent(port, ask)
    return max(await asyncio.gather(*news)) - began


async def _sent(port: int, ask: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(ask)
    answer = await reader.readline()
    writer.close()
    if not answer.startswith(b"HTTP/1.1 2"):
        raise place.DemoFailed(f"{ask.splitlines()[0]!r} was answered {answer!r}")


async def _opened(port: int, project: str, token: str) -> _Browser:
    path = f"/projects/{project}/deployments/{NAME}/live"
    ask = request("GET", path, {"Cookie": f"towline={token}"})
    loop = asyncio.get_running_loop()
    _, browser = await loop.create_connection(lambda: _Browser(ask), "127.0.0.1", port)
    await browser.hears_of(1)
    return browser


async def _still(browsers: Sequence[_Browser]) -> None:
    """Wait until nothing new has come for a while."""
    left = QUIET
    while left > 0:
        await asyncio.sleep(left)
        left = max(each.heard_at for each in browsers) + QUIET - time.perf_counter()


async def _sessions(email: str) -> Sequence[str]:
    """Return tokens of as many sessions as there are browsers, made beside the running server."""
    store = await SqliteStore.open(place.FOLDER / "data" / "towline.db")
    texts = [token_text(secrets.token_urlsafe(32)) for _ in range(VIEWERS)]
    await store.write(lambda tx: _sign_in(tx, email, texts))
    await store.close()
    return texts


def _sign_in(tx: Transaction, email: str, texts: Sequence[str]) -> None:
    found = tx.accounts.user(email=email)
    if found is None:
        raise place.DemoFailed(f"{email} is not there")
    now = datetime.now(UTC)
    for number, text in enumerate(texts):
        guid = f"token-bench{number:020}"
        ends = now + timedelta(days=1)
        tx.accounts.add_token(Token(guid, found[0].guid, digest_of(text), created_at=now, expires_at=ends))


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0])


class _Browser(asyncio.Protocol):
    """One open page: reads its stream, and knows which generation it was told of last, and when."""

    def __init__(self, ask: bytes) -> None:
        self.generation = 0
        self.heard_at = 0.0
        self._ask = ask
        self._got = b""
        self._wanted = 0
        self._news: asyncio.Future[float] | None = None

    def hears_of(self, generation: int) -> asyncio.Future[float]:
        """Return when the whole message about ``generation`` is here, once it is."""
        self._wanted = generation
        self._news = asyncio.get_running_loop().create_future()
        self._tell()
        return self._news

    def leave(self) -> None:
        """Close the page."""
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the stream."""
        self._transport = cast("asyncio.WriteTransport", transport)
        self._transport.write(self._ask)

    def data_received(self, data: bytes) -> None:
        """Take note of a message as soon as it is whole."""
        self._got += data
        message, end, rest = self._got.rpartition(b"\n\n")
        if not end or not (found := _GENERATION.findall(message)):
            return
        self._got, self.generation, self.heard_at = rest, int(found[-1]), time.perf_counter()
        self._tell()

    def connection_lost(self, exc: Exception | None) -> None:
        """Say so to who waits for news."""
        if self._news and not self._news.done():
            self._news.set_exception(exc or place.DemoFailed("the server hung up"))

    def _tell(self) -> None:
        if self._news and not self._news.done() and self.generation >= self._wanted:
            self._news.set_result(self.heard_at)
