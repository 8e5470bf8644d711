"""``python -m findings``: run the corpus and print what came out of each case; exit 1 unless all is right."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import shutil
import sys
from dataclasses import dataclass
from typing import Self

from findings.cases import Ask, Case, corpus
from findings.others import Others, Way
from findings.project import play_project
from findings.real import RealRegistries, play_real
from findings.report import Row, Table, as_json, summary
from findings.run import OWN, play
from findings.stage import Stage
from findings.tunnel import Tunnel


def main() -> int:
    """Run what the arguments ask for; return the exit status."""
    options = _arguments()
    try:
        cases = [
            each for each in corpus() if not options.only or any(word in each.case for word in options.only)
        ]
    except ValueError as error:
        sys.exit(f"findings: {error}")
    table = Table.of(cases, colour=sys.stdout.isatty()) if options.output == "table" else None
    rows = asyncio.run(_told(cases, table, beside=options.others))
    _tell(as_json(rows) if table is None else f"\n{summary(rows)}")
    return 0 if rows and all(row.right is not False for row in rows) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="findings", description="Run the corpus of findings.")
    parser.add_argument("only", nargs="*", help="words that the names of the cases to run contain")
    parser.add_argument("--output", choices=("table", "json"), default="table")
    parser.add_argument(
        "--no-others", dest="others", action="store_false", help="do not ask skopeo, podman and docker"
    )
    return parser.parse_args()


@dataclass(frozen=True)
class _Surroundings:
    """What cases are run in: real registries, and other programs where they shall be asked too."""

    registries: RealRegistries
    tunnel: Tunnel
    others: Others | None

    @classmethod
    async def made(cls, stack: contextlib.AsyncExitStack, *, beside: bool) -> Self:
        """Set everything up; ``stack`` takes it down."""
        tunnel = await stack.enter_async_context(Tunnel())
        others = stack.enter_context(Others(scripted=Way(tunnel.url, OWN.pem))) if beside else None
        return cls(stack.enter_context(RealRegistries()), tunnel, others)

    @property
    def absent(self) -> tuple[tuple[str, str], ...]:
        """The other programs that cannot be asked, and why."""
        return tuple(self.others.absent.items()) if self.others else ()

    async def row(self, case: Case) -> Row:
        """Run a case; return its line."""
        if case.project is not None:
            return Row.of(await play_project(case))
        if case.real is None:
            return await self._scripted(case)
        if missing := [name for name in ("docker-registry", "htpasswd") if shutil.which(name) is None]:
            return Row.skipped(case, f"needs {' and '.join(missing)}")
        registry = self.registries.of(case.real)
        outcome = await play_real(case, registry)
        return Row.of(outcome, await self._said(outcome.case, ca_pem=registry.ca_pem))

    async def _scripted(self, case: Case) -> Row:
        said: dict[str, str] = {}

        async def beside(stage: Stage) -> None:
            self.tunnel.stage = stage
            said.update(await self._said(case) if _can_be_asked(case) else {})

        return Row.of(await play(case, beside=beside), said)

    async def _said(self, case: Case, *, ca_pem: str = "") -> dict[str, str]:
        return await self.others.say(case, ca_pem=ca_pem) if self.others else {}


async def _told(cases: list[Case], table: Table | None, *, beside: bool) -> list[Row]:
    """Run all cases; tell each as soon as it is known."""
    rows: list[Row] = []
    async with contextlib.AsyncExitStack() as stack:
        around = await _Surroundings.made(stack, beside=beside)
        if table is not None:
            _tell(table.head)
            _tell(*(f"     {name} is not asked: {why}" for name, why in around.absent))
        for case in cases:
            rows.append(await around.row(case))
            if table is not None:
                _tell(table.lines(rows[-1]))
    return rows


def _can_be_asked(case: Case) -> bool:
    """Whether others can be asked the same: not where the network, a proxy or a wait is what it is about."""
    wish = case.ask
    here = all(place.address == "here" for place in case.hosts.values())
    patient = wish.patience >= Ask(image="-").patience
    anonymous_login = bool(wish.login) and not wish.username
    return bool(case.servers) and here and patient and not (wish.proxy or wish.plain_http or anonymous_login)


def _tell(*lines: str) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
