"""Query strings of lists, and lists as answers: ``items`` and an integer ``metadata.continue``.

Unset filters arrive as empty strings (``?labelSelector=&name=``) and count as absent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import parse_qsl

from towline.domain.deployment import Phase
from towline.domain.errors import InvalidInput
from towline.domain.listing import LabelSelector, Page
from towline.wire.metadata import API_VERSION

MOST_FIELDS = 1000

Query = Mapping[str, Sequence[str]]

_TRUTH = {"true": True, "false": False, "1": True, "0": False}


def query_of(raw: bytes) -> Query:
    """Return the query's values by name, empty ones left out; raise InvalidInput for unusable ones."""
    if not raw:
        return {}
    try:
        pairs = parse_qsl(raw.decode("latin-1"), max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise InvalidInput(
            "query", problem="holds too many fields", rule=f"use at most {MOST_FIELDS}"
        ) from error
    query: dict[str, list[str]] = {}
    for name, value in pairs:
        if "\0" in value:
            raise InvalidInput(name[:40], problem="holds a NUL character", rule="give plain text")
        query.setdefault(name, []).append(value)
    return query


def page_of(query: Query) -> Page:
    """Return which part of a list is wanted."""
    return Page(
        after=number_of(query, "continue", default=0, most=2**63 - 1),
        limit=number_of(query, "limit", default=50, most=10**6),
    )


def selector_of(query: Query) -> LabelSelector:
    """Return the label selector, repeated and comma-separated terms joined by AND."""
    return LabelSelector.parse(query.get("labelSelector", ()))


def text_of(query: Query, name: str) -> str:
    """Return the last value of ``name``, empty where there is none."""
    values = query.get(name)
    return values[-1] if values else ""


def number_of(query: Query, name: str, *, default: int, most: int) -> int:
    """Return the whole number under ``name``; raise InvalidInput where it is none."""
    text = text_of(query, name)
    if not text:
        return default
    if not text.isascii() or not text.removeprefix("-").isdecimal() or len(text) > 20 or int(text) > most:
        raise InvalidInput(
            name, problem=f"{text[:40]!a} is not usable", rule=f"give a whole number up to {most}"
        )
    return int(text)


def truth_of(query: Query, name: str, *, default: bool) -> bool:
    """Return the truth value under ``name``; raise InvalidInput where it is none."""
    text = text_of(query, name)
    if not text:
        return default
    if text.lower() not in _TRUTH:
        raise InvalidInput(name, problem=f"is {text[:40]!a}", rule="give true or false")
    return _TRUTH[text.lower()]


def elsewhere(query: Query) -> bool:
    """Whether only what is in a region or on a device is wanted, which nothing is here."""
    return bool(query.get("regions") or query.get("deviceName"))


def phases_of(query: Query) -> tuple[Phase, ...]:
    """Return the phases that a list of deployments is limited to."""
    known = {phase.value: phase for phase in Phase}
    for text in query.get("phases", ()):
        if text not in known:
            raise InvalidInput(
                "phases", problem=f"{text[:40]!a} is not a phase", rule=f"use {', '.join(known)}"
            )
    return tuple(known[text] for text in query.get("phases", ()))


def joined(kind: str, items: Iterable[bytes], following: int | None) -> bytes:
    """Return a list document from ready-made items, without reading any of them."""
    metadata = b"{}" if following is None else b'{"continue":%d}' % following
    head = b'{"kind":"%bList","apiVersion":"%b","metadata":%b,"items":[' % (
        kind.encode(),
        API_VERSION.encode(),
        metadata,
    )
    return head + b",".join(items) + b"]}"
