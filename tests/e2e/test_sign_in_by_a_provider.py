"""Signing in with a certified OpenID provider: a real server, the real provider, and a browser in between."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from parts.forks import towline
from parts.openid import CLIENT, SECRET, Browser, Provider, running_provider
from parts.registry import free_port
from parts.require import require
from parts.server import EMAIL, PASSWORD, Server, running_server, until

MAX: dict[str, object] = {
    "email": "max@example.com",
    "email_verified": True,
    "given_name": "Max",
    "groups": ["engineers"],
}
RULES = [
    {"claim": "engineers", "domain": {"kind": "Project", "name": "demo"}, "roleName": "project_developer"},
    {"claim": "admins", "domain": {"kind": "Organization", "name": "acme"}, "roleName": "rio-org_admin"},
]


@dataclass
class Place:
    """A server and the provider that it trusts."""

    server: Server
    provider: Provider
    closing: ExitStack

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    def browser(self) -> Browser:
        return Browser(self.closing.enter_context(httpx.Client(timeout=30)))

    def sign_in(self, name: str, following: str = "/") -> tuple[Browser, httpx.Response]:
        browser = self.browser()
        return browser, browser.go(f"{self.url}/sign-in/sso?next={following}", name=name)

    def me(self, browser: Browser) -> Any:
        """Return who the browser's session is, as the API tells it; None where there is none."""
        token = browser.client.cookies.get("towline")
        answer = httpx.get(f"{self.url}/v2/users/me/", headers={"Authorization": f"Bearer {token}"})
        return answer.json()["spec"] if answer.status_code == 200 else None


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    for part in ("runc", "root"):
        require(part)
    folder: Path = tmp_path_factory.mktemp("sso")
    (folder / "provider").mkdir()
    (folder / "secret").write_text(SECRET)
    port = free_port()
    with running_provider(folder / "provider", f"http://127.0.0.1:{port}") as provider:
        words = [
            *("--engine", "embedded", "--oidc-issuer", provider.issuer, "--oidc-client-id", CLIENT),
            *("--oidc-client-secret-file", str(folder / "secret"), "--oidc-name", "Example ID"),
            *("--oidc-scopes", "openid email profile groups"),
        ]
        with running_server(folder, *words, port=port) as server, ExitStack() as closing:
            made = Place(server, provider, closing)
            provider.knows(max=MAX)
            server.call("PUT", f"/v2/organizations/{organization(made)}/claims/", {"spec": {"rules": RULES}})
            yield made


def organization(place: Place) -> str:
    guid: str = place.server.call("GET", "/v2/users/me/")["spec"]["organizations"][0]["guid"]
    return guid


def roles(me: Any) -> list[str]:
    return [role for each in me["projects"] for role in each["roleNames"]]


def test_who_is_in_a_group_there_is_in_with_its_role(place: Place) -> None:
    place.provider.knows(max=MAX)
    assert "Sign in with Example ID" in httpx.get(f"{place.url}/sign-in").text
    browser, page = place.sign_in("max", f"/projects/{place.server.project}/secrets")
    assert "You are signed in as max@example.com" in page.text
    assert f'content="0; url=/projects/{place.server.project}/secrets"' in page.text
    assert "SECRETS" in browser.go(f"{place.url}/projects/{place.server.project}/secrets").text
    me = place.me(browser)
    assert (me["emailID"], me["firstName"], roles(me)) == ("max@example.com", "Max", ["project_developer"])


def test_what_changed_there_holds_from_the_next_sign_in(place: Place) -> None:
    place.provider.knows(max=MAX)
    first, _ = place.sign_in("max")
    place.provider.knows(max={**MAX, "groups": []})
    assert roles(place.me(first)) == ["project_developer"]
    second, _ = place.sign_in("max")
    until(lambda: place.me(first)["projects"] == [], "the roles to be gone")
    assert place.me(second)["organizations"] == []


def test_who_is_not_expected_or_not_verified_stays_out(place: Place) -> None:
    place.provider.knows(eve={**MAX, "email": "eve@example.com", "groups": []})
    _, page = place.sign_in("eve")
    assert (page.status_code, "nobody here expects eve@example.com" in page.text) == (403, True)
    place.provider.knows(mallory={**MAX, "email": EMAIL, "email_verified": False})
    browser, page = place.sign_in("mallory")
    assert (page.status_code, "verified" in page.text) == (403, True)
    assert place.me(browser) is None


def test_an_account_with_a_password_is_connected_by_that(place: Place) -> None:
    place.provider.knows(jane={"email": EMAIL, "email_verified": True})
    browser, page = place.sign_in("jane")
    assert f"{EMAIL} has an account here with a password" in page.text
    assert place.me(browser) is None
    link = re.search(r'name="link" value="([^"]+)"', page.text)
    assert link is not None
    form = {"link": link[1], "next": "/", "email": EMAIL}
    wrong = browser.client.post(f"{place.url}/sign-in/sso/connect", data={**form, "password": "guess"})
    assert wrong.status_code == 401
    done = browser.client.post(f"{place.url}/sign-in/sso/connect", data={**form, "password": PASSWORD})
    assert done.status_code == 303
    assert place.me(browser)["emailID"] == EMAIL
    _, again = place.sign_in("jane")
    assert f"You are signed in as {EMAIL}" in again.text


def test_an_answer_that_another_browser_asked_for_is_refused(place: Place) -> None:
    place.provider.knows(max=MAX)
    stranger = place.browser()
    stop = stranger.go(f"{place.url}/sign-in/sso", name="max", until=f"{place.url}/sign-in/sso/back")
    stolen = stop.headers["location"]
    assert "code=" in stolen
    victim = place.browser()
    answer = victim.client.get(stolen)
    assert (answer.status_code, "not begun in this browser" in answer.text) == (400, True)
    begun = victim.client.get(f"{place.url}/sign-in/sso")
    state = parse_qs(urlsplit(begun.headers["location"]).query)["state"][0]
    code = parse_qs(urlsplit(stolen).query)["code"][0]
    swapped = victim.client.get(f"{place.url}/sign-in/sso/back", params={"state": state, "code": code})
    assert (swapped.status_code, "did not accept its own code" in swapped.text) == (403, True)
    assert place.me(victim) is None


def test_the_request_has_what_keeps_answers_apart(place: Place) -> None:
    begun = httpx.get(f"{place.url}/sign-in/sso")
    query = parse_qs(urlsplit(begun.headers["location"]).query)
    assert query["code_challenge_method"] == ["S256"]
    assert len({query[name][0] for name in ("state", "nonce", "code_challenge")}) == 3
    cookie = begun.headers["set-cookie"]
    assert ("HttpOnly" in cookie, "SameSite=lax" in cookie) == (True, True)


def test_signing_out_leads_to_the_providers_own_way_out(place: Place) -> None:
    place.provider.knows(max=MAX)
    browser, _ = place.sign_in("max")
    home = browser.go(f"{place.url}/projects/{place.server.project}")
    token = re.search(r'name="form_token" value="([0-9a-f]+)"', home.text)
    assert token is not None
    left = browser.client.post(f"{place.url}/sign-out", data={"form_token": token[1]})
    way = re.search(r'href="([^"]+/session/end[^"]+)"', left.text)
    assert way is not None
    assert place.me(browser) is None
    asked = browser.client.get(way[1].replace("&amp;", "&"))
    assert (asked.status_code, "Sign-out" in asked.text or "sign-out" in asked.text) == (200, True)


def test_the_command_line_is_let_in_by_who_signed_in_so(place: Place, tmp_path: Path) -> None:
    place.provider.knows(max=MAX)
    browser, _ = place.sign_in("max")
    words = [sys.executable, "-m", "towline", "login", place.url, "--browser", "--project", "demo"]
    environ = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path)}
    with subprocess.Popen(
        words, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ
    ) as cli:
        assert cli.stderr is not None
        way = re.search(r"http\S+", cli.stderr.readline())
        assert way is not None
        page = browser.go(way[0])
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]+)"', page.text))
        browser.client.post(f"{place.url}/device", data={**hidden, "approve": "yes"})
        said, _ = cli.communicate(timeout=60)
    assert (cli.returncode, "as max@example.com" in said) == (0, True)
    assert "device towline-cli by sso" in towline("session", "list", env=environ, check=True).stdout


def test_a_session_that_ends_there_ends_here(place: Place) -> None:
    place.provider.knows(max=MAX)
    browser, _ = place.sign_in("max")
    assert place.me(browser)["emailID"] == "max@example.com"
    asked = browser.client.get(f"{place.provider.issuer}/session/end", params={"client_id": CLIENT})
    action = re.search(r'action="([^"]+)"', asked.text)
    hidden = dict(re.findall(r'name="(\w+)" value="([^"]*)"', asked.text))
    assert action is not None
    browser.client.post(action[1], data={**hidden, "logout": "yes"})
    until(lambda: place.me(browser) is None, "the session to end")


def test_a_logout_token_of_a_stranger_ends_nothing(place: Place) -> None:
    for text in ("", "not.a.token", "eyJhbGciOiJub25lIn0.e30."):
        answer = httpx.post(f"{place.url}/sign-in/sso/logout", data={"logout_token": text})
        assert answer.status_code == 400, text


def test_new_keys_of_the_provider_are_believed(place: Place) -> None:
    place.provider.knows(max=MAX)
    place.provider.rotate()
    with (place.server.log).open() as log:
        before = len(log.read())
    _, page = place.sign_in("max")
    assert "You are signed in as max@example.com" in page.text, place.server.log.read_text()[before:]


def test_a_provider_that_is_away_is_said_to_be(place: Place) -> None:
    place.provider.knows(max=MAX)
    stop = place.browser()
    place.provider.stop()
    try:
        begun = stop.client.get(f"{place.url}/sign-in/sso")
        state = parse_qs(urlsplit(begun.headers["location"]).query)["state"][0]
        answer = stop.client.get(f"{place.url}/sign-in/sso/back", params={"state": state, "code": "x"})
        assert (answer.status_code, "did not answer as one" in answer.text) == (502, True)
        assert httpx.get(f"{place.url}/sign-in").status_code == 200
    finally:
        place.provider.start(key="third")
