"""What all kinds of minting have in common: what one is, and how answers are read."""

from __future__ import annotations

from collections.abc import Generator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol, TypeAlias

import msgspec

from towline.domain.causes import FindingCode
from towline.domain.errors import InvalidInput
from towline.domain.minting import FIELD, Grant
from towline.registry.transport import Reply, Request

if TYPE_CHECKING:
    from collections.abc import Mapping

Steps: TypeAlias = Generator[Request, Reply, Grant]

LIMITED = 429


class NotMinted(Exception):
    """The provider said no, or nothing that is a token; ``fix`` says what to do where it is known."""

    def __init__(self, code: FindingCode, detail: str = "", *, fix: str = "") -> None:
        self.code = code
        self.fix = fix
        super().__init__(detail)


class Minting(Protocol):
    """One login on its way: ``secrets`` are what no text may show."""

    @property
    def secrets(self) -> tuple[str, ...]: ...

    def steps(self, now: datetime) -> Steps:
        """Yield requests, take their answers, return the grant; raise NotMinted."""


def document_in(text: str, *, wanted: str) -> Mapping[str, object]:
    """Return the JSON object that a key is; raise InvalidInput that says what is ``wanted``."""
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        document = None
    if not isinstance(document, dict):
        raise malformed("is not a JSON object", wanted)
    return document


def malformed(problem: str, wanted: str) -> InvalidInput:
    """Return the error for a parent credential of another form."""
    return InvalidInput(f"{FIELD}.key", problem=problem, rule=f"give {wanted}")


def answered(reply: Reply) -> Mapping[str, object]:
    """Return an answer's JSON object; empty where it is none."""
    try:
        document = msgspec.json.decode(reply.body)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def text_of(document: Mapping[str, object], name: str) -> str:
    """Return a member that is text; empty where it is none."""
    found = document.get(name)
    return found if isinstance(found, str) else ""


def moment_of(seconds: object) -> datetime | None:
    """Return a time told in seconds since 1970; None for anything else."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def refuse_trouble(reply: Reply) -> None:
    """Raise Refused for an answer that says nothing of who asks: limits, server errors, redirects."""
    if reply.status == LIMITED or reply.status >= 500 or 300 <= reply.status < 400:
        raise trouble(reply)


def trouble(reply: Reply, *, said: str = "") -> NotMinted:
    """Return the refusal of an answer that no kind knows better."""
    words = said or reply.text()
    return NotMinted(FindingCode.MINT_ERROR, f"answered {reply.status}{f': {words}' if words else ''}")


def no_token(what: str) -> NotMinted:
    """Return the refusal of an answer that is no token."""
    return NotMinted(FindingCode.MINT_ERROR, f"the answer holds no {what}")
