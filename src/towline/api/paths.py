"""Which endpoint answers a path: a tree of segments, looked up in a step a segment.

A list of patterns that are tried in turn would cost a GET more than its read of the database.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from towline.api.endpoint import Endpoint


@dataclass(slots=True)
class _Segment:
    """What may follow here: fixed texts, or one name in braces."""

    fixed: dict[str, _Segment] = field(default_factory=dict)
    named: _Segment | None = None
    name: str = ""
    endpoint: Endpoint | None = None


class Paths:
    """Endpoints by path. A fixed segment wins over a name; a name takes any text that is not empty."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self._root = _Segment()
        for endpoint in endpoints:
            self._add(endpoint)

    def find(self, path: str) -> tuple[Endpoint, dict[str, str]] | None:
        """Return the endpoint at ``path`` and the names in it; None where there is none."""
        here, names = self._root, {}
        for part in path.split("/"):
            onward = here.fixed.get(part)
            if onward is None:
                onward = here.named
                if onward is None or not part:
                    return None
                names[onward.name] = part
            here = onward
        return (here.endpoint, names) if here.endpoint else None

    def _add(self, endpoint: Endpoint) -> None:
        here = self._root
        for part in endpoint.label.split("/"):
            if not part.startswith("{"):
                here = here.fixed.setdefault(part, _Segment())
                continue
            name = part.strip("{}")
            here.named = here.named or _Segment(name=name)
            if here.named.name != name:
                raise ValueError(f"{endpoint.label}: {name} is called {here.named.name} in another path")
            here = here.named
        here.endpoint = endpoint
