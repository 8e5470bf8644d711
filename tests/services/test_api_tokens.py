"""Tokens that people make for programs: less than their user, for a time, revocable, never more tokens."""

from datetime import timedelta

import pytest

from parts.world import JANE, JANES_PASSWORD, World, person
from towline.domain.account import Permission, Principal, TokenLevel
from towline.domain.credential import Password
from towline.domain.errors import InvalidInput, NotAllowed, NotFound, NotSignedIn
from towline.services.sign_in import MOST_TOKENS


async def _token(
    world: World, ceiling: Permission = Permission.VIEW, *, days: int = 7
) -> tuple[Principal, str]:
    _, text = await world.accounts.create_token(
        world.access.principal, name="robot", ceiling=ceiling, days=days
    )
    return await world.accounts.authenticate(text), text


@pytest.mark.parametrize("ceiling", [Permission.VIEW, Permission.DEPLOY, Permission.MANAGE_SECRETS])
async def test_a_token_allows_no_more_than_its_ceiling_whatever_its_user_may(
    world: World, ceiling: Permission
) -> None:
    principal, _ = await _token(world, ceiling)
    project = world.access.project.guid
    access = await world.accounts.access(principal, project, permission=ceiling)
    assert access.permission is ceiling
    with pytest.raises(NotAllowed):
        await world.accounts.access(principal, project, permission=Permission(ceiling + 1))
    own = await world.accounts.access(
        world.access.principal, project, permission=Permission.MANAGE_ORGANIZATION
    )
    assert own.permission is Permission.MANAGE_ORGANIZATION


async def test_a_small_token_changes_neither_people_nor_projects_nor_makes_tokens(world: World) -> None:
    principal, _ = await _token(world, Permission.MANAGE_PROJECT)
    organization = world.access.organization.guid
    with pytest.raises(NotAllowed):
        await world.organizations.replace_members(principal, organization, {person(JANE): ("rio-org_admin",)})
    with pytest.raises(NotAllowed):
        await world.projects.create(principal, name="more", organization_guid="", labels={})
    with pytest.raises(NotAllowed):
        await world.accounts.rename_me(principal, first_name="Eve", last_name="")
    with pytest.raises(NotAllowed):
        await world.accounts.create_token(principal, name="more", ceiling=Permission.VIEW, days=1)
    small, _ = await _token(world, Permission.DEPLOY)
    with pytest.raises(NotAllowed):
        await world.projects.delete(small, world.access.project.guid)


async def test_a_token_ends_with_its_days_and_when_it_is_revoked(world: World) -> None:
    principal, text = await _token(world, days=1)
    _, other = await _token(world)
    await world.accounts.revoke_token(world.access.principal, principal.token_guid)
    with pytest.raises(NotSignedIn):
        await world.accounts.authenticate(text)
    with pytest.raises(NotFound):
        await world.accounts.revoke_token(world.access.principal, principal.token_guid)
    world.clock.advance(seconds=timedelta(days=7).total_seconds())
    with pytest.raises(NotSignedIn):
        await world.accounts.authenticate(other)
    assert [each.kind for each in await world.accounts.tokens(world.access.principal)] == []


async def test_a_renewed_token_keeps_its_name_and_ceiling(world: World) -> None:
    _, text = await _token(world)
    renewed = await world.accounts.refresh(text)
    principal = await world.accounts.authenticate(renewed)
    assert principal.ceiling is Permission.VIEW
    assert "robot" in [each.name for each in await world.accounts.tokens(principal)]


async def test_nobody_revokes_what_is_somebody_elses(world: World) -> None:
    eve = await world.member("eve@example.com", role="project_admin")
    principal, text = await _token(world)
    with pytest.raises(NotFound):
        await world.accounts.revoke_token(eve.principal, principal.token_guid)
    assert await world.accounts.authenticate(text)


@pytest.mark.parametrize(
    ("name", "days", "field"), [(" ", 7, "name"), ("robot", 0, "days"), ("robot", 367, "days")]
)
async def test_what_is_wrong_is_named(world: World, name: str, days: int, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await world.accounts.create_token(
            world.access.principal, name=name, ceiling=Permission.VIEW, days=days
        )
    assert refused.value.field == field


async def test_one_person_has_so_many_and_no_more_and_sessions_do_not_count(world: World) -> None:
    for _ in range(3):
        await world.accounts.login(JANE, Password(JANES_PASSWORD), level=TokenLevel.LOW, peer="127.0.0.1")
    for _ in range(MOST_TOKENS):
        await _token(world)
    with pytest.raises(InvalidInput, match="revoke one"):
        await _token(world)


async def test_making_and_revoking_are_in_the_trail_without_the_token(world: World) -> None:
    principal, text = await _token(world)
    await world.accounts.revoke_token(world.access.principal, principal.token_guid)
    rows = await world.rows()
    assert [action for _, action, _, _ in rows if action.startswith("token.")] == [
        "token.created",
        "token.revoked",
    ]
    assert text not in repr(rows)


async def test_a_small_token_of_an_admin_does_not_see_what_others_may_do(world: World) -> None:
    await world.accounts.create_user(
        email="eve@example.com", password=Password(JANES_PASSWORD), organization="acme", project="demo"
    )
    organization = world.access.organization.guid
    known = await world.organizations.get(world.access.principal, organization)
    eve = next(each.user.guid for each in known.members if each.user.email == "eve@example.com")
    assert (await world.organizations.powers(world.access.principal, organization, eve)).in_projects
    small, _ = await _token(world, Permission.VIEW)
    with pytest.raises(NotAllowed):
        await world.organizations.powers(small, organization, eve)
