"""Answers of the store that may be a few seconds old, for the hot path of every request."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from datetime import datetime

Key = TypeVar("Key")
Value = TypeVar("Value")

REMEMBERED_FOR = timedelta(seconds=5)
_MOST = 10_000


class Remembered(Generic[Key, Value]):
    """Values by key, each for ``life``; bounded in number."""

    def __init__(self, *, life: timedelta) -> None:
        self._life = life
        self._kept: dict[Key, tuple[Value, datetime]] = {}

    def get(self, key: Key, *, now: datetime) -> Value | None:
        """Return what was kept under ``key``, None when it is too old or absent."""
        found = self._kept.get(key)
        if found is None or now > found[1]:
            return None
        return found[0]

    def keep(self, key: Key, value: Value, *, now: datetime) -> None:
        """Remember a value from now on."""
        if len(self._kept) >= _MOST:
            self._kept.clear()
        self._kept[key] = (value, now + self._life)

    def forget(self) -> None:
        """Remember nothing any more."""
        self._kept.clear()
