"""Between domain values and the text that rows hold: JSON, and times as microseconds since 1970."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec

T = TypeVar("T")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(moment: datetime) -> int:
    """Return a time as a row keeps it."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(number: int) -> datetime:
    """Return the time that a row keeps."""
    return _EPOCH + timedelta(microseconds=number)


def text(value: object) -> str:
    """Return a value as JSON; raises TypeError for a Password wherever it hides in the value."""
    return msgspec.json.encode(value).decode()


def value(kind: type[T], body: str | bytes) -> T:
    """Return the value that ``text`` made."""
    return msgspec.json.decode(body, type=kind)
