"""Which endpoint answers a path."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from towline.api.endpoint import Endpoint
from towline.api.paths import Paths

if TYPE_CHECKING:
    from towline.services.accounts import Accounts

NOBODY = cast("Accounts", None)


def endpoint(path: str) -> Endpoint:
    return Endpoint(path, (), NOBODY)


PATHS = Paths(
    endpoint(path) for path in ("/healthz", "/v2/things/", "/v2/things/{name}/", "/v2/things/{name}/test/")
)


@pytest.mark.parametrize(
    ("path", "label", "names"),
    [
        ("/healthz", "/healthz", {}),
        ("/v2/things/", "/v2/things/", {}),
        ("/v2/things/a b/", "/v2/things/{name}/", {"name": "a b"}),
        ("/v2/things/{name}/", "/v2/things/{name}/", {"name": "{name}"}),
        ("/v2/things/test/test/", "/v2/things/{name}/test/", {"name": "test"}),
    ],
)
def test_a_path_has_one_endpoint_and_its_names(path: str, label: str, names: dict[str, str]) -> None:
    found = PATHS.find(path)
    assert found is not None
    assert (found[0].label, found[1]) == (label, names)


@pytest.mark.parametrize(
    "path",
    ["", "/", "/v2", "/v2/things", "/v2/things//", "/v2/things/a", "/v2/things/a/b/", "/healthz/", "*"],
)
def test_anything_else_is_not_there(path: str) -> None:
    assert PATHS.find(path) is None


def test_a_fixed_segment_wins_over_a_name() -> None:
    paths = Paths([endpoint("/events/{name}/"), endpoint("/events/stream/")])
    found = paths.find("/events/stream/")
    assert found is not None
    assert found[0].label == "/events/stream/"


def test_one_place_has_one_name() -> None:
    with pytest.raises(ValueError, match="called name"):
        Paths([endpoint("/a/{name}/"), endpoint("/a/{guid}/b/")])
