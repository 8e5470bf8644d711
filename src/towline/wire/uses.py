"""Uses of a secret as they are listed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from towline.domain.uses import UseFilter, moment_of
from towline.wire.lists import text_of
from towline.wire.metadata import rfc3339

if TYPE_CHECKING:
    from towline.domain.uses import Use
    from towline.wire.lists import Query


class UseDocument(msgspec.Struct):
    """A use, or a refused one; ``number`` is its row's in the audit trail, ``peer`` the caller's address."""

    kind: Literal["Use"]
    number: int
    at: str
    actor: str
    door: str
    outcome: str
    image: str
    peer: str
    facts: dict[str, str]


def use(found: Use) -> bytes:
    """Return the document of a use."""
    row = found.row
    return _encode(
        UseDocument(
            "Use",
            found.seq,
            rfc3339(row.at),
            row.actor,
            found.fact("door"),
            row.outcome,
            found.fact("image"),
            found.fact("peer"),
            facts=dict(row.detail),
        )
    )


def wanted_uses(query: Query) -> UseFilter:
    """Return which uses a query asks for."""
    return UseFilter(
        text_of(query, "door"),
        text_of(query, "outcome"),
        text_of(query, "q"),
        moment_of(text_of(query, "since"), field="since"),
        moment_of(text_of(query, "until"), field="until"),
    )


_encode = msgspec.json.Encoder().encode
