"""Findings for people: what is wrong, what was seen, what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.cli.documents import Document, at, documents_at, text_at

if TYPE_CHECKING:
    from collections.abc import Iterator

PULL_FAILED = "DEP_E153"
ERROR_TEXTS = {
    PULL_FAILED: "Could not pull either the docker image or the built package artifact "
    "for the component on the cloud",
}


def lines(finding: Document) -> Iterator[str]:
    """Yield the lines of a finding: code and title, detail, evidence, likely causes, fix, link, command."""
    image = text_at(finding, "image")
    yield f"{text_at(finding, 'code')}: {text_at(finding, 'title')}{f' ({image})' if image else ''}"
    if detail := text_at(finding, "detail"):
        yield f"  {detail}"
    for seen in documents_at(finding, "evidence"):
        yield f"  seen: {_evidence(seen)}"
    likely = at(finding, "likely")
    for number, words in enumerate(likely if isinstance(likely, list) else [], 1):
        yield f"  likely {number}: {words}"
    if fix := text_at(finding, "fix"):
        yield f"  fix: {fix}"
    if link := text_at(finding, "link"):
        yield f"  see: {link}"
    if command := text_at(finding, "command"):
        yield f"  command: {command}"


def error_line(code: str) -> str:
    """Return the line of an error code, with rapyuta.io's own words where they are known."""
    text = ERROR_TEXTS.get(code, "")
    return f"{code} ({text})" if text else code


def _evidence(seen: Document) -> str:
    outcome = text_at(seen, "status") or text_at(seen, "error")
    took = text_at(seen, "milliseconds")
    sent = text_at(seen, "sent")
    request = f"{text_at(seen, 'method')} {text_at(seen, 'origin')}{text_at(seen, 'path')}"
    return f"{request}{f' [{sent}]' if sent else ''} -> {outcome}{f' ({took} ms)' if took else ''}"
