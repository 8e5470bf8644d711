"""Starting monitors, hearing from them, stopping them, and noticing when one is gone.

A monitor is no child of this process. It is known by a handle on its process (pidfd), which cannot
come to mean another process, and it is alive exactly as long as its folder's lock is held.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

from towline.engines.embedded.containers import lock, monitor_pid
from towline.engines.embedded.monitor import launch
from towline.engines.embedded.monitor.events import SOCKET, socket_path
from towline.engines.embedded.monitor.instructions import encode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from towline.engines.embedded.monitor.instructions import Instructions

_HANDSHAKE = 90.0
_WRITING_ITS_PID = 5.0
_KILL_AFTER = 20.0
"""Seconds beyond the container's own grace after which a monitor that does not end is killed."""


class MonitorGone(Exception):
    """A monitor ended before it could say how its container's start went; the text is its own."""


class Monitor:
    """A running monitor."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    @classmethod
    async def running_in(cls, folder: Path) -> Monitor | None:
        """Return the monitor that holds this folder; None if there is none."""
        loop = asyncio.get_running_loop()
        until = loop.time() + _WRITING_ITS_PID
        while True:
            mine = lock(folder)
            if mine is not None:
                os.close(mine)
                return None
            pid = monitor_pid(folder)
            if pid is not None and (monitor := cls._by_pid(pid, folder)) is not None:
                return monitor
            if loop.time() > until:
                return None
            await asyncio.sleep(0.02)  # it has the lock and is about to write its number down

    @classmethod
    def _by_pid(cls, pid: int, folder: Path) -> Monitor | None:
        """Return a handle on ``pid``, if it still was the lock's holder once we had the handle."""
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            return None
        mine = lock(folder)
        if mine is None:
            return cls(handle)
        os.close(mine)
        os.close(handle)
        return None

    async def ended(self) -> None:
        """Wait until the monitor is gone."""
        await readable(self._handle)

    def ask_to_stop(self) -> None:
        """Have it end its container and itself."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, signal.SIGTERM)

    async def stop(self, *, seconds: float) -> bool:
        """Have it end, giving the container ``seconds``; return False if it had to be killed."""
        self.ask_to_stop()
        try:
            async with asyncio.timeout(seconds + _KILL_AFTER):
                await self.ended()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)
            await self.ended()
            return False
        return True

    def forget(self) -> None:
        """Give the handle back; the monitor goes on."""
        os.close(self._handle)


async def launched(instructions: Instructions, folder: Path) -> None:
    """Start a monitor and return once its container was started or could not be.

    ``instructions.lock`` is the folder's lock, which changes hands. Raises MonitorGone when the monitor
    ended before it could write a status.
    """
    voice = await asyncio.to_thread(_spawn, instructions, folder)
    try:
        async with asyncio.timeout(_HANDSHAKE):
            await readable(voice)
        if not os.read(voice, 1):
            raise MonitorGone(_last_words(folder))
    except TimeoutError as error:
        raise MonitorGone(f"no word from it for {_HANDSHAKE:.0f} s") from error
    finally:
        os.close(voice)


class Ear:
    """The socket on which monitors say that something changed."""

    def __init__(self, run: Path, heard: Callable[[str], None]) -> None:
        self._run = run
        self._heard = heard
        self._socket: socket.socket | None = None

    def open(self) -> None:
        """Begin to listen."""
        (self._run / SOCKET).unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        folder = os.open(self._run, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._socket.bind(socket_path(folder))
        finally:
            os.close(folder)
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._hear)

    def close(self) -> None:
        """Listen no more."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None
            (self._run / SOCKET).unlink(missing_ok=True)

    def _hear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._socket is not None:
                self._heard(self._socket.recv(4096).decode(errors="replace"))


async def readable(descriptor: int) -> None:
    """Wait until there is something to read, or the end."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(descriptor, _settle, ready)
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def _spawn(instructions: Instructions, folder: Path) -> int:
    """Start the monitor's program, hand it its instructions, and return the end it speaks to."""
    with (folder / "monitor.log").open("ab") as complaints:
        starter = subprocess.Popen(  # noqa: S603 - our own program, no shell, no argument from outside
            [sys.executable, "-I", "-S", launch.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            pass_fds=(instructions.lock,),
            env={},
            cwd="/",
            start_new_session=True,
        )
    with starter:
        if starter.stdin is None or starter.stdout is None:
            raise MonitorGone("it has no standard streams")
        with contextlib.suppress(BrokenPipeError), starter.stdin:
            starter.stdin.write(encode(instructions))
        return os.dup(starter.stdout.fileno())


def _last_words(folder: Path) -> str:
    text = (folder / "monitor.log").read_text(encoding="utf-8", errors="replace").strip()
    return text.rpartition("\n")[2] or "it ended without a word"
