"""What engines say to people, and what foreign text must look like for that."""

from __future__ import annotations

import contextlib
import re
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_LONGEST_LINE = 200
_NOT_IN_A_HOSTNAME = re.compile(r"[^a-z0-9-]+")


def cleaned(line: bytes) -> str:
    """Return foreign text fit to be shown: one line, printable, not endless."""
    text = line.decode(errors="replace")
    printable = "".join(letter if letter.isprintable() else " " for letter in text).strip()
    return printable if len(printable) <= _LONGEST_LINE else f"{printable[: _LONGEST_LINE - 1]}…"


def ending(exit_code: int | None, number: int | None, *, last_lines: Sequence[bytes]) -> str:
    """Return how a process ended, by itself or by signal ``number``, with its last words."""
    how = f"exit code {exit_code}"
    if number is not None:
        how = f"killed by {_signal_name(number)} (exit code {exit_code})"
    said = " | ".join(text for line in last_lines if (text := cleaned(line)))
    return f"{how}; last lines: {said}" if said else f"{how}; it logged nothing"


def hostname(deployment_name: str, replica: int) -> str:
    """Return a legal host name, at most 63 characters long."""
    name = _NOT_IN_A_HOSTNAME.sub("-", deployment_name.lower()).strip("-")[:56].rstrip("-")
    return f"{name or 'container'}-{replica}"


def _signal_name(number: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"
