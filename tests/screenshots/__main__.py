"""Take a picture of every page at two widths in both themes, from a server that has something to show."""

from __future__ import annotations

import base64
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from playwright.sync_api import Browser, expect

from parts.browser import Person, person, running_browser
from parts.images import busybox_layout
from parts.registry import PASSWORD, htpasswd_auth, push, running_registry
from parts.server import EMAIL, Server, running_server, until
from parts.slow import slowly

PLACE = Path(__file__).resolve().parents[2] / "docs" / "screenshots"
COMMAND = ("sh", "-c", "while true; do echo hello from a private image; sleep 1; done")
BALLAST = (30_000_000, 9_000_000, 18_000_000)
RATE = 60_000
LONG = "a-secret-whose-name-" + "is-very-" * 24 + "long"
WIDTHS = (1440, 390)
THEMES = ("light", "dark")
PAGES = {
    "overview": "",
    "secrets": "/secrets",
    "secrets-search-empty": "/secrets?q=nothing",
    "secret-types": "/new/secret",
    "secret-new": "/new/secret/docker",
    "secret-new-opaque": "/new/secret/opaque",
    "secret": "/secrets/ci-pull",
    "secret-failing": "/secrets/old-robot",
    "secret-edit": "/secrets/ci-pull/edit",
    "secret-rotate": "/secrets/ci-pull/edit?rotate",
    "secret-delete": "/secrets/ci-pull/delete",
    "secret-opaque": "/secrets/app-keys",
    "secret-uses": "/secrets/ci-pull/uses",
    "secret-missing": "/secrets/nothing-of-the-kind",
    "project-new": "/new/project",
    "packages": "/packages",
    "package-new": "/new/package",
    "package": "/packages/ci-pull/v1.0.0",
    "package-preflight": "/packages/old-robot/v1.0.0/preflight",
    "deployments": "/deployments",
    "deployment-new": "/new/deployment?package=ci-pull&version=v1.0.0",
    "deployment": "/deployments/ci-pull",
    "deployment-failing": "/deployments/old-robot",
    "deployment-update": "/deployments/ci-pull/update",
    "deployment-delete": "/deployments/ci-pull/delete",
    "deployment-pulling": "/deployments/slow",
    "logs": "/deployments/ci-pull/logs",
    "disks": "/disks",
    "disk-new": "/new/disk",
    "audit": "/audit",
    "members": "/members",
    "settings": "/settings",
}


@contextmanager
def shown() -> Iterator[tuple[Browser, Server, str]]:
    """Yield a browser, a server with secrets and deployments that work and that do not, and the registry."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "registry").mkdir()
        (folder / "server").mkdir()
        auth = htpasswd_auth(folder / "registry")
        registry = stack.enter_context(running_registry(folder / "registry", auth=auth))
        push(registry, busybox_layout(folder / "image", command=COMMAND), "team/app:1")
        push(registry, busybox_layout(folder / "big", command=COMMAND, ballast=BALLAST), "team/big:1")
        door = stack.enter_context(slowly(registry.netloc, rate=RATE))
        server = stack.enter_context(running_server(folder / "server"))
        browser = stack.enter_context(running_browser())
        with person(browser, server) as jane:
            jane.sign_in()
            for name, password in (("ci-pull", PASSWORD), ("old-robot", "not-the-password")):
                jane.add_secret(name, registry.netloc, password)
                jane.deploy(name, registry.netloc)
            jane.add_secret("slow", door, PASSWORD)
            jane.deploy("slow", door, image="team/big:1")
        _without_a_browser(server)
        until(lambda: server.status("ci-pull")["status"] == "Running", "the deployment to run")
        until(lambda: server.status("old-robot")["status"] == "Error", "the deployment to fail")
        yield browser, server, registry.netloc


def _without_a_browser(server: Server) -> None:
    """Make secrets that show what a list must bear: a long name, Docker Hub, keys, a token that ends soon."""
    ends = int(time.time()) + 5 * 24 * 3600
    token = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in _parts(ends))
    for name, registry, password in (
        ("hub-team", "https://index.docker.io/v1/", "dckr_pat_example"),
        ("short-lived", "reg.invalid", token),
        (LONG, "reg.invalid", "example"),
    ):
        docker = {"registry": registry, "username": "team", "password": password, "email": EMAIL}
        spec = {"type": "Docker", "docker": docker}
        server.call("POST", "/v2/secrets/", {"metadata": {"name": name}, "spec": spec})
    keys = {"type": "Opaque", "data": {"API_KEY": "dmFsdWU=", "DATABASE_URL": "dmFsdWU="}}
    server.call("POST", "/v2/secrets/", {"metadata": {"name": "app-keys"}, "spec": keys})


def _parts(ends: int) -> tuple[bytes, ...]:
    """Return the parts of a signed token that ends then."""
    return b'{"alg":"none","typ":"JWT"}', json.dumps({"exp": ends}).encode(), b"signature"


def _states(jane: Person, kind: str, registry: str) -> None:
    """Take pictures of what only comes by doing: results, errors, what was pasted, the palette."""

    def taken(name: str) -> None:
        jane.page.screenshot(path=PLACE / f"{name}-{kind}.png", full_page=True)

    page = jane.open("/new/secret/docker")
    page.get_by_text("Paste instead of type").click()
    auth = base64.b64encode(b"robot:example").decode()
    config = {"auths": {f"{host}.example.com": {"auth": auth} for host in ("one", "two")}}
    page.locator("#pasted").fill(json.dumps(config | {"credHelpers": {"three.example.com": "desktop"}}))
    page.get_by_role("button", name="Read it").click()
    taken("secret-pasted")
    page = jane.open("/new/secret/docker")
    page.get_by_label("Name", exact=True).fill("Not A Name")
    page.get_by_label("Private registry").check()
    page.get_by_label("Registry Url").fill(registry)
    page.get_by_label("Username").fill("robot")
    page.get_by_label("Password", exact=True).fill("wrong")
    page.get_by_role("button", name="Test connection").click()
    expect(page.locator("#connection")).to_contain_text("wrong-credentials")
    taken("secret-tested")
    page.get_by_role("button", name="SUBMIT").click()
    expect(page.get_by_role("alert")).to_be_visible()
    taken("secret-errors")
    page.keyboard.press("Control+k")
    expect(page.get_by_role("option", name="Overview")).to_be_visible()
    taken("palette")


def main() -> int:
    """Write the pictures."""
    PLACE.mkdir(exist_ok=True)
    with shown() as (browser, server, registry):
        for theme in THEMES:
            for width in WIDTHS:
                with person(browser, server, theme=theme, width=width) as jane:
                    jane.page.goto(f"{jane.address}/sign-in")
                    jane.page.screenshot(path=PLACE / f"sign-in-{width}-{theme}.png")
                    jane.sign_in()
                    for name, path in PAGES.items():
                        page = jane.open(path)
                        expect(page.locator("html[data-ready]")).to_be_attached()
                        if name == "deployment-pulling":
                            expect(page.locator(".pull-sum")).to_contain_text(" left")
                        page.wait_for_timeout(300)
                        page.screenshot(path=PLACE / f"{name}-{width}-{theme}.png", full_page=True)
                    _states(jane, f"{width}-{theme}", registry)
    return 0


if __name__ == "__main__":
    sys.exit(main())
