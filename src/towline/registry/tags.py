"""The tags of a repository, to say which one was probably meant (distribution-spec, listing tags)."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import msgspec

from towline.registry.cleaning import cleaned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towline.domain.image import ImageReference

_SHOWN = 3
_MOST = 1000
"""A server may list more than the hundred asked for; to liken them all would take seconds."""
_LONGEST = 128
"""The longest tag that the specification allows."""


class _Tags(msgspec.Struct):
    tags: list[str] | None = None


def listed_tags(body: bytes) -> tuple[str, ...]:
    """Return some tags in the body of a tag list; none where it is not one."""
    try:
        tags = msgspec.json.decode(body, type=_Tags).tags or ()
    except (msgspec.DecodeError, RecursionError):
        return ()
    return tuple(tag for tag in tags[:_MOST] if len(tag) <= _LONGEST)


def near(image: ImageReference, tags: Sequence[str]) -> str:
    """Return in words which tags there are instead; empty where none is known."""
    if not tags or image.digest:
        return ""
    close = difflib.get_close_matches(image.reference, tags, n=_SHOWN, cutoff=0.5)
    named = ", ".join(cleaned(tag, most=60) for tag in (close or tags[-_SHOWN:]))
    return f"near it are {named}" if close else f"it has {named}"
