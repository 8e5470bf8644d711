"""ENGINES in a real browser, with a real Docker Engine beside the embedded one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from parts.browser import Person, person, serious
from parts.dockerd import Dockerd, own_dockerd
from parts.registry import PASSWORD, RealRegistry

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from parts.server import Server


@pytest.fixture(scope="module")
def dockerd() -> Iterator[Dockerd]:
    with own_dockerd(bridge="none") as made:
        yield made


def pictured(someone: Person, name: str) -> None:
    """Keep a picture where one is asked for: a person looks at it."""
    if folder := os.environ.get("TOWLINE_TEST_PICTURES"):
        someone.page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)


def deployed_on(jane: Person, engine: str, registry: RealRegistry) -> None:
    """Deploy ``on-rack`` by the forms, on the engine of that name."""
    page = jane.page
    jane.add_secret("engines-pull", registry.netloc, PASSWORD)
    page.get_by_role("link", name="PACKAGES", exact=True).click()
    page.get_by_role("link", name="CREATE PACKAGE").first.click()
    page.get_by_label("Name", exact=True).fill("on-rack")
    page.get_by_label("Image", exact=True).fill(f"{registry.netloc}/team/app:1")
    page.get_by_role("switch", name="Private image").check()
    page.get_by_label("Credential").select_option("engines-pull")
    page.get_by_role("button", name="SUBMIT").click()
    page.get_by_role("link", name="Deploy", exact=True).click()
    page.get_by_label("Engine").select_option(engine)
    page.get_by_role("button", name="Deploy", exact=True).click()
    expect(page.locator(".chip-green")).to_contain_text("Running")


def test_the_keyboard_alone_adds_an_engine_and_deploys_there_and_removes_it(
    jane: Person, dockerd: Dockerd, registry: RealRegistry
) -> None:
    page, keys = jane.open(""), jane.page.keyboard
    jane.to("ENGINES")
    keys.press("Enter")
    jane.to("ADD ENGINE")
    keys.press("Enter")
    jane.to("Name", "textbox")
    keys.type("rack1")
    jane.to("Address", "textbox")
    keys.type(dockerd.host)
    jane.to("Network of its containers", "textbox")
    keys.type("host")
    keys.press("Enter")
    expect(page.get_by_text("Engine rack1 is in use.")).to_be_visible()
    deployed_on(jane, "rack1", registry)
    assert len(dockerd.containers()) == 1
    jane.open("/engines/rack1")
    expect(page.get_by_role("row", name=registry.netloc)).to_contain_text("Towline")
    pictured(jane, "engine-1440-light")
    jane.open("/engines")
    expect(page.get_by_role("row", name="rack1")).to_contain_text("answers")
    pictured(jane, "engines-1440-light")
    dockerd.stop()
    try:
        expect(page.get_by_role("row", name="rack1")).to_contain_text("out of reach")
        pictured(jane, "engines-lost-1440-light")
    finally:
        dockerd.start()
    expect(page.get_by_role("row", name="rack1")).to_contain_text("answers")
    jane.open("/deployments/on-rack/delete")
    page.get_by_label("Type on-rack to confirm").fill("on-rack")
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Deployment on-rack is being stopped.")).to_be_visible()
    jane.open("/engines/rack1")
    jane.to("Remove")
    keys.press("Enter")
    jane.to("Type rack1 to confirm", "textbox")
    keys.type("rack1")
    keys.press("Enter")
    expect(page.get_by_text("Engine rack1 is removed.")).to_be_visible()


@pytest.mark.parametrize("width", [1440, 390])
def test_nobody_is_kept_out_of_the_pages(
    browser: Browser, server: Server, dockerd: Dockerd, width: int
) -> None:
    spec = {"address": dockerd.host, "network": "host"}
    server.ask("POST", "/v2/engines/", {"kind": "Engine", "metadata": {"name": "shed"}, "spec": spec})
    with person(browser, server, width=width) as made:
        made.sign_in()
        for path in (
            "/engines",
            "/engines/shed",
            "/new/engine",
            "/engines/shed/collect",
            "/engines/shed/remove",
        ):
            page = made.open(path)
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            assert made.violations_in_both_themes() == [], path
            too_wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
            assert not too_wide, f"{path} at {width}"
            pictured(made, f"{path.strip('/').replace('/', '-')}-{width}")
        assert serious(made.complaints) == []
