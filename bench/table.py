"""The table of figures: what was measured, the budget, and whether it was kept."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

OVER: list[str] = []


def heading() -> None:
    """Print the head of the table, how busy the machine was before, and how fast it is just now."""
    load, cores = os.getloadavg()[0], len(os.sched_getaffinity(0))
    print(f"the machine's load was {load:.1f} on {cores} cores before this")
    counted = best(lambda: sum(number for number in range(1_000_000)), tries=5)
    print(f"counting to a million takes it {counted:.0f} ms: compare times with those of a machine like it\n")
    print(f"{'what':62} {'budget':>20} {'':4} figure")


def row(what: str, budget: str, figure: str, *, kept: bool | None = None) -> None:
    """Print one line; ``kept`` is None where there is nothing to judge."""
    mark = {True: "ok", False: "over", None: ""}[kept]
    if kept is False:
        OVER.append(what)
    print(f"{what:62} {budget:>20} {mark:4} {figure}", flush=True)


def at_most(what: str, budget: float, figure: float, *, unit: str, digits: int = 0) -> None:
    """Print one line whose figure must not be above its budget."""
    shown = f"{figure:,.{digits}f} {unit}".strip()
    row(what, f"<= {budget:,g} {unit}".strip(), shown, kept=figure <= budget)


def at_least(what: str, budget: float, figure: float, *, unit: str) -> None:
    """Print one line whose figure must not be below its budget."""
    row(what, f">= {budget:,g}{unit}", f"{figure:,.0f}{unit}", kept=figure >= budget)


def best(
    work: Callable[[], object], tries: int = 15, *, before: Callable[[], object] = lambda: None
) -> float:
    """Return the least milliseconds of ``tries`` runs, each after ``before``, which is not counted."""
    times = []
    for _ in range(tries):
        before()
        began = time.perf_counter()
        work()
        times.append((time.perf_counter() - began) * 1000)
    return min(times)
