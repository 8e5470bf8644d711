"""What was found on this machine and what became of it: a row for each login, and the exit code of all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.cli.documents import Document, at, documents_at, text_at
from towline.cli.output import show, tell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towline.domain.importing import Candidate

NOT_TRIED = "not tried"
_COLUMNS = ("NAME", "REGISTRY", "USER", "FROM", "VERDICT", "RESULT")
_CODES = {"failed": 1, "bad": 2, "exists": 4, "not verified": 6}
"""Exit codes of outcomes, the first of them that occurs counts; all others are 0."""


def rows(found: Sequence[Candidate], verdicts: Sequence[Document]) -> list[Document]:
    """Return a row for each login; ``outcome`` is empty where it could be imported."""
    return [_row(each, verdict) for each, verdict in zip(found, verdicts, strict=True)]


def plan(rows: Sequence[Document], *, taken: set[str], replaces: bool) -> None:
    """Write into the rows what an import would do."""
    for row in rows:
        if not row["outcome"]:
            there = "would be updated" if replaces else "exists"
            row["outcome"] = there if row["name"] in taken else "would be created"


def shown(rows: Sequence[Document], output: str) -> int:
    """Print the rows, tell what is wrong with some, and return the exit code."""
    for row in rows:
        row["outcome"] = row["outcome"] or "not chosen"
    show(rows, output, columns=_COLUMNS, row=_cells, name=lambda row: text_at(row, "name"))
    for row in rows:
        _explain(row)
    outcomes = {row["outcome"] for row in rows}
    return next((code for outcome, code in _CODES.items() if outcome in outcomes), 0)


def short(candidate: Candidate) -> str:
    """Return why a login cannot be used, and what to run instead."""
    entry = candidate.entry
    return f"{entry.problem}; instead: {entry.advice}" if entry.advice else entry.problem


def place_of(candidate: Candidate) -> str:
    """Return registry and source of a login, for people."""
    return f"{candidate.registry or 'a Secret'} from {candidate.source}"


def seen(proof: object) -> Document:
    """Return what a registry said to a login, from a try or from the status of a secret."""
    return {
        "verdict": text_at(proof, "verdict") or NOT_TRIED,
        "finding": at(proof, "finding"),
        "warnings": documents_at(proof, "warnings"),
        "token": at(proof, "token"),
    }


def _row(candidate: Candidate, verdict: Document) -> Document:
    entry = candidate.entry
    return {
        "name": candidate.name,
        "registry": candidate.registry,
        "username": entry.username,
        "source": candidate.source,
        "alsoIn": list(candidate.also_in),
        "how": entry.how,
        "outcome": ("skipped" if entry.is_empty else "bad") if entry.problem else "",
        "reason": entry.problem,
        "advice": entry.advice,
        **seen(verdict),
        **({"verdict": ""} if entry.problem else {}),
    }


def _cells(row: Document) -> tuple[str, ...]:
    names = ("name", "registry", "username", "source", "verdict", "outcome")
    return tuple(text_at(row, name) for name in names)


def _explain(row: Document) -> None:
    name = text_at(row, "name")
    if reason := text_at(row, "reason"):
        advice = text_at(row, "advice")
        tell(f"{name}: {text_at(row, 'outcome')}: {reason}{f'; instead: {advice}' if advice else ''}")
    if text_at(row, "finding", "code"):
        title, fix = text_at(row, "finding", "title"), text_at(row, "finding", "fix")
        tell(f"{name}: {text_at(row, 'finding', 'code')}: {title}. {fix}")
    if ends := text_at(row, "token", "expires_at"):
        tell(f"{name}: it is {text_at(row, 'token', 'kind')}, which ends at {ends}")
    for warning in documents_at(row, "warnings"):
        place = text_at(warning, "field").rpartition(".")[2]
        tell(f"{name}: warning: the {place}: {text_at(warning, 'problem')}; {text_at(warning, 'fix')}")
