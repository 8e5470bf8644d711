"""One step of the run: a command as typed, and what it must do. The page docs/reference/rio.md lists them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

    from parts.rio import Ran, Rio
    from rio.stage import Stage


@dataclass(frozen=True, kw_only=True)
class Step:
    """``says`` must all be printed, ``hides`` must not; ``note`` is for the page."""

    command: str
    code: int = 0
    says: tuple[str, ...] = ()
    hides: tuple[str, ...] = ()
    note: str = ""
    stdin: str = ""
    before: Callable[[Stage, Rio], None] | None = None
    after: Callable[[Stage, Rio, Ran], None] | None = None
    drive: Callable[[Stage], Callable[[Rio, subprocess.Popen[str]], str]] | None = None


def works(command: str, *says: str, note: str = "", hides: tuple[str, ...] = ()) -> Step:
    """Return a step that ends with 0 and prints ``says``."""
    return Step(command=command, says=says, note=note, hides=hides)


def fails(command: str, *says: str, note: str = "") -> Step:
    """Return a step that ends with 1 and prints ``says``."""
    return Step(command=command, code=1, says=says, note=note)
