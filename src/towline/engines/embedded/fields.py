"""Reading JSON that nobody vouches for: every field is what was asked for, or the pull is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from towline.domain.causes import FindingCode
from towline.engines.embedded.refusals import refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towline.domain.errors import PullRefused


def document(content: bytes, name: str) -> Document:
    """Return the JSON object in ``content``; ``name`` is how people are told of it."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise refused(FindingCode.MANIFEST_NOT_SUPPORTED, f"{name} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise refused(FindingCode.MANIFEST_NOT_SUPPORTED, f"{name} is not a JSON object")
    return Document(value, name)


class Document:
    """A JSON object whose fields are asked for by kind; absent and null are the same: empty."""

    def __init__(self, value: Mapping[str, object], place: str) -> None:
        self._value = value
        self._place = place

    def __bool__(self) -> bool:
        return bool(self._value)

    def __contains__(self, name: str) -> bool:
        return self._value.get(name) is not None

    def text(self, name: str) -> str:
        """Return a text."""
        return self._text(name, self._value.get(name))

    def number(self, name: str) -> int:
        """Return a whole number; 0 where there is none."""
        value = self._value.get(name)
        if value is None:
            return 0
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.wrong(name, "is not a whole number")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of texts."""
        return tuple(self._text(f"{name}[{at}]", item) for at, item in enumerate(self._list(name)))

    def text_values(self, name: str) -> Mapping[str, str]:
        """Return an object whose values are texts."""
        value = self._object(name, self._value.get(name))
        return {key: self._text(f"{name}.{key}", item) for key, item in value.items()}

    def inner(self, name: str) -> Document:
        """Return an object."""
        return Document(self._object(name, self._value.get(name)), f"{self._place}: {name}")

    def inners(self, name: str) -> tuple[Document, ...]:
        """Return a list of objects."""
        return tuple(
            Document(self._object(f"{name}[{at}]", item), f"{self._place}: {name}[{at}]")
            for at, item in enumerate(self._list(name))
        )

    def wrong(self, name: str, problem: str) -> PullRefused:
        """Return the error that says what is wrong with a field."""
        place = f"{self._place}: {name}" if name else self._place
        return refused(FindingCode.MANIFEST_NOT_SUPPORTED, f"{place} {problem}")

    def _text(self, name: str, value: object) -> str:
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self.wrong(name[:100], "is not a text")
        if "\0" in value:
            raise self.wrong(name[:100], "holds a zero byte")
        return value

    def _list(self, name: str) -> list[object]:
        value = self._value.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.wrong(name, "is not a list")
        return value

    def _object(self, name: str, value: object) -> Mapping[str, object]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self.wrong(name, "is not an object")
        return value
