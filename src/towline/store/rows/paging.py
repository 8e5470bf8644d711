"""Parts of list queries that several nouns share: label terms, name lists, the page's rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from towline.domain.listing import LabelSelector, Listing, Page
from towline.store.rows.codec import Row, listed, text
from towline.store.rows.connection import Connection

T = TypeVar("T")


def counted(connection: Connection, query: str, *parameters: object) -> int:
    """Return the one number that ``query`` asks for."""
    number: int = connection.execute(query, parameters).fetchone()[0]
    return number


class Filter:
    """Conditions of a WHERE clause with their parameters; their text never comes from a caller."""

    def __init__(self, condition: str, *parameters: object) -> None:
        self._conditions = [condition]
        self._parameters: list[object] = list(parameters)
        self._seq = "seq"

    def add(self, condition: str, *parameters: object) -> None:
        """Demand one more condition."""
        self._conditions.append(condition)
        self._parameters.extend(parameters)

    def one_of(self, column: str, values: Sequence[str]) -> None:
        """Demand that ``column`` is one of ``values``, if there are any."""
        if values:
            self.add(f"{column} IN (SELECT value FROM json_each(?))", listed(values))

    def named(self, column: str, values: Sequence[str]) -> None:
        """Demand the same of a column whose own index is better than reading rows in order."""
        if values:
            self.one_of(column, values)
            self._seq = "+seq"  # the plus keeps the database from walking the whole project in order of seq

    def selected(self, selector: LabelSelector) -> None:
        """Demand what a label selector demands of the column ``labels``.

        Looking for the key's text first spares nearly every row from being read as JSON.
        """
        for key, wanted in selector.required:
            self.add("instr(labels, ?) > 0", f"{text(key)}:")
            label = "EXISTS (SELECT 1 FROM json_each(labels) AS label WHERE label.key = ?"
            if wanted is None:
                self.add(f"{label})", key)
            else:
                self.add(f"{label} AND label.value = ?)", key, wanted)

    def page(self, connection: Connection, query: str, page: Page, *, make: Callable[[Row], T]) -> Listing[T]:
        """Run ``query`` (whose first column is ``seq``) for one page and make its items."""
        self.add(f"{self._seq} > ?", page.after)
        where = " AND ".join(self._conditions)
        statement = f"{query} WHERE {where} ORDER BY {self._seq} LIMIT ?"
        rows = connection.execute(statement, (*self._parameters, page.limit)).fetchall()
        return Listing(tuple(map(make, rows)), next=rows[-1][0] if rows else None)
