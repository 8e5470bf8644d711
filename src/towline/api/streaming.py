"""Answers on their way: ready ones, and those that go on, as a container's log does.

The latter end with their source, or as soon as the client hangs up.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from towline.services.leaving import Leaving

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from starlette.types import Receive, Send

    from towline.api.operations import Header, Reply, Stream

KEEP_ALIVE = b"\n"


async def answer(reply: Reply, send: Send, request_id: Header) -> None:
    """Send an answer that is ready."""
    body, status, headers = reply
    headers = [*headers, (b"content-length", b"%d" % len(body)), request_id]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def stream(
    reply: Stream,
    receive: Receive,
    send: Send,
    request_id: Header,
    *,
    leaving: Leaving | None = None,
    only_headers: bool = False,
) -> None:
    """Send the chunks as they come; close their source in every case.

    When the server is about to end, the farewell is the last chunk.
    """
    leaving = leaving or Leaving()
    headers = [*reply.headers, request_id]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    try:
        if not only_headers:
            await _until_either(_pump(reply, send), _hung_up(receive), leaving.heard())
    finally:
        close = getattr(reply.chunks, "aclose", None)
        if close is not None:
            await close()
    farewell = reply.farewell if leaving.is_said else b""
    await send({"type": "http.response.body", "body": farewell})


async def _pump(reply: Stream, send: Send) -> None:
    async for chunk in reply.chunks:
        await send({"type": "http.response.body", "body": chunk or KEEP_ALIVE, "more_body": True})


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _until_either(*works: Coroutine[None, None, None]) -> None:
    """Wait until one of ``works`` ends, then cancel the others; raise what the one that ended raised."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
