import hashlib
from dataclasses import replace

import pytest
from store_samples import (
    ACME,
    ALPHA,
    BETA,
    JANE,
    JOHN,
    all_pages,
    deployment,
    later,
    package,
    project,
    pull_secret,
)

from towline.domain.account import Member, Organization, Token, User
from towline.domain.errors import Conflict, NotFound
from towline.domain.listing import LabelSelector, Page
from towline.domain.proof import Answer, Proof, Verdict
from towline.domain.registry import RegistrySettings

ADMIN, MEMBER = ("rio-org_admin",), ("rio-org_member",)
ANY = LabelSelector()


def token(name, *, user=JANE, expires=100.0):
    digest = hashlib.sha256(name.encode()).digest()
    return Token(f"token-{name}", user.guid, digest, created_at=later(0), expires_at=later(expires))


async def with_tokens(store, *tokens):
    for each in tokens:
        await store.write(lambda tx, one=each: tx.accounts.add_token(one))


async def removed(store, **which):
    return await store.write(lambda tx: tx.accounts.remove_tokens(**which))


async def test_nobody_is_there_at_first(bare_store):
    assert await bare_store.read(lambda tx: tx.accounts.count()) == 0


async def test_a_user_is_found_by_guid_and_by_address_in_any_letter_case(store):
    assert await store.read(lambda tx: tx.accounts.count()) == 2
    for which in ({"guid": JANE.guid}, {"email": JANE.email}, {"email": "jANE@EXAMPLE.com"}):
        found = await store.read(lambda tx, asked=which: tx.accounts.user(**asked))
        assert found == (JANE, "jane's hash")
    assert await store.read(lambda tx: tx.accounts.user(email="nobody@example.com")) is None
    assert await store.read(lambda tx: tx.accounts.user()) is None


async def test_an_address_has_one_account_whatever_its_letter_case(store):
    other = User("user-other", "JANE@example.com", "", "", created_at=later(0))
    with pytest.raises(Conflict, match="has an account already"):
        await store.write(lambda tx: tx.accounts.add_user(other, password_hash=""))


async def test_names_and_password_of_a_user_are_replaced(store):
    renamed = replace(JANE, first_name="J.", last_name="D.")
    await store.write(lambda tx: tx.accounts.save_user(renamed, password_hash="new"))
    assert await store.read(lambda tx: tx.accounts.user(guid=JANE.guid)) == (renamed, "new")


async def test_a_token_is_found_by_its_digest_with_its_user(store):
    made = token("one")
    await with_tokens(store, made)
    assert await store.read(lambda tx: tx.accounts.token(made.digest)) == (made, JANE)
    assert await store.read(lambda tx: tx.accounts.token(bytes(32))) is None


async def test_tokens_end_by_guid_by_digest_with_their_user_and_with_their_time(store):
    kept = token("kept", user=JOHN)
    await with_tokens(store, kept, *(token(name) for name in ("a", "b", "c", "d")))
    await with_tokens(store, token("old", user=JOHN, expires=10))
    assert await removed(store, guid="token-a") == 1
    assert await removed(store, digest=token("b").digest) == 1
    assert await removed(store, user_guid=JANE.guid) == 2
    assert await removed(store, expired_before=later(9)) == 0
    assert await removed(store, expired_before=later(10)) == 1
    assert await removed(store) == 0
    assert await removed(store, guid="token-a") == 0
    assert await store.read(lambda tx: tx.accounts.token(kept.digest)) == (kept, JOHN)


async def test_members_of_an_organization_are_listed_page_by_page(store):
    for user in (JOHN, JANE):
        await store.write(lambda tx, guid=user.guid: tx.tenants.set_member(ACME.guid, guid, MEMBER))

    def ask(tx):
        return all_pages(lambda page: tx.accounts.users(ACME.guid, page), limit=1)

    assert await store.read(ask) == [[JANE], [JOHN]]
    assert list((await store.read(lambda tx: tx.accounts.users("org-none", Page()))).items) == []


async def test_an_organization_is_found_by_guid_and_the_oldest_by_name(store):
    namesake = Organization("org-zzz", "acme", "zzzzz", JOHN.guid, created_at=later(1))
    await store.write(lambda tx: tx.tenants.add_organization(namesake))
    assert await store.read(lambda tx: tx.tenants.organization("org-zzz")) == namesake
    assert await store.read(lambda tx: tx.tenants.organization_named("acme")) == ACME
    assert await store.read(lambda tx: tx.tenants.organization("org-none")) is None
    assert await store.read(lambda tx: tx.tenants.organization_named("ACME")) is None


async def test_roles_are_set_replaced_and_taken_away(store):
    def give(roles):
        return store.write(lambda tx: tx.tenants.set_member(ACME.guid, JANE.guid, roles))

    def roles(tx):
        return tx.tenants.roles(ACME.guid, JANE.guid)

    assert await store.read(roles) == ()
    await give(MEMBER)
    await give((*ADMIN, "project_viewer"))
    assert await store.read(roles) == (*ADMIN, "project_viewer")
    assert list(await store.read(lambda tx: tx.tenants.members(ACME.guid))) == [
        Member(JANE, (*ADMIN, "project_viewer"))
    ]
    listed = await store.read(lambda tx: tx.tenants.organizations_of(JANE.guid))
    assert list(listed) == [(ACME, (*ADMIN, "project_viewer"))]
    await give(())
    assert await store.read(roles) == ()
    assert list(await store.read(lambda tx: tx.tenants.members(ACME.guid))) == []


async def test_members_are_listed_by_address(store):
    for user in (JOHN, JANE):
        await store.write(lambda tx, guid=user.guid: tx.tenants.set_member(ALPHA.guid, guid, MEMBER))
    members = await store.read(lambda tx: tx.tenants.members(ALPHA.guid))
    assert [member.user for member in members] == [JANE, JOHN]


async def test_a_project_comes_back_as_it_was_and_its_labels_and_features_can_be_replaced(store):
    assert await store.read(lambda tx: tx.tenants.project(ALPHA.guid)) == ALPHA
    assert await store.read(lambda tx: tx.tenants.project_named(ACME.guid, "alpha")) == ALPHA
    assert await store.read(lambda tx: tx.tenants.project_named("org-other", "alpha")) is None
    changed = replace(ALPHA, labels={"a": "b"}, features=b'{"vpn": {}}', updated_at=later(3))
    await store.write(lambda tx: tx.tenants.save_project(changed))
    assert await store.read(lambda tx: tx.tenants.project(ALPHA.guid)) == changed
    with pytest.raises(NotFound):
        await store.write(lambda tx: tx.tenants.save_project(project("none")))


async def test_a_projects_name_is_taken_once_in_an_organization(store):
    with pytest.raises(Conflict, match="'alpha' exists in this organization"):
        await store.write(lambda tx: tx.tenants.add_project(replace(ALPHA, guid="project-other")))


async def test_a_removed_project_takes_everything_in_it_along_and_nothing_else(store):
    answer = Answer(Verdict.VERIFIED)

    def fill(tx):
        for home in (ALPHA, BETA):
            record = pull_secret("pull", project_guid=home.guid)
            secret = record.secret.metadata.guid
            tx.secrets.add(record)
            tx.proofs.add(Proof(f"proof-{home.name}", secret, 1, later(0), answer))
            tx.packages.add(replace(package("talker", guid=f"pkg-{home.name}"), project_guid=home.guid))
            made = deployment("talker", guid=f"dep-{home.name}", project_guid=home.guid)
            tx.deployments.add(made, due=later(0))
            tx.registries.put(home.guid, RegistrySettings("registry.example.com"))
            tx.tenants.set_member(home.guid, JANE.guid, ("project_viewer",))

    def left(tx, home):
        secret = pull_secret("pull", project_guid=home.guid).secret.metadata.guid
        return (
            tx.tenants.project(home.guid) is not None,
            tx.secrets.get(home.guid, "pull") is not None,
            tx.packages.get(home.guid, "talker") is not None,
            tx.deployments.get(home.guid, "", guid=f"dep-{home.name}") is not None,
            bool(tx.registries.all(home.guid)),
            bool(tx.tenants.members(home.guid)),
            bool(tx.proofs.newest(secret)),
        )

    await store.write(fill)
    await store.write(lambda tx: tx.tenants.remove_project(ALPHA.guid))
    assert not any(await store.read(lambda tx: left(tx, ALPHA)))
    assert all(await store.read(lambda tx: left(tx, BETA)))


async def test_members_see_their_projects_and_an_organizations_admin_all_of_it(store):
    def fill(tx):
        other = Organization("org-other", "other", "other", JANE.guid, created_at=later(0))
        tx.tenants.add_organization(other)
        tx.tenants.add_project(project("foreign", organization=other))
        tx.tenants.add_project(project("gamma", labels={"team": "red"}))
        tx.tenants.set_member(ACME.guid, JANE.guid, ADMIN)
        tx.tenants.set_member(ACME.guid, JOHN.guid, MEMBER)
        tx.tenants.set_member(BETA.guid, JOHN.guid, ("project_viewer",))
        tx.tenants.set_member(BETA.guid, JANE.guid, ("project_admin",))
        tx.tenants.set_member("project-foreign", JOHN.guid, ("project_developer",))

    async def seen(user, **which):
        which = {"selector": ANY, **which}
        listing = await store.read(lambda tx: tx.tenants.projects_of(user.guid, Page(), **which))
        return [(found.name, roles) for found, roles in listing.items]

    await store.write(fill)
    assert await seen(JANE) == [("alpha", ()), ("beta", ("project_admin",)), ("gamma", ())]
    assert await seen(JOHN) == [("beta", ("project_viewer",)), ("foreign", ("project_developer",))]
    assert await seen(JOHN, organizations=["org-other"]) == [("foreign", ("project_developer",))]
    assert await seen(JANE, name="beta") == [("beta", ("project_admin",))]
    assert await seen(JANE, selector=LabelSelector((("team", "red"),))) == [("gamma", ())]
    pages = await store.read(
        lambda tx: all_pages(lambda page: tx.tenants.projects_of(JANE.guid, page, selector=ANY), limit=2)
    )
    assert [[found.name for found, _ in page] for page in pages] == [["alpha", "beta"], ["gamma"]]
