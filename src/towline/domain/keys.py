"""The keys that sealed values stand under, as those see them who keep them. No key itself is here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HeldKey:
    """A key that this server can open values with; ``place`` says in words where it is kept."""

    id: str
    place: str
    active: bool


@dataclass(frozen=True, slots=True)
class KeyState:
    """A key that is held or that some value names: ``uses`` counts values by kind (``secret``)."""

    id: str
    place: str
    active: bool
    uses: Mapping[str, int]

    @property
    def is_lost(self) -> bool:
        """Whether values stand under it that nobody can open."""
        return not self.place and self.used > 0

    @property
    def used(self) -> int:
        """How many values stand under it."""
        return sum(self.uses.values())


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a rewrap has come: of ``total`` values ``done`` stand under the active key."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A sealed value that does not open: what it is, whose, and why."""

    kind: str
    name: str
    project: str
    guid: str
    key_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """What a rewrap did: how many values it moved to the key ``active``, and which it could not."""

    active: str
    moved: int
    unreadable: Sequence[Unreadable]
