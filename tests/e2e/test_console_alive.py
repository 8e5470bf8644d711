"""What lives on the console's pages: pulls, logs, streams that come and go, all in a real browser."""

import re

import pytest
from playwright.sync_api import expect

from parts.registry import PASSWORD
from parts.slow import slowly

RATE = 500_000
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z")
STREAMS = """
let streams = 0;
const count = (by) => { streams += by; document.documentElement.dataset.streams = streams; };
const before = window.fetch;
window.fetch = async (...given) => {
  const answer = await before(...given);
  if ((answer.headers.get('content-type') || '').startsWith('text/event-stream')) {
    count(1);
    const read = answer.body.getReader.bind(answer.body);
    answer.body.getReader = (...options) => {
      const reader = read(...options);
      const cancel = reader.cancel.bind(reader);
      reader.cancel = (...why) => { count(-1); return cancel(...why); };
      return reader;
    };
  }
  return answer;
};
"""
HIDE = """({ hidden }) => {
  Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
  document.dispatchEvent(new Event('visibilitychange'));
}"""

LATE = """
const before = window.fetch;
window.fetch = async (...given) => {
  const answer = await before(...given);
  if (!answer.url.includes('/log?')) return answer;
  const wait = () => new Promise((wake) => { setTimeout(wake, 1500); });
  return new Response(answer.body.pipeThrough(new TransformStream({ start: wait })));
};
"""


@pytest.fixture
def talker(jane, registry):
    """Return the name of a deployment that runs and talks."""
    if jane.server.ask("GET", "/v2/deployments/talker/")[0] == 404:
        jane.add_secret("talker", registry.netloc, PASSWORD)
        jane.deploy("talker", registry.netloc)
    jane.open("/deployments/talker")
    expect(jane.page.locator(".chip-green")).to_contain_text("Running")
    return "talker"


def test_a_pull_is_seen_layer_by_layer_with_its_speed_until_it_runs(jane, registry):
    with slowly(registry.netloc, rate=RATE) as door:
        jane.add_secret("slow", door, PASSWORD)
        jane.deploy("slow", door, image="team/big:1")
        page = jane.page
        pull = page.locator(".pull")
        expect(pull.locator(".pull-sum")).to_contain_text("of 2.3 MB")
        expect(pull.locator(".pull-sum")).to_contain_text("kB/s")
        expect(pull.locator(".pull-sum")).to_contain_text(" left")
        expect(pull.locator(".layers li")).to_have_count(3)
        expect(pull.get_by_role("progressbar")).to_have_count(4)
        assert jane.violations() == []
        expect(page.locator(".chip-green")).to_contain_text("Running")
        expect(pull).to_have_count(0)
        expect(page.locator(".steps-list li.done")).to_have_count(4)


def test_a_log_is_followed_searched_held_wrapped_and_taken_away(jane, talker):
    page = jane.open(f"/deployments/{talker}/logs")
    log = page.get_by_role("log")
    expect(log).to_contain_text("red <b>bold</b> plain")
    expect(log.locator(".ansi-31")).to_have_text("red")
    expect(log.locator("b")).to_have_count(0)
    count = log.locator("div").count()
    expect(log.locator("div").nth(count + 2)).to_be_attached()
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#log-state")).to_contain_text("new lines wait")
    held = log.locator("div").count()
    page.get_by_label("Find in the log").fill("hello")
    expect(page.locator("#found")).to_have_text("1 line")
    expect(log.locator("div:visible")).to_have_count(1)
    page.get_by_label("Find in the log").fill("")
    page.get_by_role("button", name="Pause").click()
    expect(log.locator("div").nth(held + 1)).to_be_attached()
    page.get_by_role("button", name="Wrap").click()
    assert log.evaluate("element => getComputedStyle(element).whiteSpace").startswith("pre-wrap")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download all").click()
    assert download.value.suggested_filename == "talker-app-0.log"
    assert "hello from a private image" in download.value.path().read_text()
    assert not STAMP.search(download.value.path().read_text())


def test_a_log_shows_in_the_readers_zone_when_each_line_came(jane, talker):
    page = jane.open(f"/deployments/{talker}/logs")
    log = page.get_by_role("log")
    line = log.locator("div", has_text="hello from a private image")
    expect(line).to_have_text(re.compile("hello from a private image$"))
    expect(line.locator(".at")).to_be_hidden()
    page.get_by_role("button", name="Times").click()
    shown = line.locator(".at")
    expect(shown).to_be_visible()
    assert jane.violations() == []
    with page.expect_download() as download:
        page.get_by_role("link", name="Download all").click()
    written = next(
        each for each in download.value.path().read_text().splitlines() if "hello from a private" in each
    )
    moment = STAMP.match(written)
    assert moment is not None, written
    local = page.evaluate("text => new Date(text).toLocaleTimeString([], {hourCycle: 'h23'})", moment[0])
    assert local in shown.inner_text(), (local, shown.inner_text())
    page.get_by_label("Find in the log").fill(local)
    expect(page.locator("#found")).to_have_text("0 lines")
    page.get_by_label("Find in the log").fill("hello from")
    expect(page.locator("#found")).to_have_text("1 line")
    page.get_by_role("button", name="Times").click()
    expect(shown).to_be_hidden()


def test_a_lost_connection_is_told_and_found_again_and_no_line_of_a_log_comes_twice(jane, talker, server):
    page = jane.open(f"/deployments/{talker}")
    lost = page.get_by_text("The connection to the server is lost")
    expect(page.locator("html[data-ready]")).to_be_attached()
    expect(lost).to_be_hidden()
    reader = page.context.new_page()
    reader.goto(f"{jane.home}/deployments/{talker}/logs")
    log, state = reader.get_by_role("log"), reader.locator("#log-state")
    expect(log).to_contain_text("line")
    server.stop()
    expect(state).to_contain_text("trying again")
    expect(lost).to_be_visible()
    seen = log.locator("div").last.inner_text()
    server.start()
    expect(state).to_have_text("Following.")
    expect(lost).to_be_hidden()
    expect(log).to_contain_text(f"line {int(seen.split()[-1]) + 10}")
    lines = [each for each in log.inner_text().splitlines() if each.startswith("line ")]
    numbers = [int(each.split()[-1]) for each in lines]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    expect(log.locator(".gap")).to_have_count(0)
    jane.complaints.clear()


def test_a_log_whose_stream_begins_late_is_shown_once(jane, talker):
    jane.page.add_init_script(LATE)
    log = jane.open(f"/deployments/{talker}/logs").get_by_role("log")
    shown = log.locator("div").count()
    expect(log.locator("div").nth(shown + 2)).to_be_attached()
    expect(log.locator(".gap")).to_have_count(0)
    numbers = [int(each.split()[-1]) for each in log.inner_text().splitlines() if each.startswith("line ")]
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_tab_has_one_stream_and_none_while_nobody_looks(jane, talker):
    jane.page.add_init_script(STREAMS)
    root = jane.page.locator("html")
    for path in (f"/secrets/{talker}", f"/deployments/{talker}", "/deployments", "/secrets", ""):
        page = jane.open(path)
        expect(root).to_have_attribute("data-streams", "1")
    page.evaluate(HIDE, {"hidden": True})
    expect(root).to_have_attribute("data-streams", "0")
    page.evaluate(HIDE, {"hidden": False})
    expect(root).to_have_attribute("data-streams", "1")


def test_a_secret_turns_while_one_looks_at_the_list(jane, server, registry):
    spec = {"registry": registry.netloc, "username": "robot", "password": "x", "email": "a@example.com"}
    page = jane.open("/secrets?q=turns")
    server.call(
        "POST", "/v2/secrets/", {"metadata": {"name": "turns"}, "spec": {"type": "Docker", "docker": spec}}
    )
    page = jane.open("/secrets?q=turns")
    expect(page.locator(".chip-red")).to_contain_text("failing")
    server.call(
        "PUT",
        "/v2/secrets/turns/",
        {"metadata": {"name": "turns"}, "spec": {"type": "Docker", "docker": spec | {"password": PASSWORD}}},
    )
    expect(page.locator(".chip-green")).to_contain_text("verified")


def test_a_page_stays_fresh_where_streams_are_held_back(jane, server, registry):
    jane.page.route("**/secrets-live*", lambda _: None)
    page = jane.open("/secrets?q=held-back")
    expect(page.get_by_text("No secret fits this search.")).to_be_visible()
    keys = {"metadata": {"name": "held-back"}, "spec": {"type": "Opaque", "data": {"A": "Yg=="}}}
    server.call("POST", "/v2/secrets/", keys)
    expect(page.get_by_role("link", name="held-back", exact=True)).to_be_visible()
    assert page.locator("#live").count() == 1


def test_who_is_signed_out_meanwhile_is_led_to_sign_in_by_any_button(jane):
    page = jane.open("/new/secret/docker")
    page.get_by_label("Username").fill("someone")
    page.context.clear_cookies()
    page.get_by_role("button", name="Test connection").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_text_is_copied_and_that_is_said(jane, talker):
    page = jane.open(f"/secrets/{talker}")
    pulled = page.locator("dl div", has=page.get_by_text("Last pull", exact=True))
    expect(pulled).to_contain_text("/team/app:1")
    page.locator(".snippets").get_by_role("button", name="Copy").last.click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert (
        page.evaluate("navigator.clipboard.readText()") == f"spec:\n  imagePullSecrets:\n  - name: {talker}\n"
    )
    expect(page.get_by_role("button", name="Copied")).to_have_count(0)


def test_a_slash_leads_to_the_search(jane):
    page = jane.open("/secrets?q=none")
    page.goto(jane.home + "/audit")
    expect(page.locator("html[data-ready]")).to_be_attached()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("secret.created")
    page.keyboard.press("Enter")
    expect(page.locator("td code").first).to_have_text("secret.created")


def test_a_package_that_is_chosen_is_tried_in_place(jane, talker):
    page = jane.open("/new/deployment")
    page.get_by_label("Package").select_option("talker v1.0.0")
    expect(page.locator("#preflight")).to_contain_text("Can be pulled")
