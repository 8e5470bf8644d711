"""What the schema says is unique, told to people as a Conflict."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from towline.domain.errors import Conflict


class NotUnique(Exception):
    """What a connection that is not SQLite's raises for a row that would break a UNIQUE rule."""


@contextmanager
def unique(problem: str) -> Iterator[None]:
    """Raise Conflict with the text ``problem`` where a row would break a UNIQUE rule."""
    try:
        yield
    except NotUnique as error:
        raise Conflict(problem) from error
    except sqlite3.IntegrityError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_CONSTRAINT_UNIQUE:
            raise
        raise Conflict(problem) from error
