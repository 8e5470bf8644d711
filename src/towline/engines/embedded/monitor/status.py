"""What a monitor says about its container, as one small file that is replaced whole.

``status.json`` is the truth; a datagram to the control plane only says that it changed.
"""

from __future__ import annotations

import json
import os
from typing import NamedTuple

STARTING = "starting"
RUNNING = "running"
BACKING_OFF = "backing-off"
EXITED = "exited"
"""It ended, and its restart policy lets it rest."""
FAILED = "failed"
"""It could not be started."""
STOPPED = "stopped"
"""It was ended because the control plane asked for it."""
LOST = "lost"
"""Its monitor is gone without a last word; written by the control plane, never by a monitor."""

FINAL = frozenset({EXITED, FAILED, STOPPED, LOST})


class Status(NamedTuple):
    """Where a container is in its life. Times are seconds since the epoch; ``exit_code`` is 128 + n
    after signal n. ``problem`` is a finding's code and ``detail`` its words, when it did not start.
    """

    state: str = STARTING
    at: float = 0.0
    started_at: float | None = None
    exit_code: int | None = None
    signal: int | None = None
    out_of_memory: bool = False
    restarts: int = 0
    problem: str = ""
    detail: str = ""
    pid: int | None = None


def write(folder: str, status: Status) -> None:
    """Replace the status in ``folder``; a reader sees the old one or the new one."""
    path = os.path.join(folder, "status.json")
    fresh = f"{path}.{os.getpid()}"
    with open(fresh, "w", encoding="utf-8") as file:
        json.dump(status._asdict(), file)
    os.rename(fresh, path)


def read(folder: str) -> Status | None:
    """Return the status in ``folder``; None when there is none, or one that nobody can read."""
    try:
        with open(os.path.join(folder, "status.json"), encoding="utf-8") as file:
            content = json.load(file)
        return Status(**content)
    except (FileNotFoundError, ValueError, TypeError):
        return None
