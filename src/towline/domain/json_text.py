"""JSON from elsewhere: read once, refused in one line that names the place and quotes nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JsonText:
    """What a JSON text holds, and the members that an object in it gives more than once."""

    value: object
    repeated: tuple[str, ...] = ()


class NotJson(ValueError):
    """The text is no JSON; its words are the problem, for people."""


def read_json(text: str, *, joined: frozenset[str] = frozenset()) -> JsonText:
    """Return what ``text`` holds; raise NotJson.

    Of a member that is given twice the later one counts; objects under the names ``joined`` (in lower case)
    are put together, as Go's decoder does with its maps.
    """
    repeated: list[str] = []

    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        made: dict[str, object] = {}
        for name, value in pairs:
            if name in made:
                repeated.append(name)
            before = made.get(name)
            if name.lower() in joined and isinstance(before, dict) and isinstance(value, dict):
                made[name] = {**before, **value}
            else:
                made[name] = value
        return made

    try:
        return JsonText(json.loads(text, object_pairs_hook=unique), tuple(dict.fromkeys(repeated)))
    except json.JSONDecodeError as error:
        raise NotJson(f"is not JSON at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise NotJson("is nested too deeply") from None
    except ValueError:
        # An integer of more digits than Python turns into a number.
        raise NotJson("holds a number that is too long") from None
