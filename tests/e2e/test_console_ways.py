"""Every flow of the console with the keyboard alone, and every form without scripts."""

import re

import pytest
from playwright.sync_api import expect

from parts.browser import person
from parts.registry import PASSWORD, USER, free_port
from parts.server import EMAIL, Server, until
from parts.server import PASSWORD as JANES_PASSWORD


@pytest.fixture
def plain(browser, server):
    """Return somebody whose browser runs no scripts."""
    with person(browser, server, scripts=False) as made:
        made.sign_in()
        yield made


def test_the_keyboard_alone_makes_and_deletes_a_secret(jane, registry):
    page, keys = jane.open("/secrets"), jane.page.keyboard
    jane.to("ADD NEW SECRET")
    keys.press("Enter")
    expect(page.get_by_role("heading", name="SELECT SECRET TYPE")).to_be_visible()
    tile = page.get_by_role("link", name=re.compile("^Docker pull secret"))
    jane.to(tile.first.inner_text().replace("\n", " "))
    keys.press("Enter")
    expect(page.get_by_role("heading", name="Docker pull secret")).to_be_visible()
    jane.to("Name", "textbox")
    keys.type("by-keyboard")
    jane.to("Docker Hub", "radio")
    keys.press("ArrowRight")
    jane.to("Registry Url", "textbox")
    keys.type(registry.netloc)
    jane.to("Username", "textbox")
    keys.type(USER)
    keys.press("Tab")
    keys.insert_text(PASSWORD)
    jane.to("Test connection", "button")
    keys.press("Enter")
    expect(page.locator("#connection")).to_contain_text("The registry accepts this username and password")
    page.keyboard.press("Shift+Tab")
    keys.press("Enter")
    expect(page.get_by_text("Secret by-keyboard was created and tried: verified.")).to_be_visible()
    jane.to("Delete")
    keys.press("Enter")
    jane.to("Type by-keyboard to confirm", "textbox")
    keys.type("by-keyboard")
    keys.press("Enter")
    expect(page.get_by_text("Secret by-keyboard was deleted.")).to_be_visible()


def test_the_keyboard_alone_deploys_reads_the_log_and_deletes(jane, registry):
    jane.add_secret("keys-pull", registry.netloc, PASSWORD)
    page, keys = jane.open("/packages"), jane.page.keyboard
    jane.to("CREATE PACKAGE")
    keys.press("Enter")
    jane.to("Name", "textbox")
    keys.type("by-keys")
    jane.to("Image", "textbox")
    keys.type(f"{registry.netloc}/team/app:1")
    jane.to("Private image", "switch")
    keys.press("Space")
    jane.to("Credential", "combobox")
    keys.type("keys-pull")
    jane.to("SUBMIT", "button")
    keys.press("Enter")
    expect(page.get_by_role("heading", name="by-keys v1.0.0", level=1)).to_be_visible()
    jane.to("Deploy")
    keys.press("Enter")
    expect(page.locator("#preflight")).to_contain_text("Can be pulled")
    jane.to("Deploy", "button")
    keys.press("Enter")
    expect(page.locator(".chip-green")).to_contain_text("Running")
    jane.to("Restart", "button")
    keys.press("Enter")
    expect(page.get_by_text("Generation 2 of by-keys is on its way.")).to_be_visible()
    jane.to("Logs")
    keys.press("Enter")
    expect(page.get_by_role("log")).to_contain_text("hello from a private image")
    jane.to("by-keys")
    keys.press("Enter")
    jane.to("Delete")
    keys.press("Enter")
    jane.to("Type by-keys to confirm", "textbox")
    keys.type("by-keys")
    keys.press("Enter")
    expect(page.get_by_text("Deployment by-keys is being stopped.")).to_be_visible()


def test_the_keyboard_alone_signs_in_finds_a_page_makes_a_token_and_leaves(browser, server):
    with person(browser, server) as jane:
        page, keys = jane.page, jane.page.keyboard
        page.goto(f"{jane.address}/sign-in")
        jane.to("E-mail address", "textbox")
        keys.type(EMAIL)
        keys.press("Tab")
        keys.type(JANES_PASSWORD)
        keys.press("Enter")
        expect(page.get_by_role("heading", name="demo", level=1)).to_be_visible()
        keys.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        keys.press("Enter")
        expect(page.locator("#content")).to_be_focused()
        expect(page.locator("html[data-ready]")).to_be_attached()
        keys.press("Control+k")
        expect(page.get_by_role("option", name="Overview")).to_be_visible()
        keys.type("tokens")
        expect(page.get_by_role("listbox").get_by_role("option")).to_have_count(1)
        keys.press("Enter")
        expect(page.get_by_role("heading", name="Members & tokens")).to_be_visible()
        jane.to("What is the token for?", "textbox")
        keys.type("keyboard")
        keys.press("Enter")
        expect(page.get_by_text("Token keyboard was made.")).to_be_visible()
        jane.to("Sign out", "button")
        keys.press("Enter")
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_secrets_without_scripts(plain, registry):
    page = plain.page
    plain.add_secret("plain", registry.netloc, PASSWORD)
    expect(page.get_by_text("Secret plain was created and tried: verified.")).to_be_visible()
    page.get_by_role("button", name="Verify now").click()
    expect(page.get_by_text("Secret plain was tried with its login: verified.")).to_be_visible()
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Email").fill("else@example.com")
    page.get_by_role("button", name="SUBMIT").click()
    expect(page.get_by_text("Secret plain was changed and tried: verified.")).to_be_visible()
    page.get_by_role("link", name="Rotate").click()
    page.get_by_label("Password", exact=True).fill("wrong")
    page.get_by_role("button", name="Test connection").click()
    expect(page.locator("#connection")).to_contain_text("wrong-credentials")
    page.get_by_role("button", name="SUBMIT").click()
    expect(page.get_by_text("Nothing was saved")).to_be_visible()
    plain.open("/new/secret/docker")
    page.get_by_text("Paste instead of type").click()
    page.locator("#pasted").fill("docker login -u someone -p hush reg.example.com")
    page.get_by_role("button", name="Read it").click()
    expect(page.get_by_label("Username")).to_have_value("someone")
    plain.open("/secrets")
    page.get_by_label("Search name, registry, username").fill("plai")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="Verdict").click()
    page.get_by_role("button", name="Verify all of these").click()
    expect(page.get_by_text("1 secret tried: 1 verified.")).to_be_visible()
    page.get_by_role("link", name="Delete plain").click()
    page.get_by_label("Type plain to confirm").fill("plain")
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Secret plain was deleted.")).to_be_visible()
    plain.open("/new/secret/opaque")
    page.get_by_label("Name", exact=True).fill("plain-keys")
    page.get_by_label("Key 1").fill("A")
    page.get_by_label("Value 1").fill("b")
    page.get_by_role("button", name="SUBMIT").click()
    expect(page.get_by_text("Secret plain-keys was created.")).to_be_visible()


def test_packages_and_deployments_without_scripts(plain, server, registry):
    page = plain.page
    plain.add_secret("plain-pull", registry.netloc, PASSWORD)
    plain.open("/new/package")
    page.get_by_role("button", name="More rows").click()
    expect(page.get_by_label("Image", exact=True)).to_have_count(2)
    page.get_by_role("button", name="Preflight").click()
    expect(page.locator("#preflight")).to_contain_text("image-reference-invalid")
    plain.deploy("plain-pull", registry.netloc)
    until(lambda: server.status("plain-pull")["status"] == "Running", "the deployment to run")
    page.reload()
    expect(page.locator(".chip-green")).to_contain_text("Running")
    page.get_by_role("link", name="Logs").click()
    expect(page.get_by_role("log")).to_contain_text("hello from a private image")
    page.get_by_role("link", name="plain-pull").click()
    page.get_by_role("button", name="Restart").click()
    expect(page.get_by_text("Generation 2 of plain-pull is on its way.")).to_be_visible()
    page.get_by_role("link", name="Update").click()
    page.get_by_role("button", name="Update").click()
    expect(page.get_by_text("Generation 3 of plain-pull is on its way.")).to_be_visible()
    page.get_by_role("link", name="Delete").click()
    page.get_by_label("Type plain-pull to confirm").fill("plain-pull")
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Deployment plain-pull is being stopped.")).to_be_visible()


def test_people_colours_and_projects_without_scripts(plain):
    page = plain.page
    page.get_by_role("link", name="MEMBERS & TOKENS").click()
    page.get_by_label("What is the token for?").fill("robot")
    page.get_by_role("button", name="Make token").click()
    assert page.locator(".copyable code").first.inner_text().startswith("tow_")
    page.get_by_role("button", name="Revoke robot").click()
    expect(page.get_by_text("robot was revoked.")).to_be_visible()
    page.get_by_label("Colours").select_option("dark")
    page.get_by_role("button", name="Use colours").click()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    page.get_by_label("Project demo, switch project").click()
    page.get_by_role("link", name="New project").click()
    page.get_by_label("Name", exact=True).fill("second")
    page.get_by_role("button", name="Create project").click()
    expect(page.get_by_role("heading", name="second", level=1)).to_be_visible()
    page.get_by_label("Project second, switch project").click()
    page.get_by_role("link", name="demo", exact=True).click()
    expect(page.get_by_role("heading", name="demo", level=1)).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_the_first_start_makes_the_first_account(browser, tmp_path):
    made = Server(tmp_path, free_port())
    try:
        made.start()
        [link] = re.findall(rb"http://127\.0\.0\.1:\d+/setup\?token=\S+", made.log.read_bytes())
        with person(browser, made) as first:
            page = first.page
            page.goto(link.decode())
            page.get_by_label("E-mail address").fill("ann@example.com")
            page.get_by_label("Password").fill("long enough")
            page.get_by_label("Organization").fill("acme")
            page.get_by_label("First project").fill("first")
            page.get_by_role("button", name="Create account").click()
            expect(page.get_by_role("heading", name="first", level=1)).to_be_visible()
            for path, says in (("/secrets", "No secrets yet"), ("/packages", "No packages yet")):
                first.page.goto(page.url.split("/secrets")[0].split("/packages")[0] + path)
                expect(page.get_by_text(says)).to_be_visible()
                assert first.violations() == []
            page.get_by_role("button", name="Sign out").click()
            page.goto(link.decode())
            page.get_by_label("E-mail address").fill("eve@example.com")
            page.get_by_label("Password").fill("long enough")
            page.get_by_label("Organization").fill("acme")
            page.get_by_label("First project").fill("other")
            page.get_by_role("button", name="Create account").click()
            expect(page.get_by_role("alert")).to_be_visible()
    finally:
        made.stop()
