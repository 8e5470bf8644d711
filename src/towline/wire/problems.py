"""JSON bodies read into Structs, and the schema library's complaints turned into InvalidInput.

The library stops at the first error and names it by a JSON path; people get the dotted field, what
was wrong and what is right. No value of the body is quoted: it may be a password.
"""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

from towline.domain.errors import InvalidInput

T = TypeVar("T")

_PLACE = re.compile(r" - at `(?P<path>[^`]*)`$")
_EXPECTED = re.compile(r"Expected `(?P<wanted>[^`]+)`, got `(?P<got>[^`]+)`")
_MISSING = re.compile(r"Object missing required field `(?P<field>[^`]+)`")

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
        raise _invalid(str(error)) from None
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


def _invalid(text: str) -> InvalidInput:
    match = _PLACE.search(text)
    field = _dotted(match["path"]) if match else "body"
    if missing := _MISSING.search(text):
        place = missing["field"] if field == "body" else f"{field}.{missing['field']}"
        return InvalidInput(place, problem="is missing", rule=f"give {place}")
    if expected := _EXPECTED.search(text):
        wanted = [kind for kind in expected["wanted"].split(" | ") if kind != "null"]
        rule = " or ".join(_WORDS.get(kind, kind) for kind in wanted)
        return InvalidInput(
            field, problem=f"is {_WORDS.get(expected['got'], expected['got'])}", rule=f"give {rule}"
        )
    return InvalidInput(field, problem=_PLACE.sub("", text).replace("`", "'"))


def _dotted(path: str) -> str:
    """Turn ``$.spec.labels[...]`` into ``spec.labels`` and ``$.a[0].b`` into ``a[0].b``."""
    return path.removeprefix("$").lstrip(".").removesuffix("[...]") or "body"


def _cleaned(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    return str(error).removeprefix("JSON is malformed: ")
