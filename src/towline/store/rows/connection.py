"""What the rows need of a database's connection: that of ``sqlite3`` is one as it is.

Rows write SQLite's SQL, which ``store/postgres/dialect.py`` hands to PostgreSQL: ``?``, ``?1`` and ``:name``
for parameters, numbers for truth (``1`` and ``0``), times as microseconds, and of functions ``json_extract``,
``json_each``, ``instr`` and ``coalesce``. Say ``RETURNING seq`` instead of asking for the last row's id, name
the columns of ON CONFLICT, compare what ``instr`` returns with 0, and never rely on a rowid.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol


class Cursor(Protocol):
    """The rows that a statement found, or how many it changed."""

    @property
    def rowcount(self) -> int: ...
    def fetchone(self) -> Any: ...  # noqa: ANN401  (a row or none; what is in it follows from the statement)
    def fetchall(self) -> list[Any]: ...
    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """Runs statements inside the transaction that its owner opened."""

    def execute(self, sql: str, parameters: Any = ..., /) -> Cursor:  # noqa: ANN401  (a sequence or mapping)
        """Run one statement."""

    def executemany(self, sql: str, parameters: Any, /) -> Cursor:  # noqa: ANN401  (likewise)
        """Run one statement for each of ``parameters``."""
