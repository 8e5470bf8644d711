"""Every page for everyone: axe-core in both themes, narrow windows, calm, little to load."""

import pytest
from playwright.sync_api import expect

from parts.browser import person, serious
from parts.registry import PASSWORD
from parts.server import until

PAGES = (
    "",
    "/secrets",
    "/secrets?q=nothing",
    "/new/secret",
    "/new/secret/docker",
    "/new/secret/docker?provider=ghcr",
    "/new/secret/opaque",
    "/new/secret/minted",
    "/new/secret/minted?kind=ecr",
    "/secrets/shown",
    "/secrets/broken",
    "/secrets/keys",
    "/secrets/shown/edit",
    "/secrets/shown/edit?rotate",
    "/secrets/keys/edit",
    "/secrets/shown/delete",
    "/secrets/shown/mirror",
    "/secrets/nothing-of-the-kind",
    "/packages",
    "/new/package",
    "/packages/shown/v1.0.0",
    "/packages/broken/v1.0.0/preflight",
    "/packages/shown/v1.0.0/delete",
    "/deployments",
    "/new/deployment?package=shown&version=v1.0.0",
    "/deployments/shown",
    "/deployments/broken",
    "/deployments/shown/update",
    "/deployments/shown/delete",
    "/deployments/shown/logs",
    "/audit",
    "/disks",
    "/new/disk",
    "/members",
    "/groups/operators",
    "/sign-in-rules",
    "/service-accounts/ci",
    "/settings",
    "/new/project",
)
LONG = "a-name-" + "that-is-very-" * 18 + "long"


@pytest.fixture(scope="module")
def filled(browser, server, registry):
    data = {"type": "Opaque", "data": {"API_KEY": "dmFsdWU="}}
    for name in ("keys", LONG):
        server.call("POST", "/v2/secrets/", {"metadata": {"name": name}, "spec": data})
    server.call("POST", "/v2/usergroups/", {"metadata": {"name": "operators"}, "spec": {}})
    server.call("POST", "/v2/serviceaccounts/", {"metadata": {"name": "ci"}, "spec": {}})
    server.call("POST", "/v2/serviceaccounts/ci/tokens/", {})
    with person(browser, server) as made:
        made.sign_in()
        for name, password in (("shown", PASSWORD), ("broken", "wrong")):
            made.add_secret(name, registry.netloc, password)
            made.deploy(name, registry.netloc)
    until(lambda: server.status("shown")["status"] == "Running", "the deployment to run")
    until(lambda: server.status("broken")["status"] == "Error", "the deployment to fail")


@pytest.mark.usefixtures("filled")
def test_every_page_is_for_everyone(browser, server):
    with person(browser, server) as made:
        made.sign_in()
        wrong = {}
        for path in PAGES:
            page = made.open(path)
            expect(page.locator("html[data-ready]")).to_be_attached()
            found = made.violations_in_both_themes()
            page.set_viewport_size({"width": 320, "height": 900})
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                found.append("it is wider than a narrow window")
            page.set_viewport_size({"width": 1440, "height": 900})
            if found:
                wrong[path] = found
        assert wrong == {}
        assert serious(made.complaints) == []


@pytest.mark.usefixtures("filled")
def test_targets_can_be_hit_in_a_narrow_window(browser, server):
    with person(browser, server, width=320) as made:
        made.sign_in()
        wrong = {}
        for path in ("", "/secrets", "/deployments/broken", "/new/package"):
            page = made.open(path)
            found = made.violations()
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                found.append("it is wider than the window")
            if found:
                wrong[path] = found
        assert wrong == {}


@pytest.mark.usefixtures("filled")
def test_what_forms_answer_is_for_everyone_too(browser, server, registry):
    with person(browser, server, theme="dark", width=390) as made:
        made.sign_in()
        page = made.open("/new/secret/docker")
        page.get_by_text("Paste instead of type").click()
        page.locator("#pasted").fill(f"docker login -u robot -p x {registry.netloc}")
        page.get_by_role("button", name="Read it").click()
        page.get_by_role("button", name="Test connection").click()
        expect(page.locator("#connection")).to_contain_text("wrong-credentials")
        assert made.violations() == []
        page.get_by_label("Name", exact=True).fill("No Good")
        page.get_by_role("button", name="SUBMIT").click()
        summary = page.get_by_role("alert")
        expect(summary).to_be_focused()
        assert made.violations() == []
        summary.get_by_role("link", name="Name").click()
        name = page.get_by_label("Name", exact=True)
        expect(name).to_be_focused()
        expect(name).to_have_attribute("aria-invalid", "true")
        page.goto(f"{made.address}/device")
        assert made.violations() == []
        expect(made.open("").locator("html[data-ready]")).to_be_attached()
        page.keyboard.press("Control+k")
        expect(page.get_by_role("option", name="Overview")).to_be_visible()
        assert made.violations() == []
        assert serious(made.complaints) == []


@pytest.mark.parametrize("path", ["/sign-in", "/setup", "/docs/findings", "/docs"])
def test_pages_for_anybody_are_for_everyone(browser, server, path):
    with person(browser, server) as made:
        made.page.goto(made.address + path)
        assert made.violations() == []


@pytest.mark.usefixtures("filled")
def test_an_answer_about_what_is_typed_moves_no_button(jane):
    page = jane.open("/new/secret/docker")
    page.get_by_label("Private registry").check()
    submit = page.get_by_role("button", name="SUBMIT")
    before = submit.bounding_box()
    page.get_by_label("Name", exact=True).fill("a-name")
    expect(page.locator("#name-said")).to_contain_text("a-name can be used")
    page.get_by_label("Registry Url").fill("registry.example.com")
    expect(page.locator("#registry-said")).to_contain_text("It will be kept as")
    assert submit.bounding_box() == before


def test_nothing_moves_for_who_wants_no_motion_and_no_page_jumps(jane):
    jane.page.add_init_script(
        "window.shifts = 0; new PerformanceObserver((list) => { for (const each of list.getEntries())"
        " if (!each.hadRecentInput) window.shifts += each.value; })"
        ".observe({ type: 'layout-shift', buffered: true });"
    )
    jumps = {}
    for path in ("", "/secrets", "/secrets/shown", "/deployments", "/deployments/broken", "/audit"):
        page = jane.open(path)
        expect(page.locator("html[data-ready]")).to_be_attached()
        page.evaluate("new Promise((next) => requestAnimationFrame(() => requestAnimationFrame(next)))")
        jumps[path] = page.evaluate("shifts")
        moving = page.evaluate(
            "[...document.querySelectorAll('*')].filter((each) => { const style = getComputedStyle(each);"
            " return style.animationName !== 'none' || style.transitionDuration.split(', ')"
            ".some((length) => parseFloat(length) > 0) }).length"
        )
        assert moving == 0
    assert {path: jump for path, jump in jumps.items() if jump > 0.1} == {}


@pytest.mark.usefixtures("filled")
def test_one_loads_little_and_from_here_only(browser, server):
    with person(browser, server) as made:
        made.sign_in()
        made.open("")
        loaded = made.page.evaluate(
            "performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation'))"
            ".map((each) => [each.name, each.encodedBodySize])"
        )
        assert {name.split("/")[2] for name, _ in loaded} == {f"127.0.0.1:{server.port}"}
        assert sum(size for _, size in loaded) < 100_000


@pytest.mark.usefixtures("filled")
def test_times_are_the_readers_own(browser, server):
    with person(browser, server, zone="Asia/Kolkata") as made:
        made.sign_in()
        time = made.open("/secrets/shown").locator("time").first
        expect(time).to_contain_text(" ago")
        assert "GMT+5:30" in str(time.get_attribute("title"))
