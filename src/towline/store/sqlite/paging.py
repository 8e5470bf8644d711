"""Parts of list queries that several nouns share: label terms, name lists, the page's rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from towline.domain.listing import LabelSelector, Listing, Page

if TYPE_CHECKING:
    import sqlite3

T = TypeVar("T")


class Filter:
    """Conditions of a WHERE clause with their parameters; text never comes from a caller."""

    def __init__(self, condition: str, *parameters: object) -> None:
        self._conditions = [condition]
        self._parameters: list[object] = list(parameters)

    def add(self, condition: str, *parameters: object) -> None:
        """Demand one more condition."""
        self._conditions.append(condition)
        self._parameters.extend(parameters)

    def one_of(self, expression: str, values: Sequence[object]) -> None:
        """Demand that ``expression`` is one of ``values``, if there are any."""
        if values:
            listed = json.dumps([str(each) for each in values])
            self.add(f"{expression} IN (SELECT value FROM json_each(?))", listed)

    def selected(self, selector: LabelSelector) -> None:
        """Demand what a label selector demands of the column ``labels``."""
        for key, wanted in selector.required:
            label = "EXISTS (SELECT 1 FROM json_each(labels) AS label WHERE label.key = ?"
            if wanted is None:
                self.add(f"{label})", key)
            else:
                self.add(f"{label} AND label.value = ?)", key, wanted)

    def page(
        self, connection: sqlite3.Connection, query: str, page: Page, *, make: Callable[[Sequence[Any]], T]
    ) -> Listing[T]:
        """Run ``query`` (whose first column is ``seq``) for one page and make its items."""
        self.add("seq > ?", page.after)
        where = " AND ".join(self._conditions)
        statement = f"{query} WHERE {where} ORDER BY seq LIMIT ?"
        rows = connection.execute(statement, (*self._parameters, page.limit)).fetchall()
        return Listing(tuple(make(row) for row in rows), next=rows[-1][0] if rows else None)
