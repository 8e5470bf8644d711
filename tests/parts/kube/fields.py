"""Objects as leaves by path, and which manager holds which leaf: what server-side apply works on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

Path = tuple[str, ...]

_KEYS = {
    "containers": ("name",),
    "env": ("name",),
    "imagePullSecrets": ("name",),
    "ownerReferences": ("uid",),
    "ports": ("port", "protocol"),
}
"""The lists that are merged by key; all others are one value, as is a service account's own."""
_ONE_VALUE = {("f:imagePullSecrets",)}


def leaves(value: Any, at: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every leaf of a document."""
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from leaves(inner, (*at, f"f:{name}"))
    elif (
        isinstance(value, list)
        and at
        and at not in _ONE_VALUE
        and (keys := _KEYS.get(at[-1].removeprefix("f:")))
    ):
        for item in value:
            key = json.dumps({name: item[name] for name in keys if name in item}, separators=(",", ":"))
            yield from leaves(item, (*at, f"k:{key}"))
    else:
        yield at, value


def document(held: Mapping[Path, Any]) -> dict[str, Any]:
    """Return the document that leaves make."""
    root: dict[str, Any] = {}
    for path, value in held.items():
        place = root
        for step in path[:-1]:
            place = place.setdefault(step, {})
        place[path[-1]] = value
    return _listed(root)  # type: ignore[no-any-return]


def fields_v1(paths: set[Path]) -> dict[str, Any]:
    """Return the set of leaves as the API writes it."""
    root: dict[str, Any] = {}
    for path in sorted(paths):
        place = root
        for step in path:
            place = place.setdefault(step, {})
    return root


def _listed(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    if node and all(str(key).startswith("k:") for key in node):
        return [_listed(item) for item in node.values()]
    return {key.removeprefix("f:"): _listed(item) for key, item in node.items()}
