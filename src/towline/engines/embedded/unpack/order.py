"""What the engine tells the child, as JSON in its one argument, and what it answers, as one line of JSON."""

from __future__ import annotations

import json
from typing import NamedTuple

DONE = "done"
LOWER_NEEDED = "lower-needed"
"""The layer leans on the ones below it: it must be unpacked again with them at hand."""
REFUSED = "refused"
CORRUPT = "corrupt"
DISK_FULL = "disk-full"
FAILED = "failed"


class Limits(NamedTuple):
    """How far a layer may go: sizes in bytes, all that a bomb would need.

    A layer may grow to ``ratio`` times its compressed size, and to ``at_least`` whatever its size.
    """

    content: int = 64 << 30
    entries: int = 2_000_000
    ratio: int = 200
    at_least: int = 1 << 30
    memory: int = 1 << 30
    seconds: int = 1800

    def room(self, blob_size: int) -> int:
        """Return how many bytes a layer may unpack to."""
        return min(self.content, max(self.at_least, self.ratio * blob_size))


class Order(NamedTuple):
    """Which layer goes where. The blob is the child's standard input.

    ``target`` is an empty folder. ``lowers`` are the unpacked layers below, topmost first; None means
    that they are not there yet. ``user_namespace`` says that a normal user unpacks.
    """

    target: str
    diff_id: str
    blob_size: int
    lowers: list[str] | None
    user_namespace: bool
    limits: Limits


class Outcome(NamedTuple):
    """How it went; ``left_out`` counts device nodes and attributes that no image needs."""

    result: str
    detail: str = ""
    entries: int = 0
    content: int = 0
    left_out: int = 0


def encode(value: Order | Outcome) -> str:
    """Return the document, in one line."""
    return json.dumps(value._asdict())


def decode_order(document: str) -> Order:
    """Return the order that a document holds."""
    fields = json.loads(document)
    return Order(**{**fields, "limits": Limits(*fields["limits"])})


def decode_outcome(document: bytes) -> Outcome:
    """Return the outcome that a document holds; raise ValueError where it holds none."""
    try:
        return Outcome(**json.loads(document))
    except TypeError as error:
        raise ValueError("this is no outcome") from error
