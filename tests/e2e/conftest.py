"""What the tests of the console share: a browser, a registry and a server for each module."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from parts.browser import Person, person, running_browser, serious
from parts.images import busybox_layout
from parts.registry import RealRegistry, htpasswd_auth, push, running_registry
from parts.require import require
from parts.server import Server, running_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SAYS = (
    "echo hello from a private image; "
    r"printf '\033[31mred\033[0m <b>bold</b> \033]0;title\007plain\n'; "
    "n=0; while true; do n=$((n+1)); echo line $n; sleep 0.2; done"
)
COMMAND = ("sh", "-c", SAYS)
BALLAST = (400_000, 900_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as made:
        yield made


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    folder = tmp_path_factory.mktemp("registry")
    with running_registry(folder, auth=htpasswd_auth(folder)) as made:
        push(made, busybox_layout(folder / "one", command=COMMAND), "team/app:1")
        push(made, busybox_layout(folder / "big", command=COMMAND, ballast=BALLAST), "team/big:1")
        yield made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    require("runc")
    require("root")
    with running_server(tmp_path_factory.mktemp("server")) as made:
        yield made


@pytest.fixture
def jane(browser: Browser, server: Server) -> Iterator[Person]:
    """Return somebody who is signed in, and whose browser must have nothing to complain about."""
    with person(browser, server) as made:
        made.sign_in()
        yield made
        assert serious(made.complaints) == []
