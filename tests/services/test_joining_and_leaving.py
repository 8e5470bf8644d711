"""Invitations, sessions and shut accounts."""

import re
from datetime import timedelta

import pytest

from parts.world import JANE, JANES_PASSWORD, World, person
from towline.domain.account import OrganizationRole, Permission, Principal, TokenLevel
from towline.domain.credential import Password
from towline.domain.device_login import DeviceLoginState, Granted, PollAnswer
from towline.domain.errors import Conflict, InvalidInput, NotAllowed, NotFound, NotSignedIn

MAX = "max@example.com"
SECRET = Password("a long password")


async def signed_in(world: World, email: str = JANE, password: str = JANES_PASSWORD) -> tuple[str, Principal]:
    text = await world.accounts.login(email, Password(password), level=TokenLevel.MEDIUM, peer="10.1.2.3")
    return text, await world.accounts.authenticate(text)


async def accepted(world: World, text: str) -> Principal:
    token = await world.invitations.accept(text, password=SECRET, first_name="Max", last_name="", peer="x")
    return await world.accounts.authenticate(token)


async def test_a_link_makes_an_account_with_its_roles_once(world: World) -> None:
    roles = [("Project", "demo", "", "project_developer")]
    invitation, text = await world.invitations.invite(world.access.principal, "", MAX, roles=roles)
    shown, organization, has_account = await world.invitations.opened(text)
    assert (shown, organization.name, has_account) == (invitation, "acme", False)
    who = await accepted(world, text)
    access = await world.accounts.access(who, world.access.project.guid, permission=Permission.VIEW)
    assert (access.permission, who.user.email) == (Permission.DEPLOY, MAX)
    with pytest.raises(InvalidInput, match="used, withdrawn, or is over"):
        await accepted(world, text)
    assert await world.invitations.list(world.access.principal, "") == ()
    assert text not in repr(await world.rows())


async def test_a_link_ends_after_a_week_and_when_it_is_renewed_or_withdrawn(world: World) -> None:
    jane = world.access.principal
    invitation, text = await world.invitations.invite(jane, "", MAX)
    world.clock.advance(days=7)
    with pytest.raises(InvalidInput, match="over"):
        await world.invitations.opened(text)
    renewed, fresh = await world.invitations.renew(jane, "", invitation.guid)
    assert renewed.expires_at - world.clock() == timedelta(days=7)
    await world.invitations.opened(fresh)
    await world.invitations.withdraw(jane, "", renewed.guid)
    with pytest.raises(InvalidInput, match="withdrawn"):
        await world.invitations.opened(fresh)
    with pytest.raises(NotFound):
        await world.invitations.withdraw(jane, "", renewed.guid)


async def test_only_admins_invite_and_only_whom_they_do_not_have(world: World) -> None:
    _, text = await world.invitations.invite(world.access.principal, "", MAX)
    who = await accepted(world, text)
    with pytest.raises(NotAllowed):
        await world.invitations.invite(who, "", "eve@example.com")
    with pytest.raises(Conflict, match="has an account"):
        await world.invitations.invite(world.access.principal, "", MAX.upper())


async def test_an_invitation_of_another_address_is_not_taken(world: World) -> None:
    await world.accounts.create_user(email="eve@example.org", password=Password(JANES_PASSWORD))
    _, text = await world.invitations.invite(world.access.principal, "", MAX)
    _, eve = await signed_in(world, "eve@example.org")
    with pytest.raises(NotAllowed, match=MAX):
        await world.invitations.accept_as(eve, text)
    await world.accounts.create_user(email=MAX, password=Password(JANES_PASSWORD))
    with pytest.raises(Conflict, match="has an account already"):
        await accepted(world, text)
    _, who = await signed_in(world, MAX)
    assert (await world.invitations.accept_as(who, text)).name == "acme"


async def test_a_stranger_among_the_members_of_a_document_is_invited(world: World) -> None:
    guid = world.access.organization.guid
    members = {person(JANE): ("rio-org_admin",), person(MAX): ("rio-org_member",)}
    changed = await world.organizations.replace_members(world.access.principal, guid, members)
    [(invitation, text)] = changed.invited
    assert [each.user.email for each in changed.members] == [JANE]
    assert invitation.email == MAX
    await accepted(world, text)


async def test_the_link_is_sent_where_there_is_a_post(world: World) -> None:
    invitation, text = await world.invitations.invite(world.access.principal, "", MAX)
    link = f"https://towline.example.com/invitation?token={text}"
    assert await world.invitations.send(invitation, world.access.organization, link) == ""
    [(to, subject, body)] = world.postman.letters
    assert (to, subject) == (MAX, "Join acme on Towline")
    assert link in body
    world.postman.refusal = "no mail server is set"
    assert await world.invitations.send(invitation, world.access.organization, link) != ""


async def test_a_session_tells_how_and_from_where_it_began(world: World) -> None:
    world.clock.advance(seconds=1)
    await signed_in(world)
    newest = (await world.accounts.tokens(world.access.principal))[0]
    assert (newest.via, newest.peer) == ("password", "10.1.2.3")


async def let_in(world: World, approver: Principal) -> tuple[str, str]:
    """Return device code and client of a program that ``approver`` has approved."""
    begun = await world.device_logins.begin("rio-cli", peer="10.9.9.9")
    await world.device_logins.answer(approver, begun.user_code, DeviceLoginState.APPROVED)
    return begun.device_code, "rio-cli"


async def test_ending_a_session_ends_the_program_that_it_let_in(world: World) -> None:
    _, other = await signed_in(world)
    granted = await world.device_logins.poll(*await let_in(world, other))
    assert isinstance(granted, Granted)
    program = await world.accounts.authenticate(granted.token)
    assert program.via == "device rio-cli"
    waiting = await let_in(world, other)
    await world.accounts.revoke_token(world.access.principal, other.token_guid)
    with pytest.raises(NotSignedIn):
        await world.accounts.authenticate(granted.token)
    assert await world.device_logins.poll(*waiting) is PollAnswer.UNKNOWN


async def test_signing_out_leaves_the_program_and_stops_one_that_still_waits(world: World) -> None:
    _, other = await signed_in(world)
    granted = await world.device_logins.poll(*await let_in(world, other))
    assert isinstance(granted, Granted)
    waiting = await let_in(world, other)
    await world.accounts.logout(other)
    await world.accounts.authenticate(granted.token)
    assert await world.device_logins.poll(*waiting) is PollAnswer.DENIED


async def test_ending_all_others_keeps_this_one_and_the_tokens_of_programs(world: World) -> None:
    jane = world.access.principal
    _, api = await world.accounts.create_token(jane, name="ci", ceiling=Permission.VIEW, days=1)
    text, other = await signed_in(world)
    granted = await world.device_logins.poll(*await let_in(world, jane))
    assert isinstance(granted, Granted)
    waiting = await let_in(world, jane)
    assert await world.accounts.end_others(jane) == 2
    for ended in (text, granted.token):
        with pytest.raises(NotSignedIn):
            await world.accounts.authenticate(ended)
    assert await world.device_logins.poll(*waiting) is PollAnswer.UNKNOWN
    assert (await world.accounts.authenticate(api)).token_name == "ci"
    assert [each.guid for each in await world.accounts.tokens(jane) if each.kind == "login"] == [
        jane.token_guid
    ]
    assert other.token_guid != jane.token_guid


async def test_a_shut_account_is_out_at_once_and_comes_back_without_its_sessions(world: World) -> None:
    jane, guid = world.access.principal, world.access.organization.guid
    _, text = await world.invitations.invite(jane, "", MAX)
    who = await accepted(world, text)
    session, _ = await signed_in(world, MAX, SECRET.reveal())
    _, api = await world.accounts.create_token(who, name="ci", ceiling=Permission.VIEW, days=1)
    waiting = await let_in(world, who)
    await world.organizations.set_disabled(jane, guid, MAX, disabled=True)
    for ended in (session, api):
        with pytest.raises(NotSignedIn):
            await world.accounts.authenticate(ended)
    assert await world.device_logins.poll(*waiting) is PollAnswer.UNKNOWN
    with pytest.raises(NotSignedIn, match="disabled"):
        await signed_in(world, MAX, SECRET.reveal())
    with pytest.raises(NotSignedIn, match="wrong"):
        await signed_in(world, MAX, "not the password")
    await world.organizations.set_disabled(jane, guid, MAX, disabled=False)
    await signed_in(world, MAX, SECRET.reveal())
    with pytest.raises(NotSignedIn):
        await world.accounts.authenticate(session)


async def test_who_may_shut_out_whom(world: World) -> None:
    jane, guid = world.access.principal, world.access.organization.guid
    with pytest.raises(NotAllowed, match="own account"):
        await world.organizations.set_disabled(jane, guid, JANE, disabled=True)
    await world.accounts.create_user(email=MAX, password=SECRET, organization="umbrella")
    with pytest.raises(NotFound):
        await world.organizations.set_disabled(jane, guid, MAX, disabled=True)
    await world.organizations.set_member(jane, guid, MAX, role=OrganizationRole.MEMBER)
    with pytest.raises(NotAllowed, match="of which you are no admin"):
        await world.organizations.set_disabled(jane, guid, MAX, disabled=True)
    await world.accounts.set_disabled(MAX, disabled=True)
    with pytest.raises(NotSignedIn, match="disabled"):
        await signed_in(world, MAX, SECRET.reveal())


async def test_the_last_admin_who_can_sign_in_stays_admin(world: World) -> None:
    jane, guid = world.access.principal, world.access.organization.guid
    await world.organizations.set_member(jane, guid, JANE, role=OrganizationRole.ADMIN)
    with pytest.raises(InvalidInput, match="without an admin"):
        await world.organizations.set_member(jane, guid, JANE, role=None)
    assert re.search("organization.member-set", " ".join(await world.actions()))
