from datetime import timedelta

import pytest

from parts.fakes import CountedGuids, CountedTokens, QuickHasher
from parts.world import JANE, JANES_PASSWORD, World, person
from towline.domain.account import (
    Access,
    OrganizationRole,
    Permission,
    Principal,
    ProjectRole,
    TokenLevel,
)
from towline.domain.credential import Password
from towline.domain.errors import Conflict, InvalidInput, NotAllowed, NotFound, NotSignedIn, Throttled
from towline.domain.listing import Page
from towline.services.accounts import LEAST_PASSWORD, Accounts
from towline.services.throttle import MOST_PER_ACCOUNT, MOST_PER_PEER, WINDOW

PEER = "192.0.2.7"


async def _login(
    world: World,
    email: str = JANE,
    password: str = JANES_PASSWORD,
    *,
    peer: str = PEER,
    level: TokenLevel = TokenLevel.LOW,
) -> str:
    return await world.accounts.login(email, Password(password), level=level, peer=peer)


async def _principal(world: World, token: str) -> Principal:
    return await world.accounts.authenticate(token)


async def test_a_login_gives_a_token_that_tells_who_holds_it(world: World) -> None:
    assert (await _principal(world, await _login(world))).user.email == JANE


async def test_the_letter_case_and_blanks_of_an_address_do_not_matter(world: World) -> None:
    assert (await _principal(world, await _login(world, " Jane@Example.COM "))).user.email == JANE


@pytest.mark.parametrize("email", [JANE, "nobody@example.com"])
async def test_a_wrong_password_and_an_unknown_address_cost_and_say_the_same(
    world: World, email: str
) -> None:
    asked = world.hasher.asked
    with pytest.raises(NotSignedIn, match="e-mail address or password is wrong"):
        await _login(world, email, "wrong")
    assert world.hasher.asked == asked + 1


async def test_failed_logins_are_written_down_without_an_unknown_address(world: World) -> None:
    for email in (JANE, "my password by mistake"):
        with pytest.raises(NotSignedIn):
            await _login(world, email, "wrong")
    rows = await world.rows()
    assert [row[:3] for row in rows[-2:]] == [
        (JANE, "user.signed-in", "refused"),
        ("unknown", "user.signed-in", "refused"),
    ]
    assert "by mistake" not in repr(rows)


async def test_ten_failures_shut_an_address_for_its_peer_until_the_window_is_over(world: World) -> None:
    for _ in range(MOST_PER_ACCOUNT):
        with pytest.raises(NotSignedIn):
            await _login(world, password="wrong")
    with pytest.raises(Throttled) as caught:
        await _login(world)
    assert caught.value.retry_after == WINDOW.total_seconds()
    assert await _login(world, peer="198.51.100.1")
    world.clock.advance(seconds=WINDOW.total_seconds())
    assert await _login(world)


async def test_a_peer_that_tries_many_addresses_is_shut_out(world: World) -> None:
    for number in range(MOST_PER_PEER):
        with pytest.raises(NotSignedIn):
            await _login(world, f"user{number}@example.com", "wrong")
    with pytest.raises(Throttled):
        await _login(world)


async def test_logins_that_succeed_are_never_throttled(world: World) -> None:
    for _ in range(MOST_PER_PEER * 2):
        await _login(world)


@pytest.mark.parametrize(
    ("level", "hours"), [(TokenLevel.LOW, 24), (TokenLevel.MEDIUM, 168), (TokenLevel.HIGH, 720)]
)
async def test_a_token_lives_as_long_as_its_level_says(world: World, level: TokenLevel, hours: int) -> None:
    token = await _login(world, level=level)
    principal = await _principal(world, token)
    assert principal.expires_at == world.clock() + timedelta(hours=hours)
    world.clock.advance(hours=hours)
    with pytest.raises(NotSignedIn):
        await _principal(world, token)


async def test_a_token_ends_while_it_is_remembered(world: World) -> None:
    token = await _login(world)
    world.clock.advance(hours=24, seconds=-2)
    await _principal(world, token)
    world.clock.advance(seconds=2)
    with pytest.raises(NotSignedIn):
        await _principal(world, token)


async def test_refresh_gives_a_new_token_and_the_old_one_dies(world: World) -> None:
    old = await _login(world)
    await _principal(world, old)
    new = await world.accounts.refresh(old)
    assert (await _principal(world, new)).user.email == JANE
    with pytest.raises(NotSignedIn):
        await _principal(world, old)
    with pytest.raises(NotSignedIn):
        await world.accounts.refresh(old)


async def test_logout_ends_the_token_at_once(world: World) -> None:
    token, other = await _login(world), await _login(world)
    await world.accounts.logout(await _principal(world, token))
    with pytest.raises(NotSignedIn):
        await _principal(world, token)
    assert await _principal(world, other)


async def test_a_token_ended_elsewhere_is_believed_for_five_seconds_at_most(world: World) -> None:
    token = await _login(world)
    principal = await _principal(world, token)
    await world.store.write(lambda tx: tx.accounts.remove_tokens(guid=principal.token_guid))
    world.clock.advance(seconds=5)
    assert await _principal(world, token) == principal
    world.clock.advance(seconds=1)
    with pytest.raises(NotSignedIn):
        await _principal(world, token)


async def test_tokens_are_stored_by_digest_only(world: World) -> None:
    token = await _login(world)
    assert token.encode() not in repr(await world.rows()).encode()
    assert await world.store.read(lambda tx: tx.accounts.token(token.encode())) is None


async def test_the_sweep_takes_expired_tokens_and_leaves_the_others(world: World) -> None:
    token = await _login(world, level=TokenLevel.LOW)
    longer = await _login(world, level=TokenLevel.HIGH)
    world.clock.advance(hours=25)
    await world.accounts.sweep()
    with pytest.raises(NotSignedIn):
        await world.accounts.refresh(token)
    assert await world.accounts.refresh(longer)


# --- who may do what -----------------------------------------------------------------------------


async def _access(world: World, access: Access, permission: Permission) -> Access:
    return await world.accounts.access(access.principal, access.project.guid, permission=permission)


@pytest.mark.parametrize(
    ("role", "most"),
    [
        (ProjectRole.VIEWER, Permission.VIEW),
        (ProjectRole.DEVELOPER, Permission.DEPLOY),
        (ProjectRole.ADMIN, Permission.MANAGE_PROJECT),
    ],
)
async def test_a_role_opens_so_much_and_no_more(world: World, role: ProjectRole, most: Permission) -> None:
    member = await world.member("max@example.com", role=role)
    for permission in Permission:
        if permission <= most:
            assert (await _access(world, member, permission)).permission == most
        else:
            with pytest.raises(NotAllowed, match="subject is not authorized for this operation"):
                await _access(world, member, permission)


async def test_a_foreign_project_is_not_found(world: World) -> None:
    member = await world.member("max@example.com", role=ProjectRole.VIEWER)
    mine, _ = await world.projects.create(
        world.access.principal, name="private", organization_guid="", labels={}
    )
    for guid in (mine.guid, "project-nowhere"):
        with pytest.raises(NotFound):
            await world.accounts.access(member.principal, guid, permission=Permission.VIEW)


async def test_a_role_taken_elsewhere_is_believed_for_five_seconds_at_most(world: World) -> None:
    member = await world.member("max@example.com", role=ProjectRole.DEVELOPER)
    guid, user = member.project.guid, member.principal.user.guid
    await world.store.write(lambda tx: tx.tenants.set_member(guid, user, ()))
    assert await _access(world, member, Permission.DEPLOY)
    world.clock.advance(seconds=6)
    with pytest.raises(NotFound):
        await _access(world, member, Permission.VIEW)


# --- people and organizations --------------------------------------------------------------------


async def test_the_first_of_an_organization_is_its_admin_and_the_next_a_member(world: World) -> None:
    profile = await world.accounts.create_user(
        email="max@example.com", password=Password("long enough"), organization="acme", project="demo"
    )
    jane = await world.accounts.me(world.access.principal)
    assert [roles for _, roles in jane.organizations] == [(OrganizationRole.ADMIN.value,)]
    assert [roles for _, roles in profile.organizations] == [(OrganizationRole.MEMBER.value,)]
    assert [(project.guid, roles) for project, _, roles in profile.projects] == [
        (world.access.project.guid, (ProjectRole.ADMIN.value,))
    ]


async def test_an_organization_has_the_short_name_that_rio_insists_on(world: World) -> None:
    assert len(world.access.organization.short_guid) == 5
    assert world.access.organization.short_guid.isalpha()


async def test_an_address_has_one_account_whatever_its_letter_case(world: World) -> None:
    with pytest.raises(Conflict):
        await world.accounts.create_user(email="JANE@example.com", password=Password("long enough"))


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("email", {"email": "no address"}),
        ("password", {"password": Password("x" * (LEAST_PASSWORD - 1))}),
        ("organization", {"project": "demo"}),
        ("project", {"organization": "acme", "project": "org-like"}),
        ("firstName", {"first_name": "line\nbreak"}),
    ],
)
async def test_a_bad_account_names_its_field(world: World, field: str, given: dict[str, str]) -> None:
    whole = {"email": "max@example.com", "password": Password("long enough"), **given}
    with pytest.raises(InvalidInput) as caught:
        await world.accounts.create_user(**whole)  # type: ignore[arg-type]  # the values are of many types
    assert caught.value.field == field
    assert await world.store.read(lambda tx: tx.accounts.user(email="max@example.com")) is None


async def test_a_new_name_is_seen_at_once(world: World) -> None:
    token = await _login(world)
    principal = await _principal(world, token)
    profile = await world.accounts.rename_me(principal, first_name="Joan", last_name="Roe")
    assert profile.user.name == "Joan Roe"
    assert (await _principal(world, token)).user.name == "Joan Roe"
    assert await _login(world)


async def test_only_an_admin_replaces_members_and_one_admin_remains(world: World) -> None:
    guid = world.access.organization.guid
    profile = await world.accounts.create_user(
        email="max@example.com", password=Password("long enough"), organization="acme"
    )
    max_token = await _login(world, "max@example.com", "long enough")
    with pytest.raises(NotAllowed):
        await world.organizations.replace_members(await _principal(world, max_token), guid, {})
    jane = world.access.principal
    with pytest.raises(InvalidInput, match="without an admin"):
        await world.organizations.replace_members(
            jane, guid, {person(JANE): (OrganizationRole.MEMBER.value,)}
        )
    with pytest.raises(InvalidInput, match="no role"):
        await world.organizations.replace_members(jane, guid, {person(JANE): ("emperor",)})
    with pytest.raises(InvalidInput, match="no account"):
        await world.organizations.replace_members(jane, guid, {person("ghost"): ()})
    member, admin = (OrganizationRole.MEMBER.value,), (OrganizationRole.ADMIN.value,)
    swapped = {person(JANE): member, person(profile.user.guid): admin}
    changed = await world.organizations.replace_members(jane, guid, swapped)
    assert {member.user.email: member.role_names for member in changed.members} == {
        JANE: (OrganizationRole.MEMBER.value,),
        "max@example.com": (OrganizationRole.ADMIN.value,),
    }


async def test_who_is_left_out_of_the_members_is_none_any_more(world: World) -> None:
    await world.accounts.create_user(
        email="max@example.com", password=Password("long enough"), organization="acme"
    )
    jane, guid = world.access.principal, world.access.organization.guid
    await world.organizations.replace_members(jane, guid, {person(JANE): (OrganizationRole.ADMIN.value,)})
    listing = await world.organizations.users(jane, guid, Page())
    assert [user.email for user, _, _ in listing.items] == [JANE]
    known = await world.organizations.get(jane, guid)
    assert [member.user.email for member in known.members] == [JANE]


async def test_a_foreign_organization_is_not_found(world: World) -> None:
    with pytest.raises(NotFound):
        await world.organizations.get(world.access.principal, "org-nowhere")


async def test_there_is_no_set_up_token_once_there_is_a_user(world: World) -> None:
    assert await world.accounts.setup_token() is None


async def test_another_server_s_word_ends_what_is_remembered_of_people_at_once(world: World) -> None:
    told = []
    other = Accounts(
        store=world.store,
        hasher=QuickHasher(),
        clock=world.clock,
        new_guid=CountedGuids(),
        new_token=CountedTokens(),
        told=lambda: told.append(1),
    )
    token = await _login(world)
    assert (await world.accounts.authenticate(token)).user.email == JANE
    await other.set_disabled(JANE, disabled=True)
    assert await world.accounts.authenticate(token)  # the clock stands still, so it is remembered
    assert told
    world.accounts.forget_here()
    with pytest.raises(NotSignedIn):
        await world.accounts.authenticate(token)
