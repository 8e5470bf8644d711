"""Moving an installation from SQLite to PostgreSQL or back, while it runs and without losing what it does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from towline.app import DATABASE
from towline.domain.errors import Conflict, InvalidInput, NotFound
from towline.listening import alone_in
from towline.store.address import DatabaseAddress
from towline.store.moving import End, Moved, claim, copy, finish, rows_of, say_moved
from towline.store.opening import needing_postgresql
from towline.store.rows import AllRows
from towline.store.sealed_values import SealedValues, tables_looked_at
from towline.store.sqlite.moving import SqliteEnd
from towline.upkeep import opener

if TYPE_CHECKING:
    from towline.config import Config
    from towline.domain.backup import Progress
    from towline.store.postgres.moving import PostgresEnd
    from towline.store.vault import SealingVault

Place: TypeAlias = Path | DatabaseAddress
"""A data folder, or a PostgreSQL database."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How far a move came.

    ``finished`` is False while a server still works on the source; ``unopened`` is a line for each sealed
    value that the keyring does not open, None where there is no keyring.
    """

    moved: Moved
    finished: bool
    sealed: int = 0
    unopened: Sequence[str] | None = ()


async def move(
    config: Config, origin: Place, target: Place, *, accept_unreadable: bool, progress: Progress
) -> Outcome:
    """Make ``target`` equal to ``origin``, and let it take over once no server works on that any more.

    Raises Conflict for a target in which something else is, or whose sealed values do not open unless that is
    accepted; InvalidInput for two places of the same kind.
    """
    if isinstance(origin, Path) == isinstance(target, Path):
        raise InvalidInput("to", problem="is of the same kind as --from", rule="name a folder and a database")
    async with opener(config) as vault:
        return await _moved(vault, origin, target, accept_unreadable=accept_unreadable, progress=progress)


async def _moved(
    vault: SealingVault | None, origin: Place, target: Place, *, accept_unreadable: bool, progress: Progress
) -> Outcome:
    with ExitStack() as opened:
        ends = await asyncio.to_thread(_opened, opened, origin, target)
        moved = await asyncio.to_thread(_copied, ends, progress)
        if ends.is_served():
            return Outcome(moved, finished=False)
        sealed = await asyncio.to_thread(_looked_at, ends.target)
        unopened: Sequence[str] | None = None if sealed.values else ()
        if vault is not None:
            unopened = tuple(await sealed.unopened(vault))
        if unopened and not accept_unreadable:
            raise Conflict(_unreadable(unopened))
        await asyncio.to_thread(_finished, ends)
        return Outcome(moved, finished=True, sealed=len(sealed.values), unopened=unopened)


@dataclass(frozen=True, slots=True)
class _Ends:
    source: End
    target: End
    is_served: Callable[[], bool]
    source_name: str
    target_name: str


def named(place: Place) -> str:
    """Return how a place is told to people."""
    return str(place) if isinstance(place, Path) else place.url


def _opened(opened: ExitStack, origin: Place, target: Place) -> _Ends:
    """Open both; a folder of the target is ours alone, one of the source unless a server runs in it."""
    source_end: End
    if isinstance(origin, Path):
        served = not _entered(opened, origin)
        source_end = opened.enter_context(SqliteEnd.of_file(_there(origin / DATABASE)))
        is_served = lambda: served  # noqa: E731  (one answer for the whole move: the folder is held)
    else:
        postgres = opened.enter_context(_postgres(origin))
        source_end, is_served = postgres, postgres.is_served
    if isinstance(target, Path):
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        opened.enter_context(alone_in(target))
        target_end: End = opened.enter_context(SqliteEnd.of_file(target / DATABASE))
    else:
        target_end = opened.enter_context(_postgres(target))
    return _Ends(source_end, target_end, is_served, named(origin), named(target))


def _copied(ends: _Ends, progress: Progress) -> Moved:
    claim(ends.target, source=ends.source_name)
    ends.source.begin()
    return copy(ends.source, ends.target, progress=progress)


def _looked_at(target: End) -> SealedValues:
    """Read everything back: the audit trail must hold together."""
    if (broken := AllRows(target.connection).audit.verify()) is not None:
        raise Conflict(f"the audit trail does not hold together from row {broken} on: nothing was switched")
    sealed = SealedValues()
    for table, row in rows_of(target, tables_looked_at()):
        sealed.note(table, row)
    return sealed


def _finished(ends: _Ends) -> None:
    finish(ends.source, ends.target)
    ends.source.commit()
    say_moved(ends.source, to=ends.target_name)


def _entered(opened: ExitStack, folder: Path) -> bool:
    """Take a data folder's lock; return False where a server has it."""
    try:
        opened.enter_context(alone_in(folder))
    except Conflict:
        return False
    return True


def _there(path: Path) -> Path:
    if not path.is_file():
        raise NotFound("database", str(path))
    return path


def _postgres(address: DatabaseAddress) -> AbstractContextManager[PostgresEnd]:
    with needing_postgresql():
        from towline.store.postgres.moving import PostgresEnd  # noqa: PLC0415  (an extra, loaded when used)
    return PostgresEnd.at(address)


def _unreadable(unopened: Sequence[str]) -> str:
    first = f"{len(unopened)} sealed values do not open with the keyring at hand, the first: {unopened[0]}"
    return f"{first}; bring the right keyring, or take them along as they are with --accept-unreadable"
