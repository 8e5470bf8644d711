"""Telling the control plane that a container's status changed, over a datagram socket.

Best effort: the status file is the truth, and a control plane that was away reads it when it starts.
A socket's path has at most 107 bytes, so it is reached through a handle on its folder.
"""

from __future__ import annotations

import os
import socket

SOCKET = "events.sock"


def socket_path(folder_handle: int) -> str:
    """Return a short path for the control plane's socket in the folder behind a handle."""
    return f"/proc/self/fd/{folder_handle}/{SOCKET}"


class Announcer:
    """Sends a container's name whenever something about it changed."""

    def __init__(self, folder: str, container: str) -> None:
        self._folder = folder
        self._message = container.encode()
        self.pending = False

    def announce(self) -> None:
        """Say that the status changed; ``pending`` is left set when it must be said again."""
        try:
            self._send()
            self.pending = False
        except BlockingIOError:
            self.pending = True  # the control plane is there, but has a full queue
        except OSError:
            self.pending = False  # nobody listens: whoever starts next reads the status

    def _send(self) -> None:
        folder = os.open(self._folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as door:
                door.sendto(self._message, socket_path(folder))
        finally:
            os.close(folder)
