"""What a run gave, as the page docs/reference/rio.md tells it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from parts.rio import Ran, printed_lines
from rio.absent import NOT_ASKED
from rio.steps import Step

FILE = Path(__file__).resolve().parent.parent / "vectors" / "rio" / "commands.json"


def record(ran: Iterable[tuple[Step, Ran]]) -> dict[str, object]:
    """Return the rows of a run, and what it leaves out and why."""
    rows = [
        {"command": step.command, "exit": ended.code, "answer": step.note or _answer(ended)}
        for step, ended in ran
    ]
    return {"commands": rows, "elsewhere": NOT_ASKED}


def kept() -> dict[str, object]:
    """Return what the last recorded run gave."""
    found: dict[str, object] = json.loads(FILE.read_text())
    return found


def keep(rows: dict[str, object]) -> None:
    """Write a run down."""
    FILE.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")


def _answer(ended: Ran) -> str:
    """Return the line that says why a command did not work; nothing where it did."""
    if ended.code == 0:
        return ""
    lines = printed_lines(ended.text)
    ours = [line for line in lines if "Towline" in line]
    return (ours or lines or [""])[-1]
