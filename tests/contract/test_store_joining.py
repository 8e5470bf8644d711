"""Groups, invitations, accounts at a provider and what its claims give, on every store."""

from dataclasses import replace

from store_samples import ACME, ALPHA, BETA, JANE, JOHN, later

from towline.domain.account import Member, Organization, User, UserGroup, UserKind, service_address
from towline.domain.joining import ClaimRule, Claims, Grant, Invitation, PendingLink
from towline.domain.listing import LabelSelector, Page

ANY = LabelSelector()
GROUP = UserGroup(
    "group-ops", "ops", ACME.guid, JANE.guid, created_at=later(0), updated_at=later(0), labels={"a": "b"}
)
ROBOT = User(
    "user-robot",
    service_address("ci"),
    first_name="ci",
    last_name="",
    created_at=later(0),
    kind=UserKind.SERVICE,
    organization_guid=ACME.guid,
    description="deploys",
    labels={"team": "robots"},
)
VIEWER, DEVELOPER, MEMBER = ("project_viewer",), ("project_developer",), ("rio-org_member",)


async def roles(store, owner, user=JOHN):
    return await store.read(lambda tx: tx.tenants.roles(owner.guid, user.guid))


async def test_roles_come_by_name_by_group_and_by_claim(store):
    await store.write(lambda tx: tx.groups.add(GROUP))
    await store.write(lambda tx: tx.groups.set_roles(ALPHA.guid, GROUP.guid, VIEWER))
    assert await roles(store, ALPHA) == ()
    await store.write(lambda tx: tx.tenants.set_member(GROUP.guid, JOHN.guid, ("rio-group_member",)))
    assert await roles(store, ALPHA) == VIEWER
    await store.write(lambda tx: tx.identities.set_claimed(JOHN.guid, {ALPHA.guid: DEVELOPER}))
    await store.write(lambda tx: tx.tenants.set_member(ALPHA.guid, JOHN.guid, ("project_admin",)))
    assert set(await roles(store, ALPHA)) == {"project_viewer", "project_developer", "project_admin"}
    [member] = await store.read(lambda tx: tx.tenants.members(ALPHA.guid))
    assert member == Member(JOHN, ("project_admin",), implied=DEVELOPER)
    seen = await store.read(lambda tx: tx.tenants.projects_of(JOHN.guid, Page(), selector=ANY))
    assert [project.guid for project, _ in seen.items] == [ALPHA.guid]
    await store.write(lambda tx: tx.groups.remove(GROUP.guid))
    await store.write(lambda tx: tx.identities.set_claimed(JOHN.guid, {}))
    assert await roles(store, ALPHA) == ("project_admin",)


async def test_a_claim_may_put_somebody_into_a_group(store):
    await store.write(lambda tx: tx.groups.add(GROUP))
    await store.write(lambda tx: tx.groups.set_roles(BETA.guid, GROUP.guid, DEVELOPER))
    await store.write(lambda tx: tx.identities.set_claimed(JOHN.guid, {GROUP.guid: ("rio-group_member",)}))
    assert await roles(store, BETA) == DEVELOPER
    [(group, held)] = await store.read(lambda tx: tx.groups.of_user(JOHN.guid))
    assert (group, held) == (GROUP, ("rio-group_member",))


async def test_a_group_is_found_changed_and_listed(store):
    await store.write(lambda tx: tx.groups.add(GROUP))
    changed = replace(GROUP, description="on call", labels={}, updated_at=later(5))
    await store.write(lambda tx: tx.groups.save(changed))
    for which in ({"name": "ops"}, {"guid": GROUP.guid}):
        assert await store.read(lambda tx, by=which: tx.groups.get(ACME.guid, **by)) == changed
    assert await store.read(lambda tx: tx.groups.get("org-other", name="ops")) is None
    listed = await store.read(lambda tx: tx.groups.page(ACME.guid, Page(), selector=ANY, name="ops"))
    assert list(listed.items) == [changed]
    await store.write(lambda tx: tx.groups.set_roles(ALPHA.guid, GROUP.guid, VIEWER))
    assert list(await store.read(lambda tx: tx.groups.roles_of(GROUP.guid))) == [(ALPHA.guid, VIEWER)]
    [holding] = await store.read(lambda tx: tx.groups.holding(ALPHA.guid))
    assert (holding.group, holding.role_names) == (changed, VIEWER)


async def test_who_leaves_an_organization_leaves_what_is_in_it_and_nothing_else(store):
    other = Organization("org-other", "other", "other", JANE.guid, created_at=later(0))
    await store.write(lambda tx: tx.tenants.add_organization(other))
    await store.write(lambda tx: tx.groups.add(GROUP))
    for owner in (ACME.guid, ALPHA.guid, GROUP.guid, other.guid):
        await store.write(lambda tx, guid=owner: tx.tenants.set_member(guid, JOHN.guid, MEMBER))
    await store.write(lambda tx: tx.identities.set_claimed(JOHN.guid, {BETA.guid: VIEWER}))
    await store.write(lambda tx: tx.tenants.leave(ACME.guid, JOHN.guid))
    for owner in (ACME, ALPHA, BETA, GROUP):
        assert await roles(store, owner) == ()
    assert await roles(store, other) == MEMBER


async def test_a_service_account_is_found_by_organization_and_name(store):
    await store.write(lambda tx: tx.accounts.add_user(ROBOT, password_hash=""))
    namesake = replace(ROBOT, guid="user-other", organization_guid="org-other")
    await store.write(lambda tx: tx.accounts.add_user(namesake, password_hash=""))
    assert await store.read(lambda tx: tx.accounts.service_account(ACME.guid, "ci")) == ROBOT
    wanted = LabelSelector.parse(["team=robots"])
    listed = await store.read(lambda tx: tx.accounts.service_accounts(ACME.guid, Page(), selector=wanted))
    assert list(listed.items) == [ROBOT]
    shut = replace(ROBOT, disabled_at=later(9))
    await store.write(lambda tx: tx.accounts.save_user(shut, password_hash=""))
    assert await store.read(lambda tx: tx.accounts.user(guid=ROBOT.guid)) == (shut, "")
    await store.write(lambda tx: tx.accounts.remove_user(ROBOT.guid))
    assert await store.read(lambda tx: tx.accounts.service_account(ACME.guid, "ci")) is None


async def test_an_invitation_takes_the_place_of_an_earlier_one(store):
    first = Invitation(
        "invitation-1",
        b"1" * 32,
        ACME.guid,
        "max@example.com",
        inviter="jane",
        created_at=later(0),
        expires_at=later(60),
        grants=(Grant(ACME.guid, "rio-org_member"),),
    )
    second = replace(first, guid="invitation-2", digest=b"2" * 32, expires_at=later(90))
    for each in (first, second):
        await store.write(lambda tx, one=each: tx.invitations.put(one))
    assert await store.read(lambda tx: tx.invitations.by_digest(first.digest)) is None
    assert await store.read(lambda tx: tx.invitations.by_digest(second.digest)) == second
    assert list(await store.read(lambda tx: tx.invitations.of_address("MAX@example.com"))) == [second]
    assert list(await store.read(lambda tx: tx.invitations.of_organization(ACME.guid))) == [second]
    assert await store.write(lambda tx: tx.invitations.remove_expired(later(89))) == 0
    assert await store.write(lambda tx: tx.invitations.remove_expired(later(90))) == 1


async def test_an_account_at_a_provider_is_somebody_here(store):
    issuer = "https://id.example.com"
    await store.write(lambda tx: tx.identities.link(issuer, "max", user_guid=JOHN.guid, at=later(0)))
    assert await store.read(lambda tx: tx.identities.user_of(issuer, "max")) == JOHN.guid
    assert await store.read(lambda tx: tx.identities.user_of("https://other", "max")) is None
    assert list(await store.read(lambda tx: tx.identities.of_user(JOHN.guid))) == [(issuer, "max")]
    claims = Claims(issuer, "max", "max@example.com", email_verified=True, groups=("a", "b"))
    link = PendingLink(b"3" * 32, JOHN.guid, expires_at=later(60), claims=claims)
    await store.write(lambda tx: tx.identities.put_pending(link))
    assert await store.read(lambda tx: tx.identities.pending(link.digest)) == link
    await store.write(lambda tx: tx.identities.remove_pending(expired_before=later(59)))
    assert await store.read(lambda tx: tx.identities.pending(link.digest)) == link
    await store.write(lambda tx: tx.identities.remove_pending(digest=link.digest))
    assert await store.read(lambda tx: tx.identities.pending(link.digest)) is None


async def test_rules_are_replaced_as_a_whole(store):
    rules = [
        ClaimRule("b", Grant(ALPHA.guid, "project_viewer")),
        ClaimRule("a", Grant(ACME.guid, "rio-org_admin")),
    ]
    await store.write(lambda tx: tx.identities.set_rules(ACME.guid, rules))
    assert [rule.claim for _, rule in await store.read(lambda tx: tx.identities.rules())] == ["a", "b"]
    await store.write(lambda tx: tx.tenants.remove_project(ALPHA.guid))
    kept = await store.read(lambda tx: tx.identities.rules(ACME.guid))
    assert list(kept) == [(ACME.guid, rules[1])]
    assert list(await store.read(lambda tx: tx.identities.rules("org-other"))) == []
