"""SECRETS, as a person fills the forms in: the flow of the mission, errors, changes, deleting; no scripts."""

import json
import re
from html import escape, unescape
from urllib.parse import quote

import pytest

from parts.world import JANE, docker_draft, package_draft
from towline.console.presets import PRESETS
from towline.domain.account import ProjectRole
from towline.domain.audit import Door
from towline.domain.causes import FindingCode
from towline.domain.credential import Password
from towline.domain.errors import NotFound
from towline.domain.findings import Finding
from towline.domain.minting import MintKind
from towline.domain.proof import Verdict
from towline.services.views import SHELF

REGISTRY = "reg.example.com"
CANARY = "Obvious<Test>&\"Pass'word"
FORM = {
    "name": "pull",
    "kind": "private",
    "registry": f"https://{REGISTRY}/",
    "username": "jane",
    "password": "right",
    "email": JANE,
}


@pytest.fixture(autouse=True)
def registry(world):
    made = world.prover.registry(REGISTRY, jane="right")
    made.has("team/app:1")
    return made


async def stored(world, name="pull"):
    return await world.secrets.get(world.access, name)


async def test_the_flow_of_the_mission(jane, world):
    assert "ADD NEW SECRET" in await jane.see("/secrets")
    types = await jane.see("/new/secret")
    assert "SELECT SECRET TYPE" in types
    assert "Docker pull secret" in types
    page = await jane.see("/new/secret/docker")
    for label in ("Name", "Docker Hub", "Private registry", "Registry Url", "Username", "Password", "Email"):
        assert re.search(rf"<label[^>]*>\s*(?:<input[^>]*>\s*<span[^>]*>)?{label}<", page), label
    assert f'value="{JANE}"' in page
    answer = await jane.send("/new/secret/docker", FORM)
    assert answer.status_code == 303
    shown = await jane.client.get(answer.headers["location"])
    assert "Secret pull was created and tried: verified." in shown.text
    assert REGISTRY in shown.text
    assert (await stored(world)).registry.key == REGISTRY
    assert "Secret pull was created" not in await jane.see("/secrets/pull")


async def test_everything_that_is_wrong_is_told_at_once_and_what_was_typed_is_kept(jane):
    answer = await jane.send(
        "/new/secret/docker",
        {"name": "No Good", "kind": "private", "username": "a:b", "password": CANARY, "email": "nobody"},
    )
    assert answer.status_code == 400
    for field in ("name", "registry", "username", "email"):
        assert f'<a href="#{field}">' in answer.text
        assert f'id="{field}-error"' in answer.text
    assert "5 things" not in answer.text
    assert "a private registry must have its URL" in answer.text
    assert 'value="No Good"' in answer.text
    assert f'value="{escape(CANARY).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")}"' in answer.text


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
async def test_a_known_provider_fills_the_form_and_says_how_to_get_a_login(jane, preset):
    assert f"?provider={preset.provider.value}" in await jane.see("/new/secret")
    page = await jane.see(f"/new/secret/docker?provider={preset.provider.value}")
    assert f'value="{preset.registry}"' in page
    assert f'value="{preset.username}"' in page
    assert preset.login in unescape(page)
    assert f'<a href="{preset.manual}" rel="noreferrer external">How to get it</a>' in page


async def test_docker_hub_asks_for_no_url(jane, world):
    world.prover.registry("docker.io", jane="right")
    answer = await jane.send("/new/secret/docker", FORM | {"kind": "hub", "registry": ""})
    assert answer.status_code == 303
    assert (await stored(world)).registry.is_hub


async def test_a_name_is_judged_as_one_types(jane, world):
    assert "can be used" in await jane.see("/new/secret/name?name=pull")
    assert "is not a legal name" in await jane.see("/new/secret/name?name=Pull")
    assert "is empty" in await jane.see("/new/secret/name?name=")
    await world.secrets.create(world.access, docker_draft("pull"))
    assert "there is a secret called pull" in await jane.see("/new/secret/name?name=pull")
    answer = await jane.send("/new/secret/docker", FORM)
    assert answer.status_code == 409
    assert "already exists" in answer.text


@pytest.mark.parametrize(
    ("password", "image", "says"),
    [
        ("right", "", "The registry accepts this username and password"),
        ("wrong", "", "wrong-credentials"),
        ("right", f"{REGISTRY}/team/app:1", "can be pulled with this"),
        ("right", f"{REGISTRY}/team/app:2", "-not-found"),
        ("right", "elsewhere.example.com/team/app:1", "secret-registry-mismatch"),
        ("right", "NOT AN IMAGE", "image-reference-invalid"),
        ("", "", "Not tried yet"),
    ],
)
async def test_a_connection_is_tried_and_nothing_is_kept(jane, world, password, image, says):
    form = FORM | {"password": password, "image": image}
    whole = await jane.send("/new/secret/docker/test", form)
    assert says in whole.text
    assert 'id="secret-form"' in whole.text
    token = re.search(r'name="form_token" value="([0-9a-f]+)"', whole.text)[1]
    part = await jane.client.post(
        f"{jane.home}/new/secret/docker/test",
        data={"form_token": token, **form},
        headers={"HX-Request": "true"},
    )
    assert says in part.text
    assert "<html" not in part.text
    with pytest.raises(NotFound):
        await stored(world)


async def test_a_secret_that_must_work_is_not_saved_when_it_does_not(jane, world):
    answer = await jane.send("/new/secret/docker", FORM | {"password": "wrong", "verified_only": "yes"})
    assert answer.status_code == 412
    assert "Nothing was saved" in answer.text
    assert "wrong-credentials" in answer.text
    with pytest.raises(NotFound):
        await stored(world)


async def test_a_stored_password_never_comes_back_and_an_empty_field_keeps_it(jane, world):
    await jane.send("/new/secret/docker", FORM)
    page = await jane.see("/secrets/pull/edit")
    field = re.search(r'<input[^>]*id="password"[^>]*>', page)[0]
    assert "value=" not in field
    assert "right" not in re.sub(r'class="[^"]*"', "", page).replace("copyright", "")
    answer = await jane.send(
        "/secrets/pull/edit", FORM | {"password": "", "email": "b@example.com", "version": "1"}
    )
    assert answer.status_code == 303
    secret = await stored(world)
    page = await jane.see("/secrets/pull")
    assert "2, the present one" in page
    assert f"by {JANE}" in page
    assert (secret.email, secret.metadata.version, secret.standing.verdict) == (
        "b@example.com",
        2,
        Verdict.VERIFIED,
    )


async def test_a_kept_password_is_never_sent_to_another_registry(jane, world):
    await jane.send("/new/secret/docker", FORM)
    world.prover.registry("evil.example.com")
    answer = await jane.send(
        "/secrets/pull/edit", FORM | {"password": "", "registry": "evil.example.com", "version": "1"}
    )
    assert answer.status_code == 400
    assert "is needed anew" in answer.text
    assert (await stored(world)).registry.key == REGISTRY
    assert {each.registry for each in world.prover.asked} == {REGISTRY}


async def test_what_somebody_else_changed_meanwhile_is_not_overwritten(jane, world):
    await jane.send("/new/secret/docker", FORM)
    await jane.send("/secrets/pull/edit", FORM | {"email": "b@example.com", "version": "1"})
    for password in ("", "right"):
        late = FORM | {"email": "c@example.com", "version": "1", "password": password}
        answer = await jane.send("/secrets/pull/edit", late)
        assert answer.status_code == 409
        assert "was changed meanwhile" in answer.text
    assert (await stored(world)).email == "b@example.com"


async def test_rotating_saves_only_what_works(jane, world):
    await jane.send("/new/secret/docker", FORM)
    page = await jane.see("/secrets/pull/edit?rotate")
    assert re.search(r'id="verified_only"[^>]*checked', page)
    answer = await jane.send(
        "/secrets/pull/edit", FORM | {"password": "wrong", "verified_only": "yes", "version": "1"}
    )
    assert answer.status_code == 412
    assert (await stored(world)).metadata.version == 1


async def test_verifying_again_says_what_it_found(jane, registry):
    await jane.send("/new/secret/docker", FORM)
    registry.users["jane"] = Password("changed")
    answer = await jane.send("/secrets/pull/verify", {})
    page = await jane.client.get(answer.headers["location"])
    assert "tried with its login: failing" in page.text
    assert "wrong-credentials" in page.text


async def test_deleting_asks_for_the_name_and_refuses_what_is_in_use(jane, world):
    await jane.send("/new/secret/docker", FORM)
    await world.deployed("talker", image=f"{REGISTRY}/team/app:1", secret="pull")
    assert "talker" in await jane.see("/secrets/pull/delete")
    for form in ({}, {"confirm": "pul", "insist": "yes"}, {"confirm": "pull"}):
        assert (await jane.send("/secrets/pull/delete", form)).status_code == 400
    assert await stored(world)
    assert (await jane.send("/secrets/pull/delete", {"confirm": "pull", "insist": "yes"})).status_code == 303
    await jane.see("/secrets/pull", status=404)


async def test_opaque_secrets_are_made_and_replaced_and_their_values_never_shown(jane, world):
    form = {"name": "keys", "key": ["API_KEY", "OTHER", ""], "value": [CANARY, "two", ""]}
    answer = await jane.send("/new/secret/opaque", form)
    assert answer.status_code == 303
    for path in ("/secrets/keys", "/secrets/keys/edit", "/secrets"):
        page = unescape(await jane.see(path))
        assert "API_KEY" in page
        assert CANARY not in page
    await jane.send("/secrets/keys/edit", {"key": ["NEW"], "value": ["three"]})
    assert (await stored(world, "keys")).keys == ("NEW",)
    assert (await jane.send("/new/secret/opaque", {"name": "empty"})).status_code == 400


async def test_the_list_is_searched_filtered_and_paged(jane, world):
    for number in range(SHELF + 2):
        await world.secrets.create(world.access, docker_draft(f"pull-{number:03}", registry=REGISTRY))
    await jane.send("/new/secret/opaque", {"name": "keys", "key": "A", "value": "b"})
    page = await jane.see("/secrets")
    assert page.count('<th scope="row"') == SHELF
    following = unescape(re.search(r'href="([^"]*after=[^"]*)">Next page', page)[1])
    rest = (await jane.client.get(following)).text
    assert re.findall(r"/secrets/(pull-\d+)/edit\"", rest) == ["pull-049", "pull-050", "pull-051"]
    assert (await jane.see("/secrets?q=pull-007")).count('<th scope="row"') == 1
    assert (await jane.see("/secrets?type=opaque")).count('<th scope="row"') == 1
    assert "No secret fits" in await jane.see("/secrets?verdict=verified")
    await jane.see("/secrets?type=nonsense", status=400)


async def names_in(jane, path):
    return re.findall(r'<th scope="row" class="name"><a[^>]*>([^<]*)</a>', await jane.see(path))


async def test_the_list_is_sorted_and_paged_in_that_order(jane, world, registry):
    for number, username in enumerate(("jane", "eve", "jane")):
        draft = docker_draft(f"b-{number}", registry=REGISTRY, username=username, password="right")
        world.clock.advance(seconds=1)
        await world.secrets.create(world.access, draft)
    world.clock.advance(seconds=1)
    await jane.send("/new/secret/opaque", {"name": "a-keys", "key": "A", "value": "b"})
    assert await names_in(jane, "/secrets") == ["a-keys", "b-0", "b-1", "b-2"]
    assert await names_in(jane, "/secrets?sort=updated") == ["a-keys", "b-2", "b-1", "b-0"]
    assert await names_in(jane, "/secrets?sort=verdict") == ["b-1", "b-0", "b-2", "a-keys"]
    assert await names_in(jane, "/secrets?sort=registry") == ["a-keys", "b-0", "b-1", "b-2"]
    assert re.search(r'aria-sort="descending"><a[^>]*>Updated', await jane.see("/secrets?sort=updated"))
    await jane.see("/secrets?sort=colour", status=400)
    for number in range(SHELF):
        await world.secrets.create(world.access, docker_draft(f"pull-{number:03}", registry=REGISTRY))
    for order in ("name", "updated", "verdict", "registry"):
        page = await jane.see(f"/secrets?sort={order}")
        following = unescape(re.search(r'href="([^"]*after=[^"]*)">Next page', page)[1])
        both = await names_in(jane, f"/secrets?sort={order}")
        both += await names_in(jane, following.removeprefix(jane.home))
        assert len(both) == len(set(both)) == SHELF + 4


async def test_all_that_are_shown_are_verified_at_once(jane, world, registry):
    for name, username in (("one", "jane"), ("two", "eve"), ("other", "jane")):
        draft = docker_draft(name, registry=REGISTRY, username=username, password="right")
        await world.secrets.create(world.access, draft)
    await jane.send("/new/secret/opaque", {"name": "keys", "key": "A", "value": "b"})
    registry.users["jane"] = Password("changed")
    answer = await jane.send("/secrets-verify?q=o&type=docker")
    assert answer.status_code == 303
    assert answer.headers["location"].endswith("/secrets?q=o&type=docker")
    page = await jane.client.get(answer.headers["location"])
    assert "3 secrets tried: 3 failing." in page.text
    answer = await jane.send("/secrets-verify?q=two")
    assert "1 secret tried: 1 failing." in (await jane.client.get(answer.headers["location"])).text


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        (f"https://{REGISTRY}/v2/", f"It will be kept as <code>{REGISTRY}</code>"),
        ("reg.example.com:5000/", "<code>reg.example.com:5000</code>"),
        ("docker.io", "That is Docker Hub"),
        ("", "must have its URL"),
        ("a b", "text-danger"),
    ],
)
async def test_an_address_is_understood_as_one_types(jane, typed, says):
    assert says in await jane.see(f"/new/secret/registry?registry={quote(typed)}")


async def test_a_new_password_restarts_only_what_one_chose(jane, world):
    await jane.send("/new/secret/docker", FORM)
    for name in ("talker", "listener"):
        await world.deployed(name, image=f"{REGISTRY}/team/app:1", secret="pull")
    page = await jane.see("/secrets/pull/edit?rotate")
    assert 'name="restart" value="talker"' in page
    assert "nothing is restarted unless you say so" in page
    answer = await jane.send(
        "/secrets/pull/edit", FORM | {"version": "1", "restart": ["talker", "gone"], "verified_only": "yes"}
    )
    note = (await jane.client.get(answer.headers["location"])).text
    assert "talker is restarted." in note
    assert "gone was not restarted" in note
    generations = {
        name: (await world.deployments.get(world.access, name)).generation for name in ("talker", "listener")
    }
    assert generations == {"talker": 2, "listener": 1}


async def test_a_secrets_page_has_what_one_copies_and_no_password(jane, world):
    await jane.send("/new/secret/docker", FORM | {"password": "right"})
    page = unescape(await jane.see("/secrets/pull"))
    assert "imagePullSecrets:\n  - name: pull" in page
    assert f"image: {REGISTRY}/TEAM/APP:TAG" in page
    assert "towline secret update pull --password-stdin" in page
    assert "towline secret export pull --format kubernetes" in page
    await jane.send("/new/secret/opaque", {"name": "keys", "key": "API_KEY", "value": CANARY})
    page = unescape(await jane.see("/secrets/keys"))
    assert "secretKeyRef:\n      name: keys\n      key: API_KEY" in page
    assert CANARY not in page


async def test_an_empty_project_is_taught(jane):
    page = await jane.see("/secrets")
    assert "No secrets yet" in page
    assert "ADD NEW SECRET" in page


async def test_viewers_see_names_only_and_change_nothing(visitor, world):
    await world.secrets.create(world.access, docker_draft("pull", registry=REGISTRY, username="jane"))
    await world.member("eve@example.com", role=ProjectRole.VIEWER.value)
    await visitor.sign_in("eve@example.com")
    page = await visitor.see("/secrets")
    assert "pull" in page
    assert REGISTRY not in page
    assert "ADD NEW SECRET" not in page
    for path in (
        "/secrets/pull",
        "/new/secret/docker",
        "/secrets/pull/edit",
        "/secrets/pull/delete",
        "/audit",
    ):
        await visitor.see(path, status=403)
    assert (await visitor.send("/secrets/pull/delete", {"confirm": "pull"})).status_code == 403


async def test_what_a_registry_or_a_person_says_is_text_and_nothing_else(jane, registry):
    hostile = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'
    answer = await jane.send("/new/secret/docker", FORM | {"username": hostile, "password": "x"})
    assert answer.status_code == 303
    for path in ("/secrets", "/secrets/pull", "/secrets/pull/edit", ""):
        page = await jane.see(path)
        assert "<script>alert" not in page
        assert "<img" not in page
        if path != "":
            assert "&lt;script&gt;alert(1)" in page


async def test_what_one_copies_into_a_shell_holds_no_image_that_is_none(jane, world):
    await world.secrets.create(world.access, docker_draft("pull", registry=REGISTRY))
    await world.packages.create(
        world.access, package_draft("a", image="$(touch /tmp/x) ;echo", secret="pull")
    )
    page = await jane.see("/secrets/pull")
    used = page.partition('id="use"')[2]
    assert f"--image {REGISTRY}/TEAM/APP:TAG" in used
    assert "touch" not in used.partition("</section>")[0]
    good = f"{REGISTRY}/team/app:1"
    await world.packages.create(world.access, package_draft("b", image=good, secret="pull"))
    assert f"--image {good}" in await jane.see("/secrets/pull")


async def test_all_uses_of_a_secret_are_a_page_with_filters_and_a_file(jane, world):
    await world.secrets.create(
        world.access, docker_draft(registry=REGISTRY, username="jane", password="right")
    )
    project, facts = world.access.project.guid, (("peer", "192.0.2.9"), ("token", "ci <1>"))
    await world.keychain.login(project, "pull", door=Door.EXPORT, actor="robot@example.com", facts=facts)
    assert f'href="{jane.home}/secrets/pull/uses"' in await jane.see("/secrets/pull")
    page = await jane.see("/secrets/pull/uses")
    for text in ("robot@example.com", "by token ci &lt;1&gt;", "192.0.2.9", "export"):
        assert text in page
    assert "No use fits this." in await jane.see("/secrets/pull/uses?outcome=refused")
    lines = (await jane.see("/secrets/pull/uses.jsonl?door=export")).splitlines()
    assert [json.loads(line)["actor"] for line in lines] == ["robot@example.com"]


MINT = {
    "kind": "ecr",
    "name": "minted",
    "registry": "minted.example.com",
    "region": "eu-west-1",
    "key": "AKIA-OBVIOUSLY-A-TEST",
    "email": JANE,
}


@pytest.fixture
def mint(world):
    world.mint.registry = world.prover.registry("minted.example.com", AWS="nothing yet")
    return world.mint


async def test_a_registry_whose_logins_end_offers_to_have_them_minted(jane):
    assert "/new/secret/minted?kind=ecr" in await jane.see("/new/secret/docker?provider=ecr")
    known = quote("123456789012.dkr.ecr.eu-west-1.amazonaws.com")
    said = await jane.see(f"/new/secret/registry?registry={known}")
    assert f"/new/secret/minted?kind=ecr&amp;registry={known}" in said
    assert "minted?kind" not in await jane.see("/new/secret/registry?registry=reg.example.com")
    kinds = await jane.see("/new/secret/minted")
    for kind in MintKind:
        assert f"minted?kind={kind.value}" in kinds
    form = await jane.see(f"/new/secret/minted?registry={known}&name=ours")
    assert 'name="role-arn"' in form
    assert f'value="{known}"' in form
    assert 'name="password"' not in form


async def test_a_minted_secret_is_made_shown_and_changed_by_forms_alone(jane, world, mint):
    answer = await jane.send("/new/secret/minted", MINT)
    assert answer.status_code == 303, answer.text
    page = (await jane.client.get(answer.headers["location"])).text
    for said in (
        "its login minted and tried: verified",
        "Towline, Amazon ECR",
        "Valid until",
        "Next renewal",
    ):
        assert said in page
    assert MINT["key"] not in page
    edit = await jane.see("/secrets/minted/edit")
    assert 'value="eu-west-1"' in edit
    assert MINT["key"] not in edit
    fields = {**MINT, "version": "1", "key": "", "email": "ops@example.com"}
    assert (await jane.send("/secrets/minted/edit", fields)).status_code == 303
    assert (await stored(world, "minted")).email == "ops@example.com"
    assert mint.orders[-1].key.reveal() == MINT["key"]
    fields |= {"version": "2", "key": "AKIA-ANOTHER", "region": "eu-west-2"}
    assert (await jane.send("/secrets/minted/edit", fields)).status_code == 303
    assert mint.orders[-1].key.reveal() == "AKIA-ANOTHER"
    assert (await stored(world, "minted")).mint.mint.settings == {"region": "eu-west-2"}


@pytest.mark.parametrize(
    "change", [{"registry": "evil.example.com"}, {"endpoint": "https://evil.example.com"}]
)
async def test_a_kept_parent_credential_is_never_sent_elsewhere(jane, mint, change):
    await jane.send("/new/secret/minted", MINT)
    answer = await jane.send("/secrets/minted/edit", {**MINT, "version": "1", "key": "", **change})
    assert answer.status_code == 400
    assert "is needed anew" in answer.text
    assert len(mint.orders) == 1


async def test_what_is_wrong_with_a_minted_secret_is_told_beside_its_fields(jane, mint):
    wrong = {**MINT, "name": "No Good", "key": " ", "region": "", "email": "nobody"}
    answer = await jane.send("/new/secret/minted", wrong)
    assert answer.status_code == 400
    for field in ("name", "key", "region", "email"):
        assert f'<a href="#{field}">' in answer.text, field
        assert f'id="{field}-error"' in answer.text, field
    other = await jane.send("/new/secret/minted", {**MINT, "key": "no key"})
    assert "holds no access key ID" in unescape(other.text)
    await jane.send("/new/secret/minted", MINT)
    assert (await jane.send("/new/secret/minted", MINT)).status_code == 409


async def test_a_minted_login_needs_a_hand_only_when_it_cannot_be_renewed(jane, world, mint):
    await jane.send("/new/secret/minted", MINT)
    assert "Nothing. Every secret that was tried works" in await jane.see("")
    mint.refuses = Finding(FindingCode.MINT_CREDENTIAL_REFUSED, "the key was deactivated")
    world.clock.advance(seconds=mint.life.total_seconds() * 0.7)
    await world.renewals.round()
    page = await jane.see("")
    assert "Secret minted" in page
    assert "The provider refused the parent credential" in page
    assert "The provider refused the parent credential" in await jane.see("/secrets/minted")


async def test_only_a_login_that_works_is_saved_where_that_was_asked(jane, mint):
    mint.refuses = Finding(FindingCode.MINT_NOT_ALLOWED, "no right to ask for tokens")
    answer = await jane.send("/new/secret/minted", {**MINT, "verified_only": "yes"})
    assert answer.status_code == 412
    assert "mint-not-allowed" in answer.text
    assert "Nothing was saved" in answer.text
    kept = await jane.send("/new/secret/minted", MINT)
    page = (await jane.client.get(kept.headers["location"])).text
    assert "none was minted yet" in page
    assert "after 1 failed try" in page
