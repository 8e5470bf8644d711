"""Making one database equal to another, whichever kind each is: in steps that each may be the last.

Both have the same tables and order keys alike, so ranges of keys are compared and what differs is written.
A move that broke off goes on with that: what is equal already is only read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from towline.domain.backup import Progress, Row, Table
from towline.domain.errors import Conflict
from towline.store.rows.connection import Connection
from towline.store.sqlite.schema import Shape, shapes

UNFINISHED = "store-move"
"""The setting that a target has until a move into it is finished: no server starts on it."""

BACKUP = "backup "
"""How that setting begins where the source is a backup; its digest follows."""

MOVED = "store-moved-to"
"""The setting that a source has once everything was moved away: no server starts on it."""

_STEP = 1000
_SETTINGS = "settings"
_KEPT = "audit"  # its rows are only ever added

Key: TypeAlias = tuple[Any, ...]


class End(Protocol):
    """One of the two databases, open for the time of a move."""

    @property
    def connection(self) -> Connection: ...
    def begin(self) -> None:
        """Begin a transaction."""

    def commit(self) -> None:
        """Commit it."""

    def sequences(self) -> Mapping[str, int]:
        """Return the highest number that each table with numbers ever gave out."""

    def set_sequences(self, highest: Mapping[str, int]) -> None:
        """Let the tables go on after these numbers."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What a move did: rows of each table in the end, and how many had to be written this time."""

    rows: Mapping[str, int]
    written: int


def claim(target: End, *, source: str) -> None:
    """Mark a target as one that is being filled; raise Conflict where something else is in it."""
    target.begin()
    marked = _setting(target, UNFINISHED)
    if marked is None:
        full = [shape.name for shape in shapes() if _count(target, shape)]
        if full:
            raise Conflict(f"the target is not empty: there are rows in {', '.join(full)}")
        _put(target, UNFINISHED, source)
    elif marked != source:
        raise Conflict(f"the target holds a part of {marked}: finish that move, or empty it")
    target.commit()


def copy(source: End, target: End, *, progress: Progress) -> Moved:
    """Make every table of ``target`` but the settings equal to ``source``, whose transaction is open."""
    every = [shape for shape in shapes() if shape.name != _SETTINGS]
    counts = {shape.name: _count(source, shape) for shape in every}
    done = written = 0
    for shape in every:
        for passed, changed in _equalized(shape, source, target):
            done, written = done + passed, written + changed
            progress(done, sum(counts.values()))
    found = {shape.name: _count(target, shape) for shape in every}
    if found != counts:
        wrong = next(name for name in counts if found[name] != counts[name])
        raise Conflict(f"{wrong}: {counts[wrong]} rows were to be moved, {found[wrong]} are there")
    return Moved(found, written)


def finish(source: End, target: End) -> None:
    """Move the settings, which takes the target's mark away, and let numbers go on where they were."""
    target.begin()
    target.set_sequences(source.sequences())
    shape = next(shape for shape in shapes() if shape.name == _SETTINGS)
    rows = dict(_rows(source, shape, after=None, upto=None, most=None))
    for key in dict(_rows(target, shape, after=None, upto=None, most=None)).keys() - rows.keys():
        target.connection.execute(_deletion(shape), key)
    target.connection.executemany(_insertion(shape), list(rows.values()))
    target.commit()


def rows_of(end: End, names: frozenset[str]) -> Iterator[tuple[Table, Row]]:
    """Yield the rows of these tables, in steps, those that others refer to first."""
    for shape in shapes():
        after: Key | None = None
        while shape.name in names:
            step = list(_rows(end, shape, after=after, upto=None, most=_STEP))
            yield from ((shape.table, row) for _, row in step)
            if len(step) < _STEP:
                break
            after = step[-1][0]


def say_moved(source: End, *, to: str) -> None:
    """Mark the source as left."""
    source.begin()
    _put(source, MOVED, to)
    source.commit()


def _equalized(shape: Shape, source: End, target: End) -> Iterator[tuple[int, int]]:
    """Yield after each step how many rows it went over and how many it wrote or deleted."""
    after: Key | None = None
    while True:
        wanted = dict(_rows(source, shape, after=after, upto=None, most=_STEP))
        last = max(wanted) if len(wanted) == _STEP else None
        there = dict(_rows(target, shape, after=after, upto=last, most=None))
        yield len(wanted), _step(shape, target, wanted=wanted, there=there)
        if last is None:
            return
        after = last


def _step(shape: Shape, target: End, *, wanted: Mapping[Key, Key], there: Mapping[Key, Key]) -> int:
    gone = [key for key in there if key not in wanted]
    new = [row for key, row in wanted.items() if there.get(key) != row]
    if gone and shape.name == _KEPT:
        raise Conflict("rows of the audit trail were pruned meanwhile: empty the target and begin again")
    if not gone and not new:
        return 0
    target.begin()
    if gone:
        target.connection.executemany(_deletion(shape), gone)
    if new:
        target.connection.executemany(_insertion(shape), new)
    target.commit()
    return len(gone) + len(new)


def _rows(
    end: End, shape: Shape, *, after: Key | None, upto: Key | None, most: int | None
) -> Iterator[tuple[Key, Key]]:
    """Yield (key, row) in order of keys: those after ``after`` up to ``upto``, at most ``most``."""
    keys, places = ", ".join(shape.key), ", ".join("?" * len(shape.key))
    conditions = [f"({keys}) {sign} ({places})" for sign, end_of in ((">", after), ("<=", upto)) if end_of]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    limit = f" LIMIT {most}" if most else ""
    found = end.connection.execute(
        f"SELECT {', '.join(shape.columns)} FROM {shape.name}{where} ORDER BY {keys}{limit}",
        (*(after or ()), *(upto or ())),
    )
    at = [shape.columns.index(name) for name in shape.key]
    for row in found:
        yield tuple(row[place] for place in at), tuple(row)


def _insertion(shape: Shape) -> str:
    others = [name for name in shape.columns if name not in shape.key]
    changes = ", ".join(f"{name} = excluded.{name}" for name in others)
    return (
        f"INSERT INTO {shape.name} ({', '.join(shape.columns)})"
        f" VALUES ({', '.join('?' * len(shape.columns))})"
        f" ON CONFLICT ({', '.join(shape.key)}) DO {f'UPDATE SET {changes}' if changes else 'NOTHING'}"
    )


def _deletion(shape: Shape) -> str:
    return f"DELETE FROM {shape.name} WHERE {' AND '.join(f'{name} = ?' for name in shape.key)}"


def _count(end: End, shape: Shape) -> int:
    (count,) = end.connection.execute(f"SELECT count(*) FROM {shape.name}").fetchone()
    return int(count)


def _setting(end: End, name: str) -> str | None:
    row = end.connection.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
    return row[0] if row else None


def _put(end: End, name: str, value: str) -> None:
    end.connection.execute(
        "INSERT INTO settings (name, value) VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, value),
    )
