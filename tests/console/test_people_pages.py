"""Invitations, groups, service accounts and sessions, as a browser without scripts sees them."""

from __future__ import annotations

import html
import re

import pytest

from parts.world import JANE, JANES_PASSWORD
from towline.domain.account import Permission, TokenLevel
from towline.domain.credential import Password
from towline.domain.errors import NotSignedIn

MAX = "max@example.com"
ROLE = {"role": "project_developer"}


@pytest.fixture
async def jane(visitor):
    await visitor.sign_in()
    return visitor


async def link_of(jane) -> str:
    shown = await jane.send("/members", {"email": MAX, "role": "rio-org_member"})
    found = re.search(r"http://towline\.test(/invitation\?token=tow_[\w-]+)", shown.text)
    assert found is not None
    assert "It was mailed" in shown.text
    return found[1]


async def colleague(world, email: str = MAX):
    await world.accounts.create_user(email=email, password=Password(JANES_PASSWORD), organization="acme")
    text = await world.accounts.login(email, Password(JANES_PASSWORD), level=TokenLevel.LOW, peer="x")
    return text, await world.accounts.authenticate(text)


async def test_an_invited_person_makes_an_account_and_is_in(jane, world):
    link = await link_of(jane)
    assert MAX in await jane.see("/members")
    jane.client.cookies.clear()
    page = (await jane.client.get(link)).text
    assert "Join acme" in page
    token = re.search(r'name="token" value="([^"]+)"', page)[1]
    short = await jane.client.post("/invitation", data={"token": token, "password": "short"})
    assert (short.status_code, 'aria-invalid="true"' in short.text) == (400, True)
    made = await jane.client.post("/invitation", data={"token": token, "password": "a long password"})
    assert (made.status_code, made.headers["location"]) == (303, "/")
    used = await jane.client.get(link)
    assert (used.status_code, "does not work any more" in used.text) == (404, True)


async def test_who_has_an_account_signs_in_to_join(jane, world):
    link = await link_of(jane)
    await world.accounts.create_user(email=MAX, password=Password(JANES_PASSWORD))
    page = (await jane.client.get(link)).text
    assert "sign in with it to join" in page
    assert f"you are signed in as {JANE}" in page
    jane.client.cookies.clear()
    await jane.sign_in(MAX)
    token = link.split("token=")[1]
    assert f"Join as {MAX}" in (await jane.client.get(link)).text
    joined = await jane.client.post("/invitation", data={"token": token, "join": "yes"})
    assert joined.status_code == 303
    assert "acme" in repr(await world.organizations.colleague(world.access.principal, MAX))


async def test_an_invitation_is_renewed_and_withdrawn(jane):
    old = await link_of(jane)
    guid = re.search(r'name="guid" value="(invitation-[a-z]+)"', await jane.see("/members"))[1]
    fresh = await jane.send("/invitations", {"guid": guid, "renew": "yes"})
    assert "/invitation?token=tow_" in fresh.text
    assert (await jane.client.get(old)).status_code == 404
    guid = re.search(r'name="guid" value="(invitation-[a-z]+)"', await jane.see("/members"))[1]
    await jane.send("/invitations", {"guid": guid, "withdraw": "yes"})
    assert "invitation-" not in await jane.see("/members")


async def test_a_group_is_made_filled_and_deleted(jane, world):
    _, who = await colleague(world)
    made = await jane.send("/groups", {"group_name": "operators", **ROLE})
    assert made.headers["location"].endswith("/groups/operators")
    fields = {"members": f"{MAX}\n{JANE} admin\n", "description": "on call", **ROLE}
    assert (await jane.send("/groups/operators", fields)).status_code == 303
    page = await jane.see("/groups/operators")
    assert f"{JANE} admin" in page
    access = await world.accounts.access(who, world.access.project.guid, permission=Permission.VIEW)
    assert access.permission is Permission.DEPLOY
    wrong = await jane.send("/groups/operators", {"members": "who@example.com"})
    assert (wrong.status_code, 'role="alert"' in wrong.text) == (400, True)
    assert "operators" in await jane.see("/members")
    again = await jane.send("/groups", {"group_name": "operators"})
    assert again.status_code == 400
    await jane.send("/members/project", {"group": "operators", "project_role": "project_viewer"})
    assert "project_viewer" in await jane.see("/groups/operators")
    await jane.send("/groups/operators/delete")
    await jane.see("/groups/operators", status=404)


async def test_rules_about_the_provider_s_groups_are_added_and_removed(jane, world):
    await jane.send("/groups", {"group_name": "operators"})
    assert "No rules yet" in await jane.see("/sign-in-rules")
    page = await jane.see("/sign-in-rules")
    choices = dict(re.findall(r'<option value="([^"]+)">([^<]+)</option>', page))
    project, group = (
        next(key for key in choices if key.startswith(kind)) for kind in ("Project", "UserGroup")
    )
    for gives in (project, group):
        made = await jane.send("/sign-in-rules", {"claim": "on call & <more>", "gives": gives})
        assert made.headers["location"].endswith("/sign-in-rules")
    access = world.access
    rules = await world.organizations.rules(access.principal, access.organization.guid)
    assert [(each.rule.claim, each.kind, each.name) for each in rules] == [
        ("on call & <more>", "UserGroup", "operators"),
        ("on call & <more>", "Project", "demo"),
    ]
    page = await jane.see("/sign-in-rules")
    assert "on call &amp; &lt;more&gt;" in page
    [first, _] = [html.unescape(each) for each in re.findall(r'name="rule" value="([^"]+)"', page)]
    for _ in range(2):  # the second time it is gone already
        assert (await jane.send("/sign-in-rules/remove", {"rule": first})).status_code == 303
    assert len(re.findall(r'name="rule" value=', await jane.see("/sign-in-rules"))) == 1


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"claim": " ", "gives": "Organization {org} rio-org_member"}, "no group.{1,6}s name"),
        ({"claim": "ops", "gives": ""}, "choose a role"),
        ({"claim": "ops", "gives": "Project project-elsewhere project_admin"}, "project-elsewhere"),
        ({"claim": "ops", "gives": "Organization {org} king"}, "king"),
    ],
)
async def test_a_rule_that_will_not_do_is_told_beside_its_field(jane, world, fields, said):
    organization = world.access.organization.guid
    wrong = await jane.send(
        "/sign-in-rules", {name: text.format(org=organization) for name, text in fields.items()}
    )
    assert (wrong.status_code, 'role="alert"' in wrong.text) == (400, True)
    assert re.search(said, wrong.text)
    assert await world.organizations.rules(world.access.principal, organization) == ()


async def test_a_service_account_gets_a_token_that_is_shown_once(jane, world):
    made = await jane.send("/service-accounts", {"account_name": "ci", **ROLE})
    assert made.headers["location"].endswith("/service-accounts/ci")
    shown = await jane.send("/service-accounts/ci/tokens", {"days": "7"})
    text = re.search(r"tow_[\w-]{50}", shown.text)[0]
    assert (await world.accounts.authenticate(text)).user.name == "ci"
    page = await jane.see("/service-accounts/ci")
    assert text not in page
    number = re.search(r'name="token" value="(\d+)"', page)[1]
    assert (await jane.send("/service-accounts/ci/tokens", {"days": "9999"})).status_code == 400
    await jane.send("/service-accounts/ci/revoke", {"token": number})
    with pytest.raises(NotSignedIn):
        await world.accounts.authenticate(text)
    assert (await jane.send("/service-accounts/ci/revoke", {"token": "x"})).status_code == 404
    assert (await jane.send("/service-accounts", {"account_name": "ci"})).status_code == 400
    await jane.send("/service-accounts/ci/delete")
    await jane.see("/service-accounts/ci", status=404)


async def test_a_person_is_shut_out_and_let_in_again(jane, world):
    text, _ = await colleague(world)
    await jane.send("/members/shut", {"email": MAX, "disable": "yes"})
    assert "shut out" in await jane.see("/members")
    with pytest.raises(NotSignedIn):
        await world.accounts.authenticate(text)
    await jane.send("/members/shut", {"email": MAX, "enable": "yes"})
    assert "Let in again" not in await jane.see("/members")


async def test_sessions_say_how_and_from_where(jane):
    assert '<td data-label="How">password</td>' in await jane.see("/members")
