"""What ``make findings`` prints: a line for each case, then how many were right."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Self

from findings.cases import Case
from findings.run import Outcome

_COLOURS = {True: "32", False: "31", None: "33"}
_MARKS = {True: "ok", False: "NO", None: "--"}

_DOCKER = "docker takes a loopback registry for an insecure one, so it checks no certificate here."


@dataclass(frozen=True)
class Row:
    """One line. ``right`` is None where this machine cannot play the case; ``note`` says why."""

    case: str
    provider: str
    expected: str
    got: str
    requests: int = 0
    milliseconds: int = 0
    right: bool | None = None
    problems: tuple[str, ...] = ()
    note: str = ""
    others: dict[str, str] = field(default_factory=dict)
    """What other programs say about the same registry, by their names."""

    @classmethod
    def of(cls, outcome: Outcome, others: dict[str, str] | None = None) -> Self:
        """Return the line for a case that was run."""
        case = outcome.case
        return cls(
            case.case, case.provider, case.expect.finding or "-", outcome.got, outcome.requests,
            outcome.milliseconds, right=not outcome.problems, problems=outcome.problems, others=others or {},
        )  # fmt: skip

    @classmethod
    def skipped(cls, case: Case, reason: str) -> Self:
        """Return the line for a case that this machine cannot play."""
        return cls(case.case, case.provider, case.expect.finding or "-", "not run", note=reason)


def as_json(rows: Sequence[Row]) -> str:
    """Return the lines and the accuracy for programs."""
    return json.dumps({"accuracy": _accuracy(rows), "cases": [asdict(row) for row in rows]}, indent=2)


@dataclass(frozen=True)
class Table:
    """The lines for people, one row after the other; colour only where a terminal shows it."""

    wide: int
    colour: bool = False

    @classmethod
    def of(cls, cases: Sequence[Case], *, colour: bool) -> Self:
        """Return the table that has room for the names of ``cases``."""
        return cls(max((len(case.case) for case in cases), default=4), colour)

    @property
    def head(self) -> str:
        """The first line."""
        return f"     {'case':<{self.wide}}  {'expected':<30}  {'got':<30}  requests      ms"

    def lines(self, row: Row) -> str:
        """Return a row and what is to be said below it."""
        mark = f"{_MARKS[row.right]:<3}"
        shown = f"\x1b[{_COLOURS[row.right]}m{mark}\x1b[0m" if self.colour else mark
        figures = f"{row.requests:>8}  {row.milliseconds:>6}"
        first = f"{shown}  {row.case:<{self.wide}}  {row.expected:<30}  {row.got:<30}  {figures}"
        said = [f"{name}: {words}" for name, words in row.others.items()]
        notes = [*row.problems, *([row.note] if row.note else ()), *said]
        return "\n".join((first, *(f"       {text}" for text in notes)))


def summary(rows: Sequence[Row]) -> str:
    """Return how many are right."""
    ran = [row for row in rows if row.right is not None]
    right = sum(row.right is True for row in ran)
    left = len(rows) - len(ran)
    unable = f"; {left} not run here" if left else ""
    note = f"\n{_DOCKER}" if any("docker" in row.others for row in rows) else ""
    return f"{right} of {len(ran)} cases right ({_accuracy(rows):.1%}){unable}\n{_figures(ran)}{note}"


def _figures(ran: Sequence[Row]) -> str:
    """Return how much was asked, of whom, and how long it took."""
    found, providers = {row.got for row in ran}, {row.provider for row in ran}
    requests = sum(row.requests for row in ran)
    middle = statistics.median(row.milliseconds for row in ran) if ran else 0
    return (
        f"{len(found - {'-'})} findings at {len(providers)} kinds of registry; "
        f"{requests} requests, {max((row.requests for row in ran), default=0)} at most; {middle:g} ms a case"
    )


def _accuracy(rows: Sequence[Row]) -> float:
    ran = [row for row in rows if row.right is not None]
    return sum(row.right is True for row in ran) / len(ran) if ran else 0.0
