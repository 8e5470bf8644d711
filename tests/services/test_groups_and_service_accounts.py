"""Groups hold roles for their members; service accounts hold roles and tokens, and no password."""

from datetime import timedelta

import pytest

from parts.world import JANE, JANES_PASSWORD, World, person
from towline.domain.account import (
    Permission,
    Principal,
    ProjectRole,
    SubjectRef,
    TokenLevel,
)
from towline.domain.credential import Password
from towline.domain.errors import Conflict, InvalidInput, NotAllowed, NotFound, NotSignedIn
from towline.domain.groups import GroupDraft, ServiceAccountDraft
from towline.domain.listing import LabelSelector, Page
from towline.domain.scopes import parse_scopes
from towline.services.service_accounts import token_number

EVERYTHING = LabelSelector()
DEVELOPER = ("Project", "demo", "", ProjectRole.DEVELOPER.value)


async def colleague(world: World, name: str = "max") -> Principal:
    """Return somebody who is a member of Jane's organization and of no project."""
    email = f"{name}@example.com"
    await world.accounts.create_user(email=email, password=Password(JANES_PASSWORD), organization="acme")
    token = await world.accounts.login(email, Password(JANES_PASSWORD), level=TokenLevel.LOW, peer="x")
    return await world.accounts.authenticate(token)


async def may(world: World, who: Principal) -> Permission | None:
    """Return what somebody may do in Jane's project."""
    try:
        found = await world.accounts.access(who, world.access.project.guid, permission=Permission.VIEW)
    except NotFound:
        return None
    return found.permission


def group(*members: str, roles: tuple = (DEVELOPER,), admins: tuple[str, ...] = ()) -> GroupDraft:
    held = {person(name): () for name in members} | {person(name): ("rio-group_admin",) for name in admins}
    return GroupDraft("operators", description="on call", members=held, roles=list(roles))


async def test_a_group_opens_a_project_to_its_members_and_closes_it_when_it_goes(world: World) -> None:
    who = await colleague(world)
    assert await may(world, who) is None
    await world.groups.create(world.access.principal, "", group(who.user.email))
    assert await may(world, who) is Permission.DEPLOY
    listed = await world.projects.list(who, Page(), selector=EVERYTHING)
    assert [project.name for project, _ in listed.items] == ["demo"]
    profile = await world.accounts.me(who)
    assert [(each.name, roles) for each, roles in profile.groups] == [("operators", ("rio-group_member",))]
    await world.groups.delete(world.access.principal, "", name="operators")
    assert await may(world, who) is None


async def test_who_leaves_a_group_loses_what_it_gave(world: World) -> None:
    who = await colleague(world)
    await world.groups.create(world.access.principal, "", group(who.user.email))
    await world.groups.update(world.access.principal, "", group())
    assert await may(world, who) is None
    await world.groups.update(world.access.principal, "", group(who.user.email, roles=()))
    assert await may(world, who) is None


async def test_what_a_change_does_not_name_stays(world: World) -> None:
    who = await colleague(world)
    made = await world.groups.create(world.access.principal, "", group(who.user.email))
    named = GroupDraft("operators", description="by day")
    changed = await world.groups.update(world.access.principal, "", named, guid=made.group.guid)
    assert changed.group.description == "by day"
    assert (changed.members, changed.roles) == (made.members, made.roles)


async def test_a_group_holds_members_of_its_organization_and_roles_that_there_are(world: World) -> None:
    jane = world.access.principal
    await world.accounts.create_user(email="eve@example.org", password=Password(JANES_PASSWORD))
    for draft, wrong in (
        (group("eve@example.org"), "no member of this organization"),
        (group(roles=(("Project", "absent", "", "project_viewer"),)), "no Project of organization"),
        (group(roles=(("Project", "demo", "", "emperor"),)), "no role here"),
        (group(roles=(("UserGroup", "operators", "", "project_viewer"),)), "is a group"),
        (GroupDraft("group-x"), "taken for an identifier"),
        (GroupDraft("x", members={SubjectRef("UserGroup", "x"): ()}), "groups hold users alone"),
    ):
        with pytest.raises(InvalidInput, match=wrong):
            await world.groups.create(jane, "", draft)
    await world.groups.create(jane, "", group())
    with pytest.raises(Conflict, match="exists"):
        await world.groups.create(jane, "", group())
    with pytest.raises(NotFound):
        await world.groups.get(jane, "", name="absent")


async def test_a_groups_own_admin_changes_its_members_and_not_its_roles(world: World) -> None:
    lead, other = await colleague(world, "lead"), await colleague(world, "other")
    with pytest.raises(NotAllowed):
        await world.groups.create(lead, "", group())
    await world.groups.create(world.access.principal, "", group(admins=(lead.user.email,)))
    both = group(other.user.email, admins=(lead.user.email,))
    await world.groups.update(lead, "", both)
    assert await may(world, other) is Permission.DEPLOY
    with pytest.raises(NotAllowed):
        await world.groups.update(other, "", both)
    greedy = group(admins=(lead.user.email,), roles=(("Project", "demo", "", "project_admin"),))
    with pytest.raises(NotAllowed):
        await world.groups.update(lead, "", greedy)
    with pytest.raises(NotAllowed):
        await world.groups.delete(lead, "", name="operators")


async def test_who_leaves_the_organization_leaves_its_projects_and_groups(world: World) -> None:
    who, guid = await colleague(world), world.access.organization.guid
    jane = world.access.principal
    await world.groups.create(jane, "", group(who.user.email))
    await world.projects.set_role(
        jane, world.access.project.guid, person(who.user.email), role=ProjectRole.VIEWER
    )
    assert await may(world, who) is Permission.DEPLOY
    await world.organizations.set_member(jane, guid, who.user.email, role=None)
    assert await may(world, who) is None
    assert (await world.groups.get(jane, "", name="operators")).members == ()


async def test_the_members_of_a_project_are_replaced_as_documents_name_them(world: World) -> None:
    who, jane, guid = await colleague(world), world.access.principal, world.access.project.guid
    made = await world.groups.create(jane, "", GroupDraft("operators", members={person(who.user.email): ()}))
    await world.service_accounts.create(jane, "", ServiceAccountDraft("robot"))
    members = {
        person(JANE): ("project_admin",),
        SubjectRef("UserGroup", guid=made.group.guid): ("project_viewer",),
        SubjectRef("ServiceAccount", "robot"): ("project_developer",),
    }
    _, _, users, groups = await world.projects.update(jane, guid, labels={}, features=b"{}", members=members)
    assert {each.user.name: each.role_names for each in users} == {
        "Jane Doe": ("project_admin",),
        "robot": ("project_developer",),
    }
    assert [(each.group.name, each.role_names) for each in groups] == [("operators", ("project_viewer",))]
    assert await may(world, who) is Permission.VIEW
    _, _, users, groups = await world.projects.update(jane, guid, labels={}, features=b"{}")
    assert (len(users), len(groups)) == (2, 1)
    _, _, users, groups = await world.projects.update(jane, guid, labels={}, features=b"{}", members={})
    assert (users, groups) == ((), ())
    stranger = {person("eve@example.org"): ("project_viewer",)}
    with pytest.raises(InvalidInput, match="no member of this organization"):
        await world.projects.update(jane, guid, labels={}, features=b"{}", members=stranger)


async def test_a_service_account_does_what_its_roles_say_and_nothing_with_people(world: World) -> None:
    jane = world.access.principal
    roles = [("Project", "demo", "", ("project_developer",))]
    await world.service_accounts.create(jane, "", ServiceAccountDraft("robot", "deploys", roles=roles))
    token, text = await world.service_accounts.create_token(jane, "", "robot")
    robot = await world.accounts.authenticate(text)
    assert await may(world, robot) is Permission.DEPLOY
    assert (robot.user.name, robot.token_name) == ("robot", "robot")
    assert token.expires_at - token.created_at == timedelta(days=90)
    with pytest.raises(NotAllowed):
        await world.accounts.create_token(robot, name="more", ceiling=Permission.VIEW, days=1)
    with pytest.raises(NotAllowed):
        await world.projects.create(robot, name="more", organization_guid="", labels={})
    with pytest.raises(NotAllowed):
        await world.service_accounts.create_token(robot, "", "robot")
    wrong = Password("service-account/robot")
    with pytest.raises(NotSignedIn):
        await world.accounts.login("service-account/robot", wrong, level=TokenLevel.LOW, peer="x")


async def test_a_service_accounts_tokens_have_scopes_an_end_and_a_number(world: World) -> None:
    jane, clock = world.access.principal, world.clock
    project = world.access.project.guid
    await world.service_accounts.create(jane, "", ServiceAccountDraft("robot"))
    soon = clock() + timedelta(hours=1)
    with pytest.raises(InvalidInput, match="no role in"):
        await world.service_accounts.create_token(jane, "", "robot", project_guid=project)
    scopes = parse_scopes(["secrets:read"])
    token, text = await world.service_accounts.create_token(jane, "", "robot", expires_at=soon, scopes=scopes)
    assert (await world.accounts.authenticate(text)).scopes == scopes
    number = token_number(token)
    fresh, other = await world.service_accounts.refresh_token(
        jane, "", "robot", number, expires_at=soon + timedelta(days=1)
    )
    assert token_number(fresh) == number
    with pytest.raises(NotSignedIn):
        await world.accounts.authenticate(text)
    assert (await world.accounts.authenticate(other)).scopes == scopes
    await world.service_accounts.revoke_token(jane, "", "robot", number)
    with pytest.raises(NotSignedIn):
        await world.accounts.authenticate(other)
    assert await world.service_accounts.tokens(jane, "", "robot") == ()
    for end in (clock() - timedelta(seconds=1), clock() + timedelta(days=400)):
        with pytest.raises(InvalidInput, match="every token ends"):
            await world.service_accounts.create_token(jane, "", "robot", expires_at=end)


async def test_a_deleted_service_account_is_out_at_once_and_its_name_is_free(world: World) -> None:
    jane = world.access.principal
    draft = ServiceAccountDraft("robot", roles=[("Project", "demo", "", ("project_viewer",))])
    await world.service_accounts.create(jane, "", draft)
    with pytest.raises(Conflict, match="exists"):
        await world.service_accounts.create(jane, "", draft)
    _, text = await world.service_accounts.create_token(jane, "", "robot")
    await world.accounts.authenticate(text)
    await world.service_accounts.delete(jane, "", "robot")
    with pytest.raises(NotSignedIn):
        await world.accounts.authenticate(text)
    await world.service_accounts.create(jane, "", draft)
    listed = await world.service_accounts.list(jane, "", Page(), selector=EVERYTHING)
    assert [each.account.name for each in listed.items] == ["robot"]


async def test_a_service_account_is_no_admin_of_people_and_no_person(world: World) -> None:
    jane, guid = world.access.principal, world.access.organization.guid
    with pytest.raises(InvalidInput, match="admin of people"):
        await world.service_accounts.create(
            jane, "", ServiceAccountDraft("robot", roles=[("Organization", "acme", "", ("rio-org_admin",))])
        )
    await world.service_accounts.create(jane, "", ServiceAccountDraft("robot"))
    people = await world.organizations.users(jane, guid, Page())
    assert [user.email for user, *_ in people.items] == [JANE]
    known = await world.organizations.replace_members(jane, guid, {person(JANE): ("rio-org_admin",)})
    assert [each.user.name for each in known.members] == ["Jane Doe", "robot"]
