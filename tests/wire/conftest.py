from collections.abc import Iterator

import pytest
from rapyuta_io_sdk_v2 import Client

from parts.live import Live, live_server
from parts.sdk import configuration


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with live_server() as made:
        yield made


@pytest.fixture
def client(live: Live) -> Iterator[Client]:
    made = Client(configuration(live))
    yield made
    made.c.close()
