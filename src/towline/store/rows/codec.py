"""Between domain values and what rows hold: JSON, and times as microseconds since 1970."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias, TypeVar

import msgspec

T = TypeVar("T")

Row: TypeAlias = tuple[Any, ...]
"""What a database hands out for a row: each column has the type that its table declares."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DECODERS: dict[Any, msgspec.json.Decoder[Any]] = {}
_MAKING = threading.Lock()
"""msgspec writes down what it learns about a dataclass while it is still at it: a second thread that meets
the class in that moment reads past the end, and the process ends. So one thread at a time learns a kind."""


def micros(moment: datetime) -> int:
    """Return a time as a row keeps it."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(number: int) -> datetime:
    """Return the time that a row keeps."""
    return _EPOCH + timedelta(microseconds=number)


def maybe_micros(moment: datetime | None) -> int | None:
    """Return a time that may be none as a row keeps it."""
    return None if moment is None else micros(moment)


def maybe_moment(number: int | None) -> datetime | None:
    """Return the time that a row keeps, if it keeps one."""
    return None if number is None else moment(number)


def text(value: object) -> str:
    """Return a value as JSON; raises TypeError for a Password wherever it hides in the value."""
    return msgspec.json.encode(value).decode()


def value(kind: type[T], body: str | bytes) -> T:
    """Return the value that ``text`` made."""
    decoder = _DECODERS.get(kind)
    if decoder is None:
        with _MAKING:
            decoder = _DECODERS.setdefault(kind, msgspec.json.Decoder(kind))
    found: T = decoder.decode(body)
    return found


def listed(values: object) -> str:
    """Return names or guids as the one parameter that ``IN (SELECT value FROM json_each(?))`` takes."""
    return msgspec.json.encode(values).decode()


def json_moment(moment: datetime) -> str:
    """Return a time as it stands inside a body, to be compared there as text."""
    written: str = msgspec.json.decode(msgspec.json.encode(moment))
    return written
