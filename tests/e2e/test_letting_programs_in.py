"""Letting a program in, as a person does it: a real browser, with scripts and without."""

import time

import httpx
import pytest
from playwright.sync_api import expect

from parts.browser import person, running_browser, serious
from parts.require import require
from parts.server import EMAIL, PASSWORD, running_server

GRANT = "urn:ietf:params:oauth:grant-type:device_code"


@pytest.fixture(scope="module")
def browser():
    with running_browser() as made:
        yield made


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    require("runc")
    require("root")
    with running_server(tmp_path_factory.mktemp("server")) as made:
        yield made


class Program:
    """A program that waits to be let in."""

    def __init__(self, server):
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=30)
        self.told = self.http.post("/oauth2/device/authorization", data={"client_id": "rio-cli"}).json()

    def hears(self):
        form = {"grant_type": GRANT, "client_id": "rio-cli", "device_code": self.told["device_code"]}
        return self.http.post("/oauth2/token", data=form).json()


@pytest.fixture
def program(server):
    made = Program(server)
    yield made
    made.http.close()


def signed_in_at(page, address):
    page.goto(address)
    page.get_by_label("E-mail address").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Let rio-cli in?")


@pytest.mark.parametrize("scripts", [True, False])
def test_approve_lets_the_program_in(browser, server, program, scripts):
    with person(browser, server, scripts=scripts) as made:
        signed_in_at(made.page, program.told["verification_uri_complete"])
        expect(made.page.get_by_text(program.told["user_code"]).first).to_be_visible()
        made.page.get_by_role("button", name="APPROVE").click()
        expect(made.page.get_by_role("heading", level=1)).to_have_text("rio-cli is signed in")
        assert serious(made.complaints) == []
    token = program.hears()["access_token"]
    answer = program.http.get("/user/info", headers={"Authorization": f"Bearer {token}"})
    assert answer.json()["data"]["email"] == EMAIL


def test_deny_turns_it_away_and_a_typed_code_works_as_a_link_does(browser, server, program):
    with person(browser, server) as made:
        made.sign_in()
        made.page.goto(program.told["verification_uri"])
        made.page.get_by_label("Code").fill("WRONG")
        made.page.get_by_role("button", name="Continue").click()
        expect(made.page.get_by_text("no program waits under this code")).to_be_visible()
        made.page.get_by_label("Code").fill(program.told["user_code"].replace("-", " ").lower())
        made.page.get_by_role("button", name="Continue").click()
        made.page.get_by_role("button", name="DENY").click()
        expect(made.page.get_by_role("heading", level=1)).to_have_text("rio-cli was turned away")
    assert program.hears()["error"] == "access_denied"


def test_a_login_that_waits_outlives_a_restart(browser, server, program):
    asked = time.monotonic()
    assert program.hears()["error"] == "authorization_pending"
    server.stop()
    server.start()
    with person(browser, server) as made:
        signed_in_at(made.page, program.told["verification_uri_complete"])
        made.page.get_by_role("button", name="APPROVE").click()
        expect(made.page.get_by_role("heading", level=1)).to_have_text("rio-cli is signed in")
    time.sleep(max(0, asked + program.told["interval"] + 0.1 - time.monotonic()))  # asking sooner is refused
    assert "access_token" in program.hears()
    kept = (server.data / "towline.db").read_bytes() + server.log.read_bytes()
    assert program.told["device_code"].encode() not in kept
    assert program.told["user_code"].encode() not in kept


@pytest.mark.parametrize("width", [1440, 320])
def test_every_state_of_the_page_is_for_everyone(browser, server, width):
    with person(browser, server, width=width) as made:
        made.sign_in()
        page, wrong = made.page, {}
        for state, button in (
            ("asked", ""),
            ("typed", ""),
            ("refused", ""),
            ("yes", "APPROVE"),
            ("no", "DENY"),
        ):
            waiting = Program(server)
            told = waiting.told
            waiting.http.close()
            page.goto(told["verification_uri"] if state == "typed" else told["verification_uri_complete"])
            if state == "refused":
                page.goto(f"{told['verification_uri']}?user_code=WRONG")
            if button:
                page.get_by_role("button", name=button).click()
                expect(page.get_by_role("status").first).to_be_visible()
            found = made.violations_in_both_themes()
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                found.append("it is wider than the window")
            if found:
                wrong[state] = found
        assert wrong == {}
        assert serious(made.complaints) == []
