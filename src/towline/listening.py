"""The place that a server takes: its address and port, and its data folder, which is its alone."""

from __future__ import annotations

import fcntl
import os
import resource
import secrets
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

from towline.domain.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


MOST_OPEN = 65_536


def room_for_connections() -> None:
    """Let this process keep as many connections open as its hard limit allows, at most MOST_OPEN.

    The limit that most systems begin with, 1,024, is less than a thousand open pages and their files.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_OPEN if hard == resource.RLIM_INFINITY else min(hard, MOST_OPEN)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens on ``host`` and ``port``; raise Conflict naming both when it cannot."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # the protocol is named because asyncio looks at it before it sets TCP_NODELAY
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise Conflict(f"cannot listen on {host}, port {port}: {error.strerror or error}") from error
    listener.listen(1024)
    listener.setblocking(False)  # noqa: FBT003  (the library's own signature)
    return listener


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold the data folder's lock: two servers on one folder would fight over its containers."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(f"another towline serves the data folder {folder}; stop it first") from error
        yield


def machine_of(folder: Path) -> str:
    """Return the name by which a data folder's containers are known, made at the first call."""
    path = folder / "machine"
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        made = f"machine-{secrets.token_hex(8)}"
        path.write_text(f"{made}\n")
        return made


def is_served(folder: Path) -> bool:
    """Whether somebody holds the data folder's lock."""
    try:
        with (folder / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def shown(host: str) -> str:
    """Return the host as it stands in addresses that people are told."""
    if host in ("0.0.0.0", "::"):  # noqa: S104  (shown, not bound)
        return socket.gethostname()
    return f"[{host}]" if ":" in host else host


def server_name() -> str:
    """Return what this process is called among those on one database: no other ever is."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
