"""Backups: what a backup says about itself, the same whichever database it was taken from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

FORMAT = "towline-backup/1"

Cell: TypeAlias = int | float | str | bytes | None
Row: TypeAlias = Sequence[Cell]
Progress: TypeAlias = Callable[[int, int], None]
"""Is told how many rows are done, and of how many."""


class ColumnKind(StrEnum):
    """What a column holds."""

    INTEGER = "integer"
    REAL = "real"
    TEXT = "text"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    name: str
    kind: ColumnKind


@dataclass(frozen=True, slots=True)
class Table:
    """A table and how many rows of it there are."""

    name: str
    columns: tuple[Column, ...]
    rows: int

    def place(self, column: str) -> int:
        """Return where a column's cell stands in a row; raise ValueError where there is none."""
        return [each.name for each in self.columns].index(column)


@dataclass(frozen=True, slots=True)
class Contents:
    """What a database holds at one moment.

    ``schema`` is the number of its newest migration; ``tables`` stand in an order in which each comes
    after those that it refers to; ``sequences`` are the highest numbers ever given out, by table.
    """

    database: str
    schema: int
    tables: tuple[Table, ...]
    sequences: Mapping[str, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """How many rows there are in all."""
        return sum(table.rows for table in self.tables)


@dataclass(frozen=True, slots=True)
class Manifest:
    """The first line of a backup: which program took it of what, and when."""

    towline: str
    taken_at: datetime
    contents: Contents


@dataclass(frozen=True, slots=True)
class Receipt:
    """A backup that was read or written to its end."""

    manifest: Manifest
    sha256: str
    size: int
