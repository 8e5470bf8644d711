from collections.abc import Iterator

import pytest
from rapyuta_io_sdk_v2 import Client, Configuration

from parts.live import Live, live_server


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with live_server() as made:
        yield made


def configuration(live: Live, **changes: str) -> Configuration:
    known = {
        "auth_token": live.token,
        "project_guid": live.project,
        "organization_guid": live.organization,
    }
    return Configuration(environment="local", v2_api_host=live.url, rip_host=live.url, **{**known, **changes})


@pytest.fixture
def client(live: Live) -> Iterator[Client]:
    made = Client(configuration(live))
    yield made
    made.c.close()
