"""The keys that values are sealed under: who keeps them, and which value stands under which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from towline.domain.keys import HeldKey
    from towline.ports.credentials import Binding


@dataclass(frozen=True, slots=True)
class SealedValue:
    """A sealed value where it rests: ``kind`` is the noun (``secret``), ``place`` orders all of a kind.

    ``name`` and ``project`` are what people call it.
    """

    kind: str
    place: str
    binding: Binding
    sealed: bytes
    key_id: str
    name: str
    project: str


class KeyRows(Protocol):
    """Which key each sealed value stands under, and which keys were retired.

    Whatever writes a sealed value notes its key, and is refused (Conflict) once that key is retired:
    so no value comes to stand under a key that was found unused.
    """

    def name_all(self) -> None:
        """Note the key of values that an older Towline wrote; ``uses`` and ``sealed`` see no others."""

    def uses(self) -> Mapping[str, Mapping[str, int]]:
        """Return how many values of each kind stand under each key."""

    def kinds(self) -> Sequence[str]:
        """Return the kinds of sealed values."""

    def sealed(
        self, kind: str, *, after: str, most: int, other_than: str = "", only: Sequence[str] | None = None
    ) -> Sequence[SealedValue]:
        """Return at most ``most`` values in order of place, those after the place ``after``.

        With ``other_than`` none that stands under that key; with ``only`` those under these keys alone.
        """

    def rewrapped(self, value: SealedValue, sealed: bytes) -> bool:
        """Put other bytes in place of exactly those that were read; return False if they changed since."""

    def retire(self, key_id: str, *, at: datetime) -> None:
        """Let no value stand under a key any more; raise Conflict while one does."""

    def retired(self) -> Sequence[str]:
        """Return the ids of retired keys."""


class KeyCustody(Protocol):
    """Who keeps the keys and can make new ones. Raises Conflict where others keep them."""

    async def keys(self) -> Sequence[HeldKey]:
        """Return every key that opens something, the active one first."""

    async def active(self) -> str:
        """Return the id of the key that new values are sealed under; empty where there is none."""

    async def add(self) -> str:
        """Make a key that is not active yet (active where it is the first); return its id."""

    async def activate(self, key_id: str) -> str:
        """Seal new values under that key, or with an empty id under a new one; return its id."""

    async def falls_with(self, key_id: str) -> Sequence[str]:
        """Return the ids of all keys that go when this one goes, itself among them."""

    async def forget(self, key_id: str) -> None:
        """Destroy a key; raise Conflict for the active one."""

    async def rewrap(self, sealed: bytes, binding: Binding) -> bytes:
        """Return the same value with its data key wrapped by the active key.

        The value itself is not seen, unless it was sealed by a version of Towline before this promise.
        Raises SealBroken, KeysUnreachable.
        """

    async def check(self, sealed: bytes, binding: Binding) -> None:
        """Raise SealBroken unless the value opens."""
