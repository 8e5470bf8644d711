"""Who comes back from the sign-in provider, and what that person is here."""

import pytest

from parts.world import JANE, JANES_PASSWORD, World
from towline.domain.account import Permission, Principal, TokenLevel
from towline.domain.credential import Password
from towline.domain.device_login import DeviceLoginState, Granted
from towline.domain.errors import InvalidInput, NotFound, NotSignedIn
from towline.domain.joining import EndedSession
from towline.services.single_sign_on import Arrived, Begun

BEGUN = Begun("state", "nonce", "verifier")
RULES = [
    ("engineers", "Project", "demo", "", "project_developer"),
    ("admins", "Organization", "acme", "", "rio-org_admin"),
]


async def back(world: World, code: str) -> Arrived:
    return await world.single_sign_on.finish(code, BEGUN, back="http://t/sign-in/sso/back", peer="10.0.0.9")


async def signed_in(world: World, subject: str, **facts) -> Principal:
    arrived = await back(world, world.provider.knows(subject, **facts))
    assert arrived.session, "a password is asked for"
    return await world.accounts.authenticate(arrived.session)


async def may(world: World, who: Principal) -> Permission | None:
    try:
        guid = world.access.project.guid
        return (await world.accounts.access(who, guid, permission=Permission.VIEW)).permission
    except NotFound:
        return None


@pytest.fixture
async def ruled(world: World) -> World:
    await world.organizations.replace_rules(world.access.principal, world.access.organization.guid, RULES)
    return world


async def test_a_group_of_the_provider_makes_an_account_with_its_role(ruled: World) -> None:
    who = await signed_in(ruled, "max", groups=("engineers", "others"), first_name="Max")
    assert (who.user.email, who.user.first_name, who.via) == ("max@example.com", "Max", "sso")
    assert await may(ruled, who) is Permission.DEPLOY
    membership = await ruled.organizations.get(ruled.access.principal, "")
    [member] = [each for each in membership.members if each.user.guid == who.user.guid]
    assert (member.role_names, member.implied) == ((), ("rio-org_member",))


async def test_roles_are_those_of_the_last_sign_in_for_all_sessions(ruled: World) -> None:
    before = await signed_in(ruled, "max", groups=("admins",))
    assert await may(ruled, before) is Permission.MANAGE_ORGANIZATION
    await signed_in(ruled, "max", groups=("engineers",))
    assert await may(ruled, before) is Permission.DEPLOY
    after = await signed_in(ruled, "max", groups=())
    assert (await may(ruled, before), await may(ruled, after)) == (None, None)
    claimed = [
        detail["roles"] for _, action, _, detail in await ruled.rows() if action == "user.roles-claimed"
    ]
    assert claimed[-1] == "none"


async def test_nobody_comes_in_who_is_not_expected(ruled: World) -> None:
    with pytest.raises(NotSignedIn, match=r"nobody here expects eve@example\.com"):
        await signed_in(ruled, "eve", groups=("others",))
    await ruled.invitations.invite(ruled.access.principal, "", "eve@example.com")
    with pytest.raises(NotSignedIn, match="verified"):
        await signed_in(ruled, "eve", email_verified=False)
    who = await signed_in(ruled, "eve")
    membership = await ruled.organizations.get(who, "")
    assert membership.organization.name == "acme"
    assert await ruled.invitations.list(ruled.access.principal, "") == ()


async def test_an_account_with_a_password_is_connected_by_that_alone(ruled: World) -> None:
    arrived = await back(ruled, ruled.provider.knows("j", email=JANE))
    assert (arrived.email, arrived.session) == (JANE, "")
    with pytest.raises(NotSignedIn, match="wrong"):
        await ruled.single_sign_on.connect(arrived.link, Password("a guess of mine"), peer="x")
    connected = await ruled.single_sign_on.connect(arrived.link, Password(JANES_PASSWORD), peer="x")
    assert (await ruled.accounts.authenticate(connected.session)).user.email == JANE
    with pytest.raises(InvalidInput, match="too long"):
        await ruled.single_sign_on.connect(arrived.link, Password(JANES_PASSWORD), peer="x")
    assert (await signed_in(ruled, "j", email=JANE)).user.email == JANE
    assert "user.identity-linked" in await ruled.actions()


async def test_a_link_that_waits_ends_after_ten_minutes(ruled: World) -> None:
    arrived = await back(ruled, ruled.provider.knows("j", email=JANE))
    ruled.clock.advance(minutes=10)
    with pytest.raises(InvalidInput, match="too long"):
        await ruled.single_sign_on.connect(arrived.link, Password(JANES_PASSWORD), peer="x")


async def test_an_address_that_is_not_verified_connects_nothing(ruled: World) -> None:
    with pytest.raises(NotSignedIn, match="verified"):
        await signed_in(ruled, "j", email=JANE, email_verified=False, groups=("admins",))


async def test_another_subject_is_another_person_whatever_it_is_called_now(ruled: World) -> None:
    who = await signed_in(ruled, "max", groups=("engineers",))
    renamed = await signed_in(ruled, "max", email=JANE, groups=("engineers",))
    assert renamed.user.guid == who.user.guid


async def test_without_passwords_only_the_provider_and_the_break_glass_admin_let_in(ruled: World) -> None:
    ruled.provider.passwords_of = {JANE}
    await ruled.accounts.create_user(email="max@example.com", password=Password(JANES_PASSWORD))
    with pytest.raises(NotSignedIn, match="switched off"):
        await ruled.accounts.login(
            "max@example.com", Password(JANES_PASSWORD), level=TokenLevel.LOW, peer="x"
        )
    await ruled.accounts.login(JANE, Password(JANES_PASSWORD), level=TokenLevel.LOW, peer="x")
    assert (await signed_in(ruled, "max")).user.email == "max@example.com"
    assert (await back(ruled, ruled.provider.knows("j", email=JANE))).link


async def test_a_shut_account_does_not_come_in_by_the_provider(ruled: World) -> None:
    await signed_in(ruled, "max", groups=("engineers",))
    await ruled.accounts.set_disabled("max@example.com", disabled=True)
    with pytest.raises(NotSignedIn, match="disabled"):
        await signed_in(ruled, "max", groups=("engineers",))


async def test_the_provider_ends_a_session_and_the_program_that_it_let_in(ruled: World) -> None:
    who = await signed_in(ruled, "max", groups=("engineers",), session="sid-1")
    other = await signed_in(ruled, "max", groups=("engineers",), session="sid-2")
    begun = await ruled.device_logins.begin("rio-cli", peer="x")
    await ruled.device_logins.answer(who, begun.user_code, DeviceLoginState.APPROVED)
    granted = await ruled.device_logins.poll(begun.device_code, "rio-cli")
    assert isinstance(granted, Granted)
    assert (await ruled.accounts.authenticate(granted.token)).via == "device rio-cli by sso"
    ruled.provider.over = [EndedSession(ruled.provider.issuer, "max", "sid-1", number="1")]
    assert await ruled.single_sign_on.end("a logout token") == 2
    with pytest.raises(NotSignedIn):
        await ruled.accounts.authenticate(granted.token)
    with pytest.raises(NotSignedIn, match="used already"):
        await ruled.single_sign_on.end("a logout token")
    known = await ruled.accounts.tokens(other)
    assert [each.guid for each in known] == [other.token_guid]
    ruled.provider.over = [EndedSession(ruled.provider.issuer, "max", "", number="2")]
    assert await ruled.single_sign_on.end("a logout token") == 1


async def test_a_session_by_the_provider_is_not_made_longer(ruled: World) -> None:
    arrived = await back(ruled, ruled.provider.knows("max", groups=("engineers",)))
    end = (await ruled.accounts.authenticate(arrived.session)).expires_at
    ruled.clock.advance(hours=20)
    fresh = await ruled.accounts.refresh(arrived.session)
    assert (await ruled.accounts.authenticate(fresh)).expires_at == end
    ruled.clock.advance(hours=4)
    with pytest.raises(NotSignedIn):
        await ruled.accounts.authenticate(fresh)


async def test_rules_are_for_what_there_is_and_go_with_it(ruled: World) -> None:
    jane, guid = ruled.access.principal, ruled.access.organization.guid
    for wrong, words in (
        (("g", "Project", "absent", "", "project_viewer"), "no Project"),
        (("g", "Project", "demo", "", "rio-org_admin"), "no role here"),
        (("g", "Organization", "umbrella", "", "rio-org_admin"), "no Organization"),
    ):
        with pytest.raises(InvalidInput, match=words):
            await ruled.organizations.replace_rules(jane, guid, [wrong])
    await ruled.projects.delete(jane, ruled.access.project.guid)
    assert [each.rule.claim for each in await ruled.organizations.rules(jane, guid)] == ["admins"]
