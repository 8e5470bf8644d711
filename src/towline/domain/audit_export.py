"""Exports of the audit trail: a line of JSON for each row, between a head and a signed end.

The head says where the export begins, the end is a statement (``audit_chain``) about all of it. Whoever has
the public key verifies an export without the server: every changed, missing, added or moved line is found.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import Any

from towline.domain.audit import AuditEntry
from towline.domain.audit_chain import EXPORT, FORM, ChainedRow, Check, Report, Statement, Walk, refuted


def head_line(first: int, before: bytes, *, public_key: str) -> bytes:
    """Return the first line."""
    return _line({"form": FORM, "first": first, "before": before.hex(), "public_key": public_key})


def row_line(seq: int, entry: AuditEntry, digest: bytes) -> bytes:
    """Return a row's line, which holds all that its hash is made of."""
    return _line({"seq": seq, **entry_document(entry), "hash": digest.hex()})


def entry_document(entry: AuditEntry) -> dict[str, object]:
    """Return a row for people's programs."""
    return {
        "at": entry.at.isoformat(),
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "outcome": entry.outcome,
        "project": entry.project_guid,
        "detail": [list(pair) for pair in entry.detail],
    }


def end_line(statement: Statement) -> bytes:
    """Return the last line."""
    return _line({"end": statement_document(statement)})


def statement_document(statement: Statement) -> dict[str, object]:
    """Return a statement as an export's end and an anchor hold it."""
    return {
        "kind": statement.kind,
        "first": statement.first,
        "before": statement.before.hex(),
        "seq": statement.seq,
        "hash": statement.hash.hex(),
        "at": statement.at.isoformat(),
        "public_key": statement.public_key,
        "signature": statement.signature.hex(),
    }


def statement_of(document: Any) -> Statement:  # noqa: ANN401  (JSON; ValueError for any other shape)
    """Return the statement in a document; raise ValueError for what is none."""
    try:
        return Statement(
            str(document["kind"]),
            int(document["first"]),
            bytes.fromhex(document["before"]),
            int(document["seq"]),
            bytes.fromhex(document["hash"]),
            datetime.fromisoformat(document["at"]),
            str(document["public_key"]),
            bytes.fromhex(document["signature"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("this is no statement") from error


def verified(lines: Iterable[bytes], trusted: Collection[str], check: Check) -> Report:
    """Walk over an export and say what is found; never raises for what a line holds."""
    reader = iter(lines)
    try:
        walk, public_key = _begun(next(reader, b""))
    except _NOT_OURS:
        return Report(0, 1, 1, 0, problem="line 1 is not the head of an export of the audit trail")
    for number, line in enumerate(reader, start=2):
        try:
            document = json.loads(line)
            if "end" in document:
                end = _end(document, line)
                return _ended(walk, end, trusted=trusted, check=check, signed_by=public_key, reader=reader)
            row = _row(document, line)
        except _NOT_OURS:
            return _problem(walk, f"line {number} is not a row of the audit trail as it is exported")
        if not walk.step(row):
            return walk.report()
    return _problem(walk, "the signed end is missing: lines were cut off")


_NOT_OURS = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
"""What reading a line that we did not write may raise."""


def _begun(line: bytes) -> tuple[Walk, str]:
    document = json.loads(line)
    first, before = document["first"], bytes.fromhex(document["before"])
    public_key = _text(document["public_key"])
    _same(head_line(first, before, public_key=public_key), line)
    return Walk(after=first - 1, before=before), public_key


def _end(document: Any, line: bytes) -> Statement:  # noqa: ANN401  (JSON; any of _NOT_OURS for another shape)
    statement = statement_of(document["end"])
    _same(end_line(statement), line)
    return statement


def _ended(
    walk: Walk,
    statement: Statement,
    *,
    trusted: Collection[str],
    check: Check,
    signed_by: str,
    reader: Iterator[bytes],
) -> Report:
    if problem := refuted(statement, trusted, check):
        return _problem(walk, problem)
    begun = statement.kind == EXPORT and statement.first == walk.report().first
    if not begun or not walk.starts_with(statement.before) or statement.public_key != signed_by:
        return _problem(walk, "the export does not begin where its signed end says: lines were cut off")
    if not walk.compare(statement, trusted, check):
        return walk.report()
    return _problem(walk, "lines follow on the signed end") if next(reader, b"") else walk.report()


def _row(document: Any, line: bytes) -> ChainedRow:  # noqa: ANN401  (likewise)
    entry = AuditEntry(
        datetime.fromisoformat(document["at"]),
        _text(document["actor"]),
        _text(document["action"]),
        _text(document["subject"]),
        outcome=_text(document["outcome"]),
        project_guid=_text(document["project"]),
        detail=tuple((_text(name), _text(value)) for name, value in document["detail"]),
    )
    row = ChainedRow(document["seq"], entry, bytes.fromhex(document["hash"]))
    _same(row_line(row.seq, entry, row.hash), line)
    return row


def _same(written: bytes, line: bytes) -> None:
    """Raise ValueError for a line that says the same in another way: nothing in it is without a meaning."""
    if written != line:
        raise ValueError("the line is not as it is exported")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("this is no text")
    return value


def _problem(walk: Walk, problem: str) -> Report:
    report = walk.report()
    return Report(report.rows, report.first, walk.place[0] + 1, report.signed_to, problem=problem)


def _line(document: dict[str, object]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"
