"""A live server with a secret, and somebody with a token for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from parts.callers import REGISTRY, Caller, keep, token_of
from parts.live import Live, live_server


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with live_server() as made:
        keep(made, "pull", REGISTRY)
        yield made


@pytest.fixture
def caller(live: Live, tmp_path: Path) -> Caller:
    return Caller(live, tmp_path, token_of(live, "secrets:use:*", "credentials:store"))
