"""Logs as they are streamed: kept alive, ended with the log or with the client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from towline.api.operations import Stream
from towline.api.streaming import stream

REQUEST_ID = (b"x-request-id", b"r")


class Wire:
    """An ASGI connection whose client hangs up when it is told to."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.hangs_up = asyncio.Event()
        self.heard = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        await self.hangs_up.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)
        if message.get("body"):
            self.heard.set()

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)


class Log:
    """A source of chunks that never ends by itself after those it has, and notes when it is closed."""

    def __init__(self, *chunks: bytes, ends: bool = False, fails: bool = False) -> None:
        self.closed = False
        self._chunks = chunks
        self._ends = ends
        self._fails = fails

    async def read(self) -> AsyncIterator[bytes]:
        try:
            for chunk in self._chunks:
                yield chunk
            if self._fails:
                raise OSError("the file is gone")
            if not self._ends:
                await asyncio.Event().wait()
        finally:
            self.closed = True


async def test_a_log_that_ends_ends_the_answer() -> None:
    wire, log = Wire(), Log(b"one\n", b"two\n", ends=True)
    await stream(Stream(log.read()), wire.receive, wire.send, REQUEST_ID)
    assert wire.body == b"one\ntwo\n"
    assert wire.sent[0]["headers"][0] == (b"content-type", b"text/plain; charset=utf-8")
    assert wire.sent[-1] == {"type": "http.response.body", "body": b""}
    assert log.closed


async def test_a_sign_of_life_is_sent_as_an_empty_line() -> None:
    wire, log = Wire(), Log(b"one\n", b"", b"two\n", ends=True)
    await stream(Stream(log.read()), wire.receive, wire.send, REQUEST_ID)
    assert wire.body == b"one\n\ntwo\n"


async def test_a_client_that_hangs_up_ends_the_source() -> None:
    wire, log = Wire(), Log(b"one\n")
    answering = asyncio.create_task(stream(Stream(log.read()), wire.receive, wire.send, REQUEST_ID))
    await wire.heard.wait()
    assert not log.closed
    wire.hangs_up.set()
    await answering
    assert log.closed


async def test_a_server_that_stops_ends_the_source() -> None:
    wire, log = Wire(), Log(b"one\n")
    answering = asyncio.create_task(stream(Stream(log.read()), wire.receive, wire.send, REQUEST_ID))
    await wire.heard.wait()
    answering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answering
    assert log.closed


async def test_a_source_that_breaks_breaks_the_answer_off() -> None:
    wire, log = Wire(), Log(b"one\n", fails=True)
    with pytest.raises(OSError, match="the file is gone"):
        await stream(Stream(log.read()), wire.receive, wire.send, REQUEST_ID)
    assert wire.sent[-1]["more_body"]


async def test_the_headers_alone_read_nothing() -> None:
    wire, log = Wire(), Log(b"one\n")
    await stream(Stream(log.read()), wire.receive, wire.send, REQUEST_ID, only_headers=True)
    assert wire.body == b""
