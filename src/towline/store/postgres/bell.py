"""The bell of all servers on one database: a ring here is heard by every other one within a moment.

Rings travel by LISTEN and NOTIFY, which PostgreSQL forgets when a connection breaks; so each server also
rings for itself after every new connection and every few seconds.
https://www.postgresql.org/docs/current/sql-notify.html
"""

from __future__ import annotations

import asyncio
import secrets
import select
import socket
import threading
import time
from typing import TYPE_CHECKING

import psycopg

from towline.domain.errors import StoreUnavailable
from towline.store.address import DatabaseAddress
from towline.store.postgres.connection import Line, Raw

if TYPE_CHECKING:
    from towline.ports import Bell, Listener

POLL = 10.0
"""Seconds after which a server looks for itself, whatever it heard."""

REST = 0.02
"""Seconds between two rings that are sent: what rings meanwhile is one ring."""

_CHANNEL = "SELECT 'towline_' || substr(md5(current_schema()), 1, 12)"


class PostgresBell:
    """The port ``Bell`` for every server on a database; ``local`` is the one of this process."""

    def __init__(self, address: DatabaseAddress, local: Bell) -> None:
        self._line = Line(address)
        self._local = local
        self._me = secrets.token_hex(8)
        self._loop = asyncio.get_running_loop()
        self._mine, self._thread_end = socket.socketpair()
        self._mine.setblocking(False)  # noqa: FBT003  (the library's own signature)
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="towline-bell", daemon=True)
        self._thread.start()

    def ring(self) -> None:
        """Wake all listeners here at once, and those of other servers soon."""
        self._local.ring()
        self._nudge()

    def listen(self) -> Listener:
        """Return a new listener; it hears rings from now on, whoever rang."""
        return self._local.listen()

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
        while not self._closing:
            try:
                raw = self._line.connected()
            except StoreUnavailable:
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
        """Send and hear rings until the bell is closed or the connection breaks."""
        row = raw.execute(_CHANNEL.encode()).fetchone()
        channel = str(row[0]) if row else "towline"
        raw.execute(f"LISTEN {channel}".encode())
        self._ring_here()
        while not self._closing:
            ready, _, _ = select.select([raw.fileno(), self._thread_end.fileno()], [], [], POLL)
            if self._thread_end.fileno() in ready:
                self._thread_end.recv(65536)
                raw.execute("SELECT pg_notify(%s, %s)", (channel, self._me))
                time.sleep(REST)
            heard = [notice.payload for notice in raw.notifies(timeout=0)]
            if not ready or any(payload != self._me for payload in heard):
                self._ring_here()

    def _ring_here(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._local.ring)
        except RuntimeError:  # that loop is closed: nobody listens there any more
            self._closing = True
