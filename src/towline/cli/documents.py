"""JSON documents of the API, read without trust: a missing key is nothing, not a crash."""

from __future__ import annotations

Document = dict[str, object]
"""A JSON object."""


def at(document: object, *keys: str) -> object:
    """Return what stands under these keys, or None."""
    for key in keys:
        if not isinstance(document, dict):
            return None
        document = document.get(key)
    return document


def text_at(document: object, *keys: str) -> str:
    """Return the text under these keys; empty where there is none."""
    found = at(document, *keys)
    return "" if found is None else str(found)


def documents_at(document: object, *keys: str) -> list[Document]:
    """Return the objects of the list, or of the mapping's values, under these keys."""
    found = at(document, *keys)
    values = found.values() if isinstance(found, dict) else found if isinstance(found, list) else ()
    return [each for each in values if isinstance(each, dict)]


def number_at(document: object, *keys: str) -> int:
    """Return the number under these keys; 0 where there is none."""
    found = at(document, *keys)
    return int(found) if isinstance(found, (int, float)) else 0
