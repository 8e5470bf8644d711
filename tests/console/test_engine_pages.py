"""ENGINES: forms as people send them, no scripts; and the choice of an engine when something is deployed."""

import re
from html import unescape

from parts.world import JANES_PASSWORD, package_draft
from towline.domain.causes import FindingCode
from towline.domain.credential import Password
from towline.domain.engine import KeptImage
from towline.domain.findings import Finding

ADDRESS = "unix:///run/docker-2.sock"
FORM = {"name": "rack1", "kind": "docker", "address": ADDRESS, "network": "host"}
KEY = "-----BEGIN PRIVATE KEY-----\nobviously-a-test-key\n-----END PRIVATE KEY-----\n"


async def added(visitor, **fields: str):
    await visitor.sign_in()
    answer = await visitor.send("/new/engine", {**FORM, **fields})
    assert answer.status_code == 303, answer.text
    return answer


async def test_an_engine_is_added_shown_and_listed(visitor) -> None:
    answer = await added(visitor)
    assert answer.headers["location"].endswith("/engines/rack1")
    page = await visitor.see("/engines/rack1")
    assert "Engine rack1 is in use." in page
    assert ADDRESS in page
    listed = await visitor.see("/engines")
    assert listed.index(">embedded<") < listed.index(">rack1<")
    rows = await visitor.see("/engines-rows")
    assert rows in listed
    assert "answers" in rows


async def test_a_form_that_is_not_right_is_shown_again_without_its_keys(visitor) -> None:
    await visitor.sign_in()
    wrong = {
        **FORM,
        "name": "Rack 1",
        "address": "tcp://10.0.0.7:2376",
        "ca": "a ca",
        "cert": "c",
        "key": KEY,
    }
    answer = await visitor.send("/new/engine", wrong)
    assert answer.status_code == 400
    assert 'href="#name"' in answer.text
    assert "tcp://10.0.0.7:2376" in answer.text
    assert "obviously-a-test-key" not in answer.text
    for fields, status, name in (
        ({"kind": "embedded"}, 400, "kind"),
        ({"address": ""}, 400, "address"),
        ({"cert": "c", "key": KEY}, 400, "ca"),
        ({"kind": "kubernetes", "address": ""}, 400, "kubeconfig"),
    ):
        answer = await visitor.send("/new/engine", {**FORM, **fields})
        assert (answer.status_code, f'href="#{name}"' in answer.text) == (status, True), fields
    await added(visitor)
    again = await visitor.send("/new/engine", FORM)
    assert again.status_code == 409
    visitor.world.house.at("unix:///other").trouble = Finding(FindingCode.ENGINE_UNREACHABLE, "nobody there")
    away = await visitor.send("/new/engine", {**FORM, "name": "rack2", "address": "unix:///other"})
    assert (away.status_code, "nobody there" in away.text) == (503, True)


async def test_keys_reach_the_vault_and_no_page(visitor) -> None:
    tls = {"address": "tcp://10.0.0.7:2376", "ca": "a ca", "cert": "a cert", "key": KEY}
    await added(visitor, **tls)
    assert visitor.world.house.keys["rack1"].key.reveal() == KEY
    assert "obviously-a-test-key" not in await visitor.see("/engines/rack1")


async def test_trouble_is_said_with_what_to_do(visitor) -> None:
    await added(visitor)
    visitor.world.house.at(ADDRESS).trouble = Finding(FindingCode.ENGINE_UNREACHABLE, "nobody answers")
    answer = await visitor.send("/engines/rack1/check")
    assert answer.status_code == 303
    page = await visitor.see("/engines/rack1")
    assert "rack1 does not answer." in page
    assert "out of reach" in page
    assert "nobody answers" in page
    assert "It cannot be asked now" in page
    assert "out of reach" in await visitor.see("/engines-rows")


async def test_defaults_are_set_and_taken_back(visitor) -> None:
    await added(visitor)
    await visitor.send("/engines/rack1/default")
    assert "Make it the installation" not in await visitor.see("/engines/rack1")
    await visitor.send("/engines/rack1/default", {"project": "yes"})
    assert "Default of: demo." in await visitor.see("/engines/rack1")
    assert "of the installation<br>of demo" in await visitor.see("/engines-rows")
    await visitor.send("/engines/rack1/default", {"project": "yes", "unset": "yes"})
    assert "Default of:" not in await visitor.see("/engines/rack1")


async def test_images_are_shown_and_only_ours_go_and_only_when_asked_twice(visitor) -> None:
    await added(visitor)
    host = visitor.world.house.at(ADDRESS)
    foreign = KeptImage("somebody/elses:1", 7_000_000, is_used=False, is_ours=False)
    used = KeptImage("registry.example.com/a@sha256:1", 5_000, is_used=True, is_ours=True)
    free = KeptImage("registry.example.com/b@sha256:2", 3_000, is_used=False, is_ours=True)
    host.images = (foreign, used, free)
    page = await visitor.see("/engines/rack1")
    for text in ("somebody/elses:1", "7.0 MB", "somebody else", "/engines/rack1/collect"):
        assert text in page
    asked = await visitor.see("/engines/rack1/collect")
    assert free.reference in asked
    assert used.reference not in asked
    assert foreign.reference not in asked
    assert host.images == (foreign, used, free)
    await visitor.send("/engines/rack1/collect")
    assert host.images == (foreign, used)
    after = await visitor.see("/engines/rack1")
    assert "1 image was deleted." in after
    assert "Nothing that Towline brought can be deleted now" in after
    assert "nothing to delete" in await visitor.see("/engines/rack1/collect")


async def test_an_engine_goes_when_its_name_is_typed_and_nothing_lives_there(visitor) -> None:
    await added(visitor)
    wrong = await visitor.send("/engines/rack1/remove", {"confirm": "rack"})
    assert (wrong.status_code, "type rack1 to confirm" in wrong.text) == (400, True)
    package = package_draft("app")
    await visitor.world.packages.create(visitor.world.access, package)
    answer = await visitor.send(
        "/new/deployment", {"package": f"app {package.version}", "name": "talker", "engine": "rack1"}
    )
    assert answer.status_code == 303, answer.text
    held = await visitor.send("/engines/rack1/remove", {"confirm": "rack1"})
    assert held.status_code == 409
    assert "1 deployment lives" in unescape(held.text)
    gone = await visitor.send("/engines/rack1/remove", {"confirm": "rack1", "force": "yes"})
    assert gone.status_code == 303
    assert "rack1" not in re.sub(r"Engine rack1 is removed", "", await visitor.see("/engines"))
    await visitor.see("/engines/rack1", status=404)


async def test_the_form_of_a_deployment_offers_engines_where_there_are_several(visitor) -> None:
    await visitor.sign_in()
    package = package_draft("app")
    await visitor.world.packages.create(visitor.world.access, package)
    assert 'id="engine"' not in await visitor.see("/new/deployment")
    await added(visitor)
    form = await visitor.see("/new/deployment")
    assert "The default: embedded" in form
    assert "<option>rack1</option>" in form
    fields = {"package": f"app {package.version}", "name": "talker", "engine": "rack9"}
    lost = await visitor.send("/new/deployment", fields)
    assert (lost.status_code, "use one of embedded, rack1" in lost.text) == (400, True)
    await visitor.send("/new/deployment", {**fields, "engine": "rack1"})
    assert "<dt>Engine</dt><dd>rack1</dd>" in await visitor.see("/deployments/talker")


async def test_the_page_is_for_those_who_run_the_installation(visitor) -> None:
    await visitor.sign_in()
    assert ">ENGINES<" in await visitor.see("")
    assert "/new/engine" in await visitor.see("/find?q=engine")
    max_ = await visitor.world.member("max@example.com", role="project_admin")
    eve = await visitor.world.accounts.create_user(
        email="eve@example.org", password=Password(JANES_PASSWORD), organization="others", project="theirs"
    )
    for email, project in (("max@example.com", max_.project), ("eve@example.org", eve.projects[0][0])):
        visitor.client.cookies.clear()
        await visitor.sign_in(email)
        home = await visitor.client.get(f"/projects/{project.guid}")
        assert (home.status_code, ">ENGINES<" in home.text) == (200, False)
        found = await visitor.client.get(f"/projects/{project.guid}/find?q=engine")
        assert (found.status_code, "/engine" in found.text) == (200, False)
        token = re.search(r'name="form_token" value="([0-9a-f]+)"', home.text)
        for method, path in (
            ("GET", "engines"),
            ("GET", "engines-rows"),
            ("GET", "new/engine"),
            ("POST", "new/engine"),
            ("GET", "engines/embedded"),
            ("POST", "engines/embedded/check"),
            ("POST", "engines/embedded/default"),
            ("GET", "engines/embedded/collect"),
            ("POST", "engines/embedded/collect"),
            ("POST", "engines/embedded/remove"),
        ):
            answer = await visitor.client.request(
                method, f"/projects/{project.guid}/{path}", data={"form_token": token[1], **FORM}
            )
            assert answer.status_code == 403, (email, method, path)
