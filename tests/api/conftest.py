from collections.abc import Iterator

import httpx
import pytest

from parts.live import Live, live_server


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with live_server() as made:
        yield made


@pytest.fixture
def http(live: Live) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=live.url, timeout=30) as client:
        yield client
