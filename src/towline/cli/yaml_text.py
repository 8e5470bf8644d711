"""YAML of credentials: read once, refused in one line that quotes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml
from yaml.events import CollectionEndEvent, CollectionStartEvent

from towline.domain.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from yaml.events import Event

DEEPEST = 100


def load_yaml(text: str) -> Sequence[object]:
    """Return the documents of a YAML text; raise InvalidInput naming the place where it is none."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _refuse_depth(yaml.parse(text, Loader=loader))
        return list(yaml.load_all(text, Loader=loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise InvalidInput("file", problem=f"is not YAML{place}") from None
    except (yaml.YAMLError, ValueError, OverflowError):
        raise InvalidInput("file", problem="is not YAML") from None
    except RecursionError:
        raise InvalidInput("file", problem="is nested too deeply") from None


def _refuse_depth(events: Iterable[Event]) -> None:
    """Refuse what is nested so deeply that the fast loader's own stack ends with the process."""
    depth = 0
    for event in events:
        if isinstance(event, CollectionStartEvent):
            depth += 1
        elif isinstance(event, CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            raise InvalidInput("file", problem="is nested too deeply")
