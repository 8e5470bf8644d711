"""Pages of lists, and label selectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

from towline.domain.errors import InvalidInput

MAX_LIMIT = 500

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is wanted: rows after the token ``after`` (0 = from the start)."""

    after: int = 0
    limit: int = 50

    def __post_init__(self) -> None:
        if self.after < 0:
            raise InvalidInput("continue", problem="is negative", rule="give the value of the last answer")
        if not 1 <= self.limit <= MAX_LIMIT:
            raise InvalidInput("limit", problem=f"is {self.limit}", rule=f"use 1 to {MAX_LIMIT}")


@dataclass(frozen=True, slots=True)
class Listing(Generic[Item]):
    """A page of items; ``next`` is the token for the page after it, set on every non-empty page."""

    items: Sequence[Item]
    next: int | None


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """``key=value`` pairs that must all hold; a pair without value asks that the key exists."""

    required: tuple[tuple[str, str | None], ...] = ()

    @classmethod
    def parse(cls, texts: Sequence[str]) -> Self:
        """Return the selector for repeated or comma-separated ``key=value`` and ``key`` terms."""
        terms = [term.strip() for text in texts for term in text.split(",") if term.strip()]
        return cls(tuple(_term(term) for term in terms))

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether ``labels`` fulfil every term."""
        return all(
            key in labels if value is None else labels.get(key) == value for key, value in self.required
        )


def _term(text: str) -> tuple[str, str | None]:
    key, equals, value = text.partition("=")
    value = value.removeprefix("=") if equals else value
    if not key.strip() or key.endswith("!"):
        raise InvalidInput(
            "labelSelector", problem=f"{text[:80]!a} is not understood", rule="write key=value or key"
        )
    return key.strip(), value.strip() if equals else None
