"""Label selectors of namespaces, as ``kubectl -l`` takes them: they choose where a secret is mirrored.

The watch tells every namespace, so a selector is judged here. Grammar and meaning, an absent label fulfils
``!=`` and ``notin``: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from towline.domain.errors import InvalidInput

MOST_TERMS = 20
RULE = "write terms such as team=web, team!=web, 'team in (web,shop)', team or !team, commas between them"

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
_KEY = rf"(?:[a-z0-9](?:[a-z0-9.-]{{0,251}}[a-z0-9])?/)?{_NAME}"
_TERM = re.compile(
    rf"(?P<absent>!?)\s*(?P<key>{_KEY})\s*"
    rf"(?:(?P<sign>==|!=|=)\s*(?P<value>(?:{_NAME})?)"
    rf"|\s(?P<set>in|notin)\s*\(\s*(?P<values>{_NAME}(?:\s*,\s*{_NAME})*)\s*\))?"
)
_COMMAS_BETWEEN = re.compile(r",(?![^()]*\))")


@dataclass(frozen=True, slots=True)
class Term:
    """One term: a key that has one of ``values``, or, ``negated``, that has none of them.

    Without values it asks whether the key is there at all.
    """

    key: str
    values: tuple[str, ...] | None = None
    negated: bool = False

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether labels fulfil it."""
        has = self.key in labels if self.values is None else labels.get(self.key) in self.values
        return has is not self.negated


@dataclass(frozen=True, slots=True)
class NamespaceSelector:
    """Terms that must all hold; ``text`` is how it was written. Without terms it selects nothing."""

    text: str = ""
    terms: tuple[Term, ...] = ()

    @classmethod
    def parse(cls, text: str, *, field: str = "spec.namespaceSelector") -> Self:
        """Return the selector; raise InvalidInput that names the term which is not understood."""
        parts = [part.strip() for part in _COMMAS_BETWEEN.split(text)] if text.strip() else []
        if len(parts) > MOST_TERMS:
            raise InvalidInput(field, problem=f"holds {len(parts)} terms", rule=f"use at most {MOST_TERMS}")
        return cls(text.strip(), tuple(_term(part, field) for part in parts))

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Whether a namespace with these labels is meant."""
        return bool(self.terms) and all(term.holds(labels) for term in self.terms)


def _term(text: str, field: str) -> Term:
    found = _TERM.fullmatch(text)
    if found is None or (found["absent"] and (found["sign"] or found["set"])):
        raise InvalidInput(field, problem=f"{text[:80]!a} is not understood", rule=RULE)
    if found["sign"]:
        return Term(found["key"], (found["value"],), negated=found["sign"] == "!=")
    if found["set"]:
        values = tuple(value.strip() for value in found["values"].split(","))
        return Term(found["key"], values, negated=found["set"] == "notin")
    return Term(found["key"], negated=bool(found["absent"]))
