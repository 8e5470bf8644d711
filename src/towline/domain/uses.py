"""Uses of a secret, read from the rows of the audit trail: what it opened, when, for whom, from where."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from towline.domain.audit import AuditEntry, Door
from towline.domain.errors import InvalidInput

_USES = frozenset({"secret.opened", "secret.not-opened", "credential.refused"})


@dataclass(frozen=True, slots=True)
class Use:
    """A use of a secret, or one that was refused; ``seq`` is the row's number in the audit trail."""

    seq: int
    row: AuditEntry

    def fact(self, name: str) -> str:
        """Return a detail of the row; empty where it has none of that name."""
        return dict(self.row.detail).get(name, "")


@dataclass(frozen=True, slots=True)
class UseFilter:
    """Which uses are wanted: empty and None mean all. ``text`` may stand in any part of a row."""

    door: str = ""
    outcome: str = ""
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        if self.door and self.door not in set(Door):
            rule = f"use one of {', '.join(Door)}"
            raise InvalidInput("door", problem=f"is {self.door[:40]!a}", rule=rule)
        if self.outcome not in ("", "ok", "refused"):
            raise InvalidInput("outcome", problem=f"is {self.outcome[:40]!a}", rule="use ok or refused")

    def wants(self, row: AuditEntry) -> bool:
        """Whether a row is a use that is wanted."""
        return (
            row.action in _USES
            and (not self.door or ("door", self.door) in row.detail)
            and (not self.outcome or (row.outcome == "ok") == (self.outcome == "ok"))
            and (self.since is None or row.at >= self.since)
            and (self.until is None or row.at < self.until)
            and self._says(row)
        )

    def _says(self, row: AuditEntry) -> bool:
        said = (row.actor, row.outcome, *(word for _, word in row.detail))
        return not self.text or any(self.text.casefold() in each.casefold() for each in said)


def moment_of(text: str, *, field: str) -> datetime | None:
    """Return the moment that a text says, None for an empty one; raise InvalidInput naming ``field``.

    A moment without a zone is in UTC.
    """
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        rule = "give it as 2026-01-31 or 2026-01-31T12:00:00Z"
        raise InvalidInput(field, problem=f"is {text[:40]!a}", rule=rule) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
