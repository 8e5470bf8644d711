"""What changes while one looks: a part of a page, sent anew whenever it reads differently.

One stream per tab (server-sent events, https://html.spec.whatwg.org/multipage/server-sent-events.html);
each message is the part's HTML. All who may see the same share one rendering of it, made for nobody: what
is a person's own, the token of a session's forms, is put in for each reader. A stream ends when its reader
may not see the part any more.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from starlette.responses import StreamingResponse

from towline.console.templating import HEADERS
from towline.domain.errors import TowlineError
from towline.services.leaving import Leaving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Hashable

    from starlette.responses import Response

    from towline.ports import Bell

    Render = Callable[[], Awaitable[str]]
    Asked = Callable[[], Awaitable[bool]]

LOOK = 1.0
"""Seconds between two looks at what has no bell, such as a pull's progress."""
APART = 0.1
"""Seconds of rest after a look that the bell asked for, however often it rings."""
HEAVY = 0.05
"""Seconds that a look may take before the next ones are made rarer."""
REST = 20

CHECK = 2.0
"""Seconds after which it is asked again whether a reader may still see the part."""
HEARTBEAT = 15.0
"""Seconds without news after which a comment tells both ends that the other is there."""

OVER = b"event: over\ndata: \n\n"
HERE = b": here\n\n"
COME_AGAIN = b"retry: 1000\n: the server ends; connect again\n\n"


class LiveParts:
    """The parts that somebody watches. A part's key tells apart all that do not read the same."""

    def __init__(self, bell: Bell, leaving: Leaving | None = None) -> None:
        self._leaving = leaving or Leaving()
        self._leaving.then(self._wake_all)
        self.blank = secrets.token_hex(32)
        """Stands in a part where a reader's form token belongs; never sent, so that nobody can write it."""
        self._bell = bell
        self._parts: dict[Hashable, _Part] = {}

    async def stream(self, key: Hashable, render: Render, *, form_token: str, still_may: Asked) -> Response:
        """Return the stream of a part to one reader; raise what keeps the part from being shown."""
        await self._part(key, render).is_shown()
        messages = self._messages(key, render, form_token.encode(), still_may)
        return StreamingResponse(messages, media_type="text/event-stream", headers=HEADERS)

    async def _messages(
        self, key: Hashable, render: Render, form_token: bytes, still_may: Asked
    ) -> AsyncIterator[bytes]:
        part, clock = self._part(key, render), asyncio.get_running_loop().time
        told, checked, spoke = 0, clock(), clock()
        part.readers += 1
        try:
            while part.failure is None:
                if clock() - checked >= CHECK:
                    if not await still_may():
                        break
                    checked = clock()
                if part.number != told:
                    told, spoke = part.number, clock()
                    yield form_token.join(part.pieces)
                elif clock() - spoke >= HEARTBEAT:
                    spoke = clock()
                    yield HERE
                await part.news(told, within=CHECK)
                if self._leaving.is_said:
                    yield COME_AGAIN
                    return
        finally:
            part.readers -= 1
        if part.failure is None or isinstance(part.failure, TowlineError):
            yield OVER
            return
        raise part.failure

    def _wake_all(self) -> None:
        for part in self._parts.values():
            part.wake()

    def _part(self, key: Hashable, render: Render) -> _Part:
        """Return the part that is watched under this key, or begin to watch it."""
        part = self._parts.get(key)
        if part is None or part.task.done():
            part = self._parts[key] = _Part(render, self._bell, blank=self.blank.encode())
            part.task.add_done_callback(partial(self._ended, key, part))
        return part

    def _ended(self, key: Hashable, part: _Part, task: asyncio.Task[None]) -> None:
        part.end(None if task.cancelled() else task.exception())
        if self._parts.get(key) is part:
            del self._parts[key]


class _Part:
    """One part, looked at for all its readers, until the first look that nobody is there for."""

    def __init__(self, render: Render, bell: Bell, *, blank: bytes) -> None:
        self.readers = 0
        self.number = 0
        """Counts the messages; ``pieces`` is the newest, cut where form tokens belong."""
        self.pieces: list[bytes] = []
        self.failure: BaseException | None = None
        self._render = render
        self._listener = bell.listen()
        self._blank = blank
        self._news = asyncio.Event()
        self._last = ""
        self.task = asyncio.create_task(self._watch())

    async def is_shown(self) -> None:
        """Wait for the first message; raise why there is none."""
        await self.news(0, within=None)
        if self.failure is not None:
            raise self.failure

    async def news(self, told: int, *, within: float | None) -> None:
        """Wait for a message after the one numbered ``told`` or for the end, at most ``within`` seconds."""
        if self.number == told and self.failure is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(within):
                    await self._news.wait()

    def wake(self) -> None:
        """Let every reader look up, though there is no message."""
        self._news.set()

    def end(self, failure: BaseException | None) -> None:
        """Tell the readers why there will be nothing more."""
        self.failure = failure
        self._news.set()

    async def _watch(self) -> None:
        loop, rang = asyncio.get_running_loop(), False
        while self.number == 0 or self.readers:
            began = loop.time()
            self._tell(await self._render())
            await asyncio.sleep(max(rest_after(loop.time() - began), APART if rang else 0.0))
            rang = await self._listener.heard(LOOK)

    def _tell(self, text: str) -> None:
        """Wake the readers if the part reads differently now."""
        if text == self._last and self.number:
            return
        self._last = text
        self.pieces = message(text).split(self._blank)
        self.number += 1
        self._news.set()
        self._news = asyncio.Event()


def rest_after(took: float) -> float:
    """Return the seconds to wait, bell or not, after a look that took so long: a big list tires nobody."""
    return took * REST if took > HEAVY else 0.0


def message(text: str) -> bytes:
    """Return ``text`` as one message, each line a ``data`` field."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return ("".join(f"data: {line}\n" for line in lines) + "\n").encode()
