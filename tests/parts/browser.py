"""A real browser on a real server: Debian's Chromium, driven as a person would use it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, expect, sync_playwright

from parts.registry import USER
from parts.require import require
from parts.server import EMAIL, PASSWORD, Server

CHROMIUM = shutil.which("chromium-headless-shell") or shutil.which("chromium") or "chromium"
"""The shell is Chromium without its own windows and bars, and takes a third of the time."""
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
PATIENCE = 45_000
Role = Literal["link", "button", "textbox", "radio", "switch", "combobox"]
AXE = Path(__file__).resolve().parent.parent / "console" / "axe.min.js"
OF_COLOURS = ("color-contrast", "link-in-text-block")
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")

expect.set_options(timeout=PATIENCE)


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Run Chromium until the block ends."""
    require(CHROMIUM)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Person:
    """Somebody at a browser's page; what the page complained about is in ``complaints``."""

    page: Page
    server: Server
    complaints: list[str]

    @property
    def home(self) -> str:
        """Where the project is."""
        return f"{self.address}/projects/{self.server.project}"

    @property
    def address(self) -> str:
        """Where the server is."""
        return f"http://127.0.0.1:{self.server.port}"

    def sign_in(self) -> None:
        """Sign in at the form."""
        self.page.goto(f"{self.address}/sign-in")
        self.page.get_by_label("E-mail address").fill(EMAIL)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Sign in").click()
        expect(self.page.get_by_role("heading", level=1)).to_have_text("demo")

    def open(self, path: str) -> Page:
        """Open a page of the project."""
        self.page.goto(self.home + path)
        return self.page

    def add_secret(self, name: str, netloc: str, password: str) -> None:
        """Walk the flow of the mission, from the navigation to SUBMIT."""
        page = self.page
        page.get_by_role("link", name="SECRETS", exact=True).click()
        page.get_by_role("link", name="ADD NEW SECRET").first.click()
        expect(page.get_by_role("heading", name="SELECT SECRET TYPE")).to_be_visible()
        page.get_by_role("link", name="Docker pull secret").first.click()
        page.get_by_label("Name", exact=True).fill(name)
        page.get_by_label("Private registry").check()
        page.get_by_label("Registry Url").fill(netloc)
        page.get_by_label("Username").fill(USER)
        page.get_by_label("Password", exact=True).fill(password)
        page.get_by_role("button", name="SUBMIT").click()
        expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()

    def deploy(self, name: str, netloc: str, *, image: str = "team/app:1") -> None:
        """Make a package of the private image with the secret of that name, and deploy it."""
        page = self.page
        page.get_by_role("link", name="PACKAGES", exact=True).click()
        page.get_by_role("link", name="CREATE PACKAGE").first.click()
        page.get_by_label("Name", exact=True).fill(name)
        page.get_by_label("Image", exact=True).fill(f"{netloc}/{image}")
        page.get_by_role("switch", name="Private image").check()
        page.get_by_label("Credential").select_option(name)
        page.get_by_role("button", name="SUBMIT").click()
        page.get_by_role("link", name="Deploy", exact=True).click()
        page.get_by_role("button", name="Deploy", exact=True).click()
        expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()

    def to(self, name: str, role: Role = "link") -> None:
        """Press Tab until the focus is on the element of that name, where it can be seen."""
        wanted = self.page.get_by_role(role, name=name, exact=True).first
        for _ in range(120):
            self.page.keyboard.press("Tab")
            if wanted.evaluate("element => element === document.activeElement"):
                seen = wanted.evaluate(
                    "element => { const style = getComputedStyle(element);"
                    " return style.outlineStyle !== 'none' || style.boxShadow !== 'none' }"
                )
                assert seen, f"the focus on {role} {name} cannot be seen"
                return
        raise AssertionError(f"no Tab leads to {role} {name}")

    def violations(self) -> list[str]:
        """Return what axe-core finds wrong with the page for people who use it differently."""
        self.page.evaluate(AXE.read_text())
        return self._found(list(RULES))

    def violations_in_both_themes(self) -> list[str]:
        """Return likewise what is wrong in light, and with the colours of dark."""
        self.page.emulate_media(color_scheme="light")
        in_light = self.violations()
        self.page.emulate_media(color_scheme="dark")
        expect(self.page.locator("html")).to_have_attribute("data-bs-theme", "dark")
        return in_light + self._found({"type": "rule", "values": list(OF_COLOURS)})

    def _found(self, rules: object) -> list[str]:
        found = self.page.evaluate(
            "rules => axe.run(document, {runOnly: rules}).then(result => JSON.stringify(result.violations))",
            rules,
        )
        return [
            f"{each['id']}: {each['nodes'][0]['html'][:200]} {each['nodes'][0]['failureSummary'][:300]}"
            for each in json.loads(found)
        ]


@contextmanager
def person(
    browser: Browser,
    server: Server,
    *,
    scripts: bool = True,
    width: int = 1440,
    theme: str = "light",
    zone: str = "Asia/Kolkata",
) -> Iterator[Person]:
    """Give somebody a fresh browser profile with a page."""
    context = browser.new_context(
        java_script_enabled=scripts,
        timezone_id=zone,
        locale="en-GB",
        permissions=["clipboard-read", "clipboard-write"],
        viewport={"width": width, "height": 900},
        color_scheme="dark" if theme == "dark" else "light",
        reduced_motion="reduce",
    )
    try:
        page = context.new_page()
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        yield Person(page, server, complaints)
    finally:
        context.close()


def serious(complaints: list[str]) -> list[str]:
    """Return complaints that are not the browser's note of an answer that a test provoked."""
    return [
        each for each in complaints if not re.search(r"the server responded with a status of 4\d\d", each)
    ]
