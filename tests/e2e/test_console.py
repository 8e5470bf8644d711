"""The console as a person uses it: real browser, server, registry and containers."""

import base64
import json

import pytest
from playwright.sync_api import expect

from parts.registry import PASSWORD, USER

EXACT = (
    "DEP_E153 (Could not pull either the docker image or the built package artifact "
    "for the component on the cloud)"
)


def test_a_wrong_password_is_told_and_its_correction_turns_the_open_page_to_running(jane, registry):
    jane.add_secret("typo", registry.netloc, "not-the-password")
    expect(jane.page.locator(".chip-red").first).to_contain_text("failing")
    expect(jane.page.get_by_text("The registry refused this username and password").first).to_be_visible()
    jane.deploy("typo", registry.netloc)
    expect(jane.page.get_by_text(EXACT)).to_be_visible()
    expect(jane.page.locator(".finding code").first).to_have_text("wrong-credentials")
    fix = jane.page.context.new_page()
    fix.goto(jane.page.url)
    fix.get_by_role("link", name="Correct the secret").click()
    expect(fix.get_by_label("Password", exact=True)).to_have_value("")
    fix.get_by_label("Password", exact=True).fill(PASSWORD)
    fix.get_by_role("button", name="SUBMIT").click()
    expect(fix.get_by_text("was changed and tried: verified")).to_be_visible()
    expect(jane.page.locator(".chip-green")).to_contain_text("Running")
    expect(jane.page.get_by_text(EXACT)).to_have_count(0)
    jane.page.get_by_role("link", name="Logs").click()
    expect(jane.page.get_by_role("log")).to_contain_text("hello from a private image")


def test_a_connection_is_tried_in_place(jane, registry):
    page = jane.open("/new/secret/docker")
    page.get_by_label("Private registry").check()
    page.get_by_label("Registry Url").fill(f"http://{registry.netloc}/")
    page.get_by_label("Username").fill(USER)
    page.get_by_label("Password", exact=True).fill("wrong")
    page.get_by_role("button", name="Test connection").click()
    expect(page.locator("#connection")).to_contain_text("wrong-credentials")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Image to try").fill(f"{registry.netloc}/team/app:1")
    page.get_by_role("button", name="Test connection").click()
    expect(page.locator("#connection")).to_contain_text("can be pulled with this")
    expect(page.get_by_label("Username")).to_have_value(USER)


def test_a_name_is_judged_as_one_types_and_the_password_shows_only_when_asked(jane):
    page = jane.open("/new/secret/docker")
    page.get_by_label("Name", exact=True).press_sequentially("Pull_1")
    expect(page.locator("#name-said")).to_contain_text("is not a legal name")
    page.get_by_label("Name", exact=True).fill("pull-1")
    expect(page.locator("#name-said")).to_contain_text("pull-1 can be used")
    field = page.get_by_label("Password", exact=True)
    field.fill("x")
    assert field.get_attribute("type") == "password"
    page.get_by_role("button", name="Show").click()
    assert field.get_attribute("type") == "text"
    page.get_by_role("button", name="Hide").click()
    assert field.get_attribute("type") == "password"
    expect(page.get_by_label("Registry Url")).to_be_hidden()
    page.get_by_label("Private registry").check()
    expect(page.get_by_label("Registry Url")).to_be_visible()


AUTH = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
CONFIG = {"auths": {"reg.example.com:5000": {"auth": AUTH}}}
PACKED = base64.b64encode(json.dumps(CONFIG).encode()).decode()
PASTED = {
    "login": f"docker login -u {USER} -p '{PASSWORD}' reg.example.com:5000",
    "config": json.dumps(CONFIG),
    "kubectl": "kubectl create secret docker-registry regcred --docker-server=reg.example.com:5000 "
    f"--docker-username={USER} --docker-password='{PASSWORD}'",
    "yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: regcred}\ntype: kubernetes.io/dockerconfigjson\n"
    f"data: {{.dockerconfigjson: {PACKED}}}\n",
    "auth": AUTH,
}


@pytest.mark.parametrize("form", PASTED)
def test_what_is_pasted_fills_the_form(jane, form):
    page = jane.open("/new/secret/docker")
    page.get_by_text("Paste instead of type").click()
    page.locator("#pasted").fill(PASTED[form])
    page.get_by_role("button", name="Read it").click()
    expect(page.get_by_text("Recognised:")).to_be_visible()
    expect(page.get_by_label("Username")).to_have_value(USER)
    expect(page.get_by_label("Password", exact=True)).to_have_value(PASSWORD)
    if form != "auth":
        expect(page.get_by_label("Registry Url")).to_have_value("reg.example.com:5000")
        expect(page.get_by_label("Private registry")).to_be_checked()


def test_what_is_pasted_is_kept_nowhere_before_submit(jane, server):
    canary = "canary-of-a-pasted-password"
    page = jane.open("/new/secret/docker")
    page.get_by_text("Paste instead of type").click()
    page.locator("#pasted").fill(f"docker login -u {USER} -p {canary} reg.invalid")
    page.get_by_role("button", name="Read it").click()
    expect(page.get_by_label("Password", exact=True)).to_have_value(canary)
    page.get_by_role("button", name="Test connection").click()
    expect(page.locator("#connection")).to_contain_text("registry-dns")
    kept = [path for path in server.folder.rglob("*") if path.is_file()]
    assert server.log in kept
    assert [path for path in kept if canary.encode() in path.read_bytes()] == []
    assert canary not in page.url


def test_a_file_without_passwords_says_what_to_run(jane):
    page = jane.open("/new/secret/docker")
    page.get_by_text("Paste instead of type").click()
    page.locator("#pasted").fill('{"auths": {"reg.example.com": {}}, "credsStore": "desktop"}')
    page.get_by_role("button", name="Read it").click()
    expect(page.locator("#paste")).to_contain_text("docker-credential-desktop get")


def test_going_back_keeps_what_was_typed_but_no_stored_password(jane, registry):
    jane.add_secret("back", registry.netloc, PASSWORD)
    jane.page.get_by_role("link", name="Edit").click()
    jane.page.get_by_role("link", name="Cancel").click()
    jane.page.go_back()
    expect(jane.page.get_by_label("Username")).to_have_value(USER)
    expect(jane.page.get_by_label("Password", exact=True)).to_have_value("")


def test_the_mission_s_labels_are_there_word_for_word(jane):
    page = jane.open("")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="SECRETS", exact=True).click()
    page.get_by_role("link", name="ADD NEW SECRET", exact=True).first.click()
    expect(page.get_by_role("heading", name="SELECT SECRET TYPE", exact=True)).to_be_visible()
    page.get_by_role("link", name="Docker pull secret").first.click()
    for kind in ("Docker Hub", "Private registry"):
        expect(page.get_by_role("radio", name=kind, exact=True)).to_be_visible()
    page.get_by_role("radio", name="Private registry", exact=True).check()
    for field in ("Name", "Registry Url", "Username", "Password", "Email"):
        expect(page.get_by_label(field, exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="SUBMIT", exact=True)).to_be_visible()


def test_of_several_logins_one_is_chosen(jane):
    auths = {host: {"auth": AUTH} for host in ("one.example.com", "two.example.com:5000")}
    page = jane.open("/new/secret/docker")
    page.get_by_text("Paste instead of type").click()
    page.locator("#pasted").fill(json.dumps({"auths": auths | {"empty.example.com": {}}}))
    page.get_by_role("button", name="Read it").click()
    expect(page.locator("#paste")).to_contain_text("empty.example.com")
    expect(page.get_by_label("Username")).to_have_value("")
    page.get_by_role("button", name="Use two.example.com:5000").click()
    expect(page.get_by_label("Registry Url")).to_have_value("two.example.com:5000")
    expect(page.get_by_label("Password", exact=True)).to_have_value(PASSWORD)


def test_an_image_that_is_no_image_and_a_page_of_markup_stay_text(jane, registry):
    hostile = "<img src=x onerror=document.title='owned'>"
    page = jane.open("/new/secret/docker")
    page.get_by_label("Private registry").check()
    page.get_by_label("Registry Url").fill(registry.netloc)
    page.get_by_label("Username").fill(hostile)
    page.get_by_label("Password", exact=True).fill("x")
    page.get_by_label("Image to try").fill(hostile)
    page.get_by_role("button", name="Test connection").click()
    expect(page.locator("#connection")).to_contain_text("image-reference-invalid")
    expect(page.locator("#connection img")).to_have_count(0)
    assert "owned" not in page.title()


def test_a_credential_that_a_package_needs_is_made_beside_it(jane, registry):
    page = jane.open("/new/package")
    page.get_by_label("Name", exact=True).fill("beside")
    page.get_by_label("Image", exact=True).fill(f"{registry.netloc}/team/app:1")
    page.get_by_role("button", name="Add an executable").click()
    page.get_by_label("Executable 2 name").fill("second")
    page.get_by_label("Image", exact=True).nth(1).fill(f"{registry.netloc}/team/big:1")
    page.get_by_text("Add a docker pull secret without leaving this form").click()
    page.get_by_label("Name of the secret").fill("beside-pull")
    page.get_by_label("Registry Url").fill(registry.netloc)
    page.get_by_label("Username").fill(USER)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Create the secret and choose it").click()
    for number in (0, 1):
        expect(page.get_by_role("switch", name="Private image").nth(number)).to_be_checked()
        expect(page.get_by_label("Credential").nth(number)).to_have_value("beside-pull")
    expect(page.get_by_label("Image", exact=True).nth(1)).to_have_value(f"{registry.netloc}/team/big:1")
    page.get_by_role("button", name="Preflight").click()
    expect(page.locator("#preflight").get_by_text("Can be pulled")).to_have_count(2)
    page.get_by_role("button", name="SUBMIT").click()
    expect(page.get_by_role("heading", name="beside v1.0.0", level=1)).to_be_visible()
