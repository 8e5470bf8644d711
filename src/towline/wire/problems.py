"""JSON bodies read into Structs, and the schema library's complaints turned into InvalidInput.

The library stops at the first error and names it by a JSON path; people get the dotted field, what
was wrong and what is right. No value of the body is quoted: it may be a password.
"""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec
import msgspec.inspect

from towline.domain.errors import InvalidInput

T = TypeVar("T")

_PLACE = re.compile(r" - at `(?P<path>[^`]*)`$")
_EXPECTED = re.compile(r"Expected `(?P<wanted>[^`]+)`(?P<bound> [<>]=? \S+)?(?:, got `(?P<got>[^`]+)`)?")
_MISSING = re.compile(r"Object missing required field `(?P<field>[^`]+)`")
_STEP = re.compile(r"\.?([^.\[\]]+)|\[(?:\d+|\.\.\.)\]")

_WORDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def read(body: bytes, wanted: type[T]) -> T:
    """Return ``body`` as a ``wanted``; raise InvalidInput that names the field and the rule."""
    try:
        return msgspec.json.decode(body, type=wanted)
    except msgspec.ValidationError as error:
        raise _invalid(str(error), wanted) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        problem = "is empty" if not body.strip() else f"is not JSON ({_cleaned(error)})"
        raise InvalidInput("body", problem=problem, rule="send a JSON object in UTF-8") from None
    except RecursionError:
        raise InvalidInput("body", problem="is nested too deep", rule="send a flatter object") from None


def required(value: T | None, *, field: str, rule: str = "") -> T:
    """Return ``value``; raise InvalidInput where it is absent or null."""
    if value is None:
        raise InvalidInput(field, problem="is missing", rule=rule or f"give {field}")
    return value


def within(prefix: str, error: InvalidInput) -> InvalidInput:
    """Return the same error for a field that stands below ``prefix``."""
    return error.within(f"{prefix}.{error.field}" if error.field else prefix)


def _invalid(text: str, wanted: type) -> InvalidInput:
    match = _PLACE.search(text)
    path = match["path"] if match else "$"
    field = _dotted(path)
    if missing := _MISSING.search(text):
        place = missing["field"] if field == "body" else f"{field}.{missing['field']}"
        return InvalidInput(place, problem="is missing", rule=f"give {place}")
    if "enum value" in text:
        return InvalidInput(field, problem="is not one of the known words", rule=_choices(wanted, path))
    if expected := _EXPECTED.search(text):
        return _unexpected(field, expected)
    return InvalidInput(field, problem="is out of range", rule="give a smaller value")


def _unexpected(field: str, expected: re.Match[str]) -> InvalidInput:
    kinds = [kind for kind in expected["wanted"].split(" | ") if kind != "null"]
    rule = "give " + " or ".join(_WORDS.get(kind, kind) for kind in kinds)
    if expected["got"] is None:
        return InvalidInput(field, problem="is out of range", rule=f"{rule}{expected['bound'] or ''}")
    return InvalidInput(field, problem=f"is {_WORDS.get(expected['got'], expected['got'])}", rule=rule)


def _choices(wanted: type, path: str) -> str:
    """Return the words that are allowed at ``path`` inside a ``wanted``."""
    kinds: list[object] = [msgspec.inspect.type_info(wanted)]
    for step in _STEP.finditer(path.removeprefix("$")):
        kinds = [below for kind in _flat(kinds) for below in _below(kind, step[1])]
    words = [str(word) for kind in _flat(kinds) for word in getattr(kind, "values", ())]
    return f"use {', '.join(words)}"


def _flat(kinds: list[object]) -> list[object]:
    return [each for kind in kinds for each in getattr(kind, "types", (kind,))]


def _below(kind: object, key: str | None) -> list[object]:
    if key is None:
        return [kind.item_type] if isinstance(kind, msgspec.inspect.ListType) else []
    if not isinstance(kind, msgspec.inspect.StructType):
        return []
    return [field.type for field in kind.fields if field.encode_name == key]


def _dotted(path: str) -> str:
    """Turn ``$.spec.labels[...]`` into ``spec.labels`` and ``$.a[0].b`` into ``a[0].b``."""
    return path.removeprefix("$").lstrip(".").removesuffix("[...]") or "body"


def _cleaned(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    return str(error).removeprefix("JSON is malformed: ")
