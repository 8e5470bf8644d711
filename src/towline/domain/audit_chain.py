"""What holds the audit trail together: rows in a chain, and signed statements about stretches of it.

A statement says: the rows from ``first`` on, of which the one before has the hash ``before``, lead to the
row ``seq`` with the hash ``hash``. It is signed by Ed25519 (RFC 8032); public keys are in hexadecimal.
Four kinds are made: ``head`` every few minutes, ``pruned`` in place of rows that were deleted by rule,
``export`` at the end of an export, and ``closed`` where a signing key was lost: what that key signed up to
there is not judged any more, and the rows are vouched for as they stood when it was closed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from towline.domain.audit import GENESIS, AuditEntry

FORM = "towline-audit-1"
HEAD, PRUNED, EXPORT, CLOSED = "head", "pruned", "export", "closed"

Check = Callable[[str, bytes, bytes], bool]
"""Whether under a public key this message has that signature."""


@dataclass(frozen=True, slots=True)
class ChainedRow:
    """A row as it was found; ``entry`` is None where it cannot be read, or contradicts its columns."""

    seq: int
    entry: AuditEntry | None
    hash: bytes


@dataclass(frozen=True, slots=True)
class Statement:
    """A signed statement about the rows ``first`` to ``seq``."""

    kind: str
    first: int
    before: bytes
    seq: int
    hash: bytes
    at: datetime
    public_key: str
    signature: bytes = b""

    def message(self) -> bytes:
        """Return what is signed."""
        parts = [FORM, self.kind, self.first, self.before.hex(), self.seq, self.hash.hex()]
        return json.dumps([*parts, self.at.isoformat(), self.public_key], separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Report:
    """What a walk over the trail found.

    ``problem`` is empty where all fits; ``seq`` is then the last row, else the first that does not fit or is
    missing. ``rows`` were looked at; those after ``signed_to`` no statement covers yet. Those up to
    ``closed_to`` were signed by a key that is lost: what was done to them before cannot be told any more.
    """

    rows: int
    first: int
    seq: int
    signed_to: int
    problem: str = ""
    oldest_unsigned: datetime | None = None
    closed_to: int = 0

    @property
    def unsigned(self) -> int:
        """How many rows at the end no statement covers."""
        return max(0, self.seq - max(self.signed_to, self.first - 1)) if not self.problem else 0


class Walk:
    """Follows the chain row by row, and compares it with statements; stops at the first problem."""

    def __init__(self, *, after: int = 0, before: bytes = GENESIS) -> None:
        self._first = after + 1
        self._before = before
        self._seq = after
        self._hash = before
        self._signed_to = after
        self._bad = 0
        self._oldest_unsigned: datetime | None = None
        self.problem = ""

    @property
    def place(self) -> tuple[int, bytes]:
        """The number and hash of the row that was reached."""
        return self._seq, self._hash

    def starts_with(self, before: bytes) -> bool:
        """Whether the row before the first has that hash."""
        return self._before == before

    def step(self, row: ChainedRow) -> bool:
        """Take a row; return whether it fits."""
        expected = self._seq + 1
        if row.seq != expected:
            return self._stop(
                expected, f"row {expected} is missing: row {row.seq} follows on row {self._seq}"
            )
        if row.entry is None:
            return self._stop(expected, f"row {expected} cannot be read, or contradicts its columns")
        if row.entry.chained(self._hash) != row.hash:
            return self._stop(expected, f"row {expected} was changed, or is not the one that stood there")
        self._seq, self._hash = row.seq, row.hash
        self._oldest_unsigned = self._oldest_unsigned or row.entry.at
        return True

    def compare(self, statement: Statement, trusted: Collection[str], check: Check) -> bool:
        """Compare a statement about the row that was reached; return whether it holds."""
        if problem := refuted(statement, trusted, check):
            return self._stop(statement.seq, problem)
        if statement.seq != self._seq or statement.hash != self._hash:
            when = f"{statement.at:%Y-%m-%d %H:%M:%S}"
            return self._stop(statement.seq, f"row {statement.seq} is not the one that was signed at {when}")
        self._signed_to, self._oldest_unsigned = statement.seq, None
        return True

    def missing(self, seq: int, why: str) -> None:
        """Stop because rows up to ``seq`` should be there."""
        if not self.problem and seq > self._seq:
            self._stop(self._seq + 1, f"rows {self._seq + 1} to {seq} are missing at the end: {why}")

    def report(self) -> Report:
        """Return what was found so far."""
        rows = self._seq - self._first + 1
        seq = self._bad if self.problem else self._seq
        return Report(rows, self._first, seq, self._signed_to, self.problem, self._oldest_unsigned)

    def _stop(self, seq: int, problem: str) -> bool:
        self._bad, self.problem = seq, problem
        return False


def refuted(statement: Statement, trusted: Collection[str], check: Check) -> str:
    """Return why a statement is not to be believed, empty where it is."""
    if statement.public_key not in trusted:
        return (
            f"the {statement.kind} statement about row {statement.seq} is signed by a key that is not known:"
            f" {statement.public_key[:64]}"
        )
    if not check(statement.public_key, statement.message(), statement.signature):
        return f"the signature of the {statement.kind} statement about row {statement.seq} is not genuine"
    return ""


def newest_pruned(statements: Iterable[Statement]) -> Statement | None:
    """Return the statement that stands in place of all rows that were pruned."""
    pruned = [each for each in statements if each.kind == PRUNED]
    return max(pruned, key=lambda each: each.seq) if pruned else None


def closed_to(statements: Iterable[Statement], trusted: Collection[str], check: Check) -> int:
    """Return up to which row the statements of lost keys are not judged: 0 where nothing was closed."""
    genuine = (each for each in statements if each.kind == CLOSED and not refuted(each, trusted, check))
    return max((each.seq for each in genuine), default=0)
