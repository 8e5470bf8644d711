"""Signing in and out, the first start, and what every page promises: policy, forms, escaping."""

import re
from html import unescape

import pytest

from parts.world import JANE, JANES_PASSWORD
from towline.console.signin import own_path
from towline.console.templating import HERE, assets
from towline.domain.credential import Password
from towline.domain.secret import DockerDraft

REGISTRY = "reg.example.com"
PAGES = (
    "",
    "/secrets",
    "/new/secret",
    "/new/secret/docker",
    "/new/secret/docker?provider=ghcr",
    "/new/secret/opaque",
    "/secrets/pull",
    "/secrets/pull/edit",
    "/secrets/pull/mirror",
    "/secrets/pull/delete",
    "/packages",
    "/new/package",
    "/packages/talker-package/v1",
    "/packages/talker-package/v1/preflight",
    "/packages/talker-package/v1/delete",
    "/deployments",
    "/new/deployment",
    "/new/deployment?package=talker-package&version=v1",
    "/deployments/talker",
    "/deployments/talker/logs",
    "/deployments/talker/update",
    "/deployments/talker/delete",
    "/audit",
    "/disks",
    "/new/disk",
    "/members",
    "/settings",
)


@pytest.fixture
async def filled(world):
    world.prover.registry(REGISTRY, jane="right").has("team/app:1")
    draft = DockerDraft.checked(
        "pull", registry=REGISTRY, username="jane", password="right", email=JANE, labels={}
    )
    await world.secrets.create(world.access, draft)
    await world.deployed("talker", image=f"{REGISTRY}/team/app:1", secret="pull")


async def test_a_visitor_is_led_to_sign_in_and_back(visitor):
    answer = await visitor.client.get(f"{visitor.home}/secrets")
    assert answer.status_code == 303
    back = answer.headers["location"]
    assert back.startswith("/sign-in?next=")
    answer = await visitor.client.post(
        "/sign-in", data={"email": JANE, "password": JANES_PASSWORD, "next": f"{visitor.home}/secrets"}
    )
    assert answer.headers["location"] == f"{visitor.home}/secrets"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Secure" not in cookie


async def test_cookies_of_who_comes_by_https_never_go_by_anything_else(visitor):
    visitor.client.base_url = "https://towline.test"
    answer = await visitor.sign_in()
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-towline=")
    assert "Secure" in cookie
    assert (await visitor.client.get("/")).headers["location"] == visitor.home
    answer = await visitor.send("/../../theme", {"theme": "dark", "back": "/"})
    assert "Secure" in answer.headers["set-cookie"]
    answer = await visitor.send("/../../sign-out")
    assert answer.headers["set-cookie"].startswith('__Host-towline=""')


@pytest.mark.parametrize(
    "address", ["https://evil.example", "//evil.example", "/\\evil", "evil", "/a\nb", ""]
)
def test_nobody_is_led_away(address):
    assert own_path(address) == "/"


async def test_the_first_page_is_a_project(jane):
    assert (await jane.client.get("/")).headers["location"] == jane.home
    assert "<h1>demo</h1>" in await jane.see("")


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("path", PAGES)
async def test_every_page_has_a_strict_policy_and_no_inline_code(jane, path):
    answer = await jane.client.get(jane.home + path)
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"<script(?! src=)|\sstyle=|\son[a-z]+=|javascript:", answer.text)
    own = re.sub(r'<a href="https://[^"]*" rel="noreferrer external">', "", answer.text)
    assert not re.search(r'(?:src|href|action)="(?:https?:)?//', own)


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("path", PAGES)
async def test_every_form_that_changes_something_carries_the_sessions_token(jane, path):
    for form in re.findall(r"<form[^>]*method=\"post\".*?</form>", await jane.see(path), re.DOTALL):
        assert 'name="form_token"' in form


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("path", PAGES)
async def test_every_link_of_a_page_leads_somewhere(jane, path):
    for link in set(re.findall(r'href="(/projects/[^"#]*)"', await jane.see(path))):
        answer = await jane.client.get(unescape(link))
        assert answer.status_code == 200, link


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("path", PAGES)
async def test_ids_are_used_once_and_labels_have_their_fields(jane, path):
    page = re.sub(r"<template.*?</template>", "", await jane.see(path), flags=re.DOTALL)
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'\sfor="([^"]+)"', page)) <= set(ids)
    for described in re.findall(r'aria-describedby="([^"]+)"', page):
        assert set(described.split()) <= set(ids)


def test_every_class_of_the_templates_has_a_rule():
    rules = "".join((HERE / "static" / name).read_text() for name in ("vendor/tabler.css", "towline.css"))
    known = set(re.findall(r"\.(-?[A-Za-z_][\w-]*)", rules))
    used = set()
    for template in (HERE / "templates").glob("*.html"):
        text = re.sub(r"{{.*?}}|{%.*?%}", " ", template.read_text(), flags=re.DOTALL)
        for classes in re.findall(r'class="([^"]*)"', text):
            used |= {name for name in classes.split() if not name.endswith("-")}
    hooks = {"number-", "head-text", "scripts-only", "needs-no-script"}
    assert used - known - hooks == set()


async def test_files_are_kept_for_good_under_a_name_of_their_content(visitor):
    address = assets().address("towline.css")
    answer = await visitor.client.get(address)
    assert answer.headers["content-type"].startswith("text/css")
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.content == (HERE / "static" / "towline.css").read_bytes()
    assert (await visitor.client.get("/static/0000/towline.css")).status_code == 404
    assert (await visitor.client.get("/static/x/../../templates/app.html")).status_code == 404


async def test_the_first_page_with_all_it_loads_is_small(jane):
    page = (await jane.client.get(jane.home)).content
    loaded = set(re.findall(rb'(?:src|href)="(/static/[^"]+)"', page))
    packed = 0
    for address in loaded:
        async with jane.client.stream("GET", address.decode()) as answer:
            packed += len(b"".join([chunk async for chunk in answer.aiter_raw()]))
    assert len(page) + packed < 100_000


async def test_a_wrong_password_is_told_and_the_address_kept(visitor):
    page = await visitor.client.post("/sign-in", data={"email": JANE, "password": "not-hers"})
    assert page.status_code == 401
    assert "address or password is wrong" in page.text
    assert JANE in page.text
    assert "not-hers" not in page.text


async def test_signing_in_is_slowed_down(visitor):
    for _ in range(10):
        await visitor.client.post("/sign-in", data={"email": JANE, "password": "guess"})
    page = await visitor.client.post("/sign-in", data={"email": JANE, "password": "guess"})
    assert page.status_code == 429
    assert "try again in" in page.text


async def test_a_form_from_another_site_is_refused(visitor):
    page = await visitor.client.post(
        "/sign-in",
        data={"email": JANE, "password": JANES_PASSWORD},
        headers={"Sec-Fetch-Site": "cross-site"},
    )
    assert page.status_code == 403
    assert "set-cookie" not in page.headers


async def test_a_form_without_the_sessions_token_changes_nothing(jane):
    answer = await jane.client.post(
        f"{jane.home}/new/secret/opaque", data={"name": "x", "key": "a", "value": "b"}
    )
    assert answer.status_code == 403
    await jane.see("/secrets/x", status=404)


async def test_a_form_of_another_kind_or_too_large_is_refused(jane):
    form = {"content": b"{}", "headers": {"content-type": "application/json"}}
    assert (await jane.client.post(f"{jane.home}/tokens", **form)).status_code == 400
    assert (await jane.client.post(f"{jane.home}/tokens", data={"name": "x" * (1 << 20)})).status_code == 400


async def test_set_up_is_refused_once_there_is_an_account(visitor):
    form = {
        "token": "guess",
        "email": "eve@example.com",
        "password": "long-enough",
        "organization": "o",
        "project": "p",
    }
    page = await visitor.client.post("/setup", data=form)
    assert page.status_code == 400
    assert "set-cookie" not in page.headers
    assert "long-enough" not in page.text


async def test_a_wrong_field_of_the_set_up_is_named(visitor):
    page = await visitor.client.post(
        "/setup", data={"email": "no address", "organization": "o", "project": "p"}
    )
    assert page.status_code == 400
    assert '<a href="#email">' in page.text
    assert 'aria-invalid="true"' in page.text


async def test_colours_are_kept(jane):
    token = re.search(r'name="form_token" value="([0-9a-f]+)"', await jane.see(""))[1]
    form = {"theme": "dark", "back": jane.home, "form_token": token}
    assert (await jane.client.post("/theme", data=form)).headers["location"] == jane.home
    assert 'data-bs-theme="dark"' in await jane.see("")
    assert (await jane.client.post("/theme", data={**form, "theme": "pink"})).status_code == 400


async def test_signing_out_ends_the_session_on_the_server(jane):
    token = re.search(r'name="form_token" value="([0-9a-f]+)"', await jane.see(""))[1]
    cookie = jane.client.cookies["towline"]
    await jane.client.post("/sign-out", data={"form_token": token})
    jane.client.cookies.set("towline", cookie)
    assert (await jane.client.get("/")).headers["location"].startswith("/sign-in")


async def test_somebody_elses_project_is_not_there(visitor, world):
    await world.accounts.create_user(
        email="eve@example.com", password=Password(JANES_PASSWORD), organization="hers", project="other"
    )
    await visitor.sign_in("eve@example.com")
    assert (await visitor.client.get(f"{visitor.home}/secrets")).status_code == 404


async def test_a_script_is_told_in_a_part_what_is_wrong_and_led_to_sign_in(jane):
    script = {"HX-Request": "true"}
    answer = await jane.client.get(f"{jane.home}/secrets/nothing-of-the-kind", headers=script)
    assert answer.status_code == 404
    assert "not found" in answer.text
    assert "<html" not in answer.text
    jane.client.cookies.clear()
    answer = await jane.client.get(f"{jane.home}/find", headers=script)
    assert answer.headers["hx-redirect"] == "/sign-in?next=%2F"


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("path", ["/new/secret/docker", "/secrets/pull/edit", "/new/package"])
async def test_a_registrys_login_is_not_taken_for_the_sites(jane, path):
    page = await jane.see(path)
    [password] = re.findall(r'<input[^>]*type="password"[^>]*>', page)
    assert 'autocomplete="new-password"' in password
    assert "data-1p-ignore" in password
    username = re.search(r'<input[^>]*id="username"[^>]*>', page)[0]
    assert 'autocomplete="off"' in username
    assert 'autocapitalize="none"' in password
    assert 'spellcheck="false"' in password
