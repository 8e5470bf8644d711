"""The anchor of the audit trail: a file out of the database's reach that every statement is appended to.

Who can change the database can cut the trail's end off together with the statements about it; what stands in
the anchor he cannot take back.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from towline.domain.audit_chain import Statement
from towline.domain.audit_export import statement_document, statement_of
from towline.domain.errors import InvalidInput


def anchored_at(path: Path) -> Callable[[Statement], None]:
    """Return what appends a statement to the file, durably."""

    def append(statement: Statement) -> None:
        line = json.dumps(statement_document(statement)).encode() + b"\n"
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    return append


def anchored_in(path: Path) -> Sequence[Statement]:
    """Return the statements of an anchor; raise InvalidInput naming the line that is none."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise InvalidInput("anchor", problem=f"{path} cannot be read: {error.strerror}") from error
    found = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(statement_of(json.loads(line)))
        except ValueError as error:
            raise InvalidInput("anchor", problem=f"line {number} of {path} is no statement") from error
    return found
