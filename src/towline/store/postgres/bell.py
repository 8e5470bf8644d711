"""The bell of all servers on one database: a ring here is heard by every other one within a moment.

Rings travel by LISTEN and NOTIFY, which PostgreSQL forgets when a connection breaks; so each server also
rings for itself after every new connection and every few seconds. Words go the same way: a notice is the
sender's name, and for words the topic and the text after it.
https://www.postgresql.org/docs/current/sql-notify.html
"""

from __future__ import annotations

import asyncio
import secrets
import select
import socket
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

import psycopg

from towline.domain.errors import StoreUnavailable
from towline.store.address import DatabaseAddress
from towline.store.postgres.connection import Line, Raw

if TYPE_CHECKING:
    from collections.abc import Callable

    from towline.ports import HearingBell, Listener

POLL = 10.0
"""Seconds after which a server looks for itself, whatever it heard."""

REST = 0.02
"""Seconds between two rings that are sent: what rings meanwhile is one ring."""

_WITH_WORDS = 3
_MOST_WORDS = 1000
"""Words that wait to be told; beyond that the oldest are lost."""

_CHANNEL = "SELECT 'towline_' || substr(md5(current_schema()), 1, 12)"


class PostgresBell:
    """The port ``Bell`` for every server on a database; ``local`` is the one of this process."""

    def __init__(self, address: DatabaseAddress, local: HearingBell) -> None:
        self._line = Line(address.direct or address)  # a pooler's would hear nothing
        self._local = local
        self._me = secrets.token_hex(8)
        self._loop = asyncio.get_running_loop()
        self._mine, self._thread_end = socket.socketpair()
        self._mine.setblocking(False)  # noqa: FBT003  (the library's own signature)
        self._closing = False
        self._rang = False
        self._words: deque[tuple[str, str]] = deque(maxlen=_MOST_WORDS)
        self._thread = threading.Thread(target=self._work, name="towline-bell", daemon=True)
        self._thread.start()

    def ring(self) -> None:
        """Wake all listeners here at once, and those of other servers soon."""
        self._local.ring()
        self._rang = True
        self._nudge()

    def listen(self) -> Listener:
        """Return a new listener; it hears rings from now on, whoever rang."""
        return self._local.listen()

    def tell(self, topic: str, text: str) -> None:
        """Tell the other servers soon; see the port."""
        self._words.append((topic, text))
        self._nudge()

    def on(self, topic: str, heard: Callable[[str], None]) -> None:
        """Call ``heard`` with what others tell about a topic."""
        self._local.on(topic, heard)

    async def close(self) -> None:
        """Stop listening; a ring that was not sent yet is polled by the others."""
        self._closing = True
        self._nudge()
        await asyncio.to_thread(self._thread.join)
        self._mine.close()
        self._thread_end.close()

    def _nudge(self) -> None:
        try:
            self._mine.send(b".")
        except BlockingIOError:  # it is full of nudges that were not looked at yet: one of them will do
            return

    def _work(self) -> None:
        while not self._closing or self._words:
            try:
                raw = self._line.connected()
            except StoreUnavailable:
                if self._closing:
                    return
                self._ring_here()
                select.select([self._thread_end], [], [], 1.0)
                continue
            try:
                self._exchange(raw)
            except psycopg.Error as error:
                self._line.lost(error)
            finally:
                raw.close()

    def _exchange(self, raw: Raw) -> None:
        """Send and hear rings until the bell is closed, all told, or the connection breaks."""
        row = raw.execute(_CHANNEL.encode()).fetchone()
        channel = str(row[0]) if row else "towline"
        raw.execute(f"LISTEN {channel}".encode())
        self._ring_here()
        while not self._closing:
            ready, _, _ = select.select([raw.fileno(), self._thread_end.fileno()], [], [], POLL)
            if self._thread_end.fileno() in ready:
                self._thread_end.recv(65536)
                self._send(raw, channel)
                time.sleep(REST)
            heard = [notice.payload.split(" ", 2) for notice in raw.notifies(timeout=0)]
            others = [parts for parts in heard if parts[0] != self._me]
            for _, topic, text in (parts for parts in others if len(parts) == _WITH_WORDS):
                self._here(self._local.hear, topic, text)
            if not ready or any(len(parts) < _WITH_WORDS for parts in others):
                self._ring_here()
        self._send(raw, channel)

    def _send(self, raw: Raw, channel: str) -> None:
        """Send a ring if it rang, and what there is to tell."""
        if self._rang:
            self._rang = False
            raw.execute("SELECT pg_notify(%s, %s)", (channel, self._me))
        while self._words:
            topic, text = self._words.popleft()
            raw.execute("SELECT pg_notify(%s, %s)", (channel, f"{self._me} {topic} {text}"))

    def _ring_here(self) -> None:
        self._here(self._local.ring)

    def _here(self, call: Callable[..., None], *words: str) -> None:
        """Call something on the loop's thread."""
        try:
            self._loop.call_soon_threadsafe(call, *words)
        except RuntimeError:  # that loop is closed: nobody listens there any more
            self._closing = True
