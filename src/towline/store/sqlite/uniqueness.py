"""What the schema says is unique, told to people as a Conflict."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from towline.domain.errors import Conflict


@contextmanager
def unique(problem: str) -> Iterator[None]:
    """Raise Conflict with the text ``problem`` where a row would break a UNIQUE rule."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_CONSTRAINT_UNIQUE:
            raise
        raise Conflict(problem) from error
