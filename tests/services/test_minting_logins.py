"""Secrets whose logins Towline mints and renews: by the clock of the test, on the real store and vault."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from parts.fakes import refused
from parts.world import IMAGE, JANE, REGISTRY, World, docker_draft, mint_draft
from towline.domain.audit import Door
from towline.domain.causes import FindingCode
from towline.domain.credential import Password
from towline.domain.errors import Conflict, InvalidInput, NotFound, ProofRequired, PullRefused
from towline.domain.events import EventKind
from towline.domain.findings import Finding
from towline.domain.image import ImageReference
from towline.domain.listing import Page
from towline.domain.proof import Verdict
from towline.domain.registry import RegistrySettings
from towline.domain.secret import DockerSecret

LIFE = 12 * 3600
REFUSED = Finding(FindingCode.MINT_CREDENTIAL_REFUSED, "UnrecognizedClientException")
UNREACHABLE = Finding(FindingCode.MINT_UNREACHABLE, "api.ecr.eu-west-1.amazonaws.com did not answer in time")


@pytest.fixture
async def minted(world: World) -> World:
    """A world with a secret whose login was minted and is good at its registry."""
    world.mint.registry = world.prover.registry(REGISTRY, AWS="nothing yet")
    world.mint.registry.has("team/app:1.0")
    await world.secrets.create(world.access, mint_draft())
    return world


async def secret_of(world: World, name: str = "pull") -> DockerSecret:
    secret = await world.secrets.get(world.access, name)
    assert isinstance(secret, DockerSecret)
    assert secret.mint is not None
    return secret


async def password_of(world: World) -> str:
    resolved = await world.keychain.login(
        world.access.project.guid, "pull", door=Door.REGISTRY_PROOF, actor="test"
    )
    assert resolved is not None
    return resolved.credential.password.reveal()


async def events_of(world: World) -> list[EventKind]:
    listing = await world.store.read(lambda tx: tx.events.page(world.access.project.guid, Page(limit=50)))
    return [event.kind for event in listing.items]


async def versions_of(world: World, guid: str) -> int:
    def question(tx):
        return tx.secrets._connection.execute(
            "SELECT count(*) FROM secret_versions WHERE secret_guid = ?", (guid,)
        ).fetchone()[0]

    return await world.store.read(question)


async def test_a_login_is_minted_proved_and_kept_as_soon_as_the_secret_is_saved(minted: World) -> None:
    secret = await secret_of(minted)
    now = minted.clock()
    assert (secret.username, secret.standing.verdict) == ("AWS", Verdict.VERIFIED)
    assert secret.mint.minted_at == now
    assert secret.expires_at == now + timedelta(seconds=LIFE)
    assert secret.mint.renews_at == now + timedelta(seconds=LIFE * 2 / 3)
    assert await password_of(minted) == "minted-1"


async def test_the_parent_credential_is_sealed_apart_and_no_row_holds_it(minted: World) -> None:
    guid = (await secret_of(minted)).metadata.guid
    parent = await minted.store.read(lambda tx: tx.mints.get(guid))
    assert parent is not None
    opened = await minted.vault.open(parent.sealed, parent.binding)
    assert opened.reveal() == "AKIA-OBVIOUSLY-A-TEST"
    dump = await minted.store.read(
        lambda tx: str([tuple(row) for row in tx.secrets._connection.execute("SELECT * FROM secrets")])
    )
    assert "AKIA" not in dump


async def test_nothing_is_renewed_before_two_thirds_of_its_life(minted: World) -> None:
    minted.clock.advance(seconds=LIFE * 2 / 3 - 1)
    assert await minted.renewals.round() == 0
    minted.clock.advance(seconds=2)
    assert await minted.renewals.round() == 1
    assert await minted.renewals.round() == 0


async def test_a_renewal_is_another_version_and_leaves_no_history(minted: World) -> None:
    before = await secret_of(minted)
    for _ in range(5):
        minted.clock.advance(seconds=LIFE * 0.7)
        await minted.renewals.round()
    after = await secret_of(minted)
    assert await password_of(minted) == "minted-6"
    assert after.metadata.version == before.metadata.version + 5
    assert after.metadata.updated_at == before.metadata.updated_at
    assert await versions_of(minted, after.metadata.guid) == 1


async def test_renewals_are_rows_of_the_audit_and_no_events(minted: World) -> None:
    minted.clock.advance(seconds=LIFE * 0.7)
    await minted.renewals.round()
    assert EventKind.RENEWED not in await events_of(minted)
    rows = [row for row in await minted.rows() if row[0] == "schedule"]
    assert [row[1] for row in rows] == ["secret.opened", "secret.renewed"]
    assert rows[0][3]["door"] == "mint"
    assert minted.tally.counts["renewals", (("kind", "ecr"), ("outcome", "renewed"))] == 1


async def test_deployments_that_name_the_secret_are_woken(minted: World) -> None:
    await minted.deployed("app-1", secret="pull")
    await minted.due()
    minted.clock.advance(seconds=LIFE * 0.7)
    await minted.renewals.round()
    assert await minted.due() == {"app-1"}


async def test_a_login_that_the_registry_takes_no_more_is_minted_anew_at_once(minted: World) -> None:
    minted.prover.registries[REGISTRY].users["AWS"] = Password("revoked")
    await minted.proofs.stored(minted.access.project.guid, "pull", actor="schedule")
    assert (await secret_of(minted)).standing.verdict is Verdict.FAILING
    assert await minted.renewals.round() == 1
    assert (await secret_of(minted)).standing.verdict is Verdict.VERIFIED


async def test_the_old_login_stays_while_the_new_one_is_not_proved(minted: World) -> None:
    minted.clock.advance(seconds=LIFE * 0.7)
    minted.prover.says(refused(FindingCode.WRONG_CREDENTIALS, Verdict.FAILING))
    await minted.renewals.round()
    secret = await secret_of(minted)
    assert await password_of(minted) == "minted-1"
    assert (secret.standing.verdict, secret.standing.stale) == (Verdict.VERIFIED, True)
    assert secret.mint.trouble is not None
    assert secret.mint.trouble.code is FindingCode.WRONG_CREDENTIALS


async def test_a_registry_that_cannot_be_asked_keeps_the_old_login_only_until_that_ends(
    minted: World,
) -> None:
    silent = refused(FindingCode.REGISTRY_TIMEOUT, Verdict.UNKNOWN)
    minted.prover.says(silent)
    minted.clock.advance(seconds=LIFE * 0.7)
    await minted.renewals.round()
    assert await password_of(minted) == "minted-1"
    minted.clock.advance(seconds=LIFE)
    minted.prover.says(silent)
    await minted.renewals.round()
    assert await password_of(minted) == "minted-3"


async def test_trouble_is_told_once_and_so_is_its_end(minted: World) -> None:
    minted.clock.advance(seconds=LIFE * 0.7)
    minted.mint.refuses = UNREACHABLE
    for _ in range(3):
        await minted.renewals.round()
        minted.clock.advance(minutes=10)
    minted.mint.refuses = None
    await minted.renewals.round()
    minted.clock.advance(seconds=LIFE * 0.7)
    await minted.renewals.round()
    told = [kind for kind in await events_of(minted) if kind is not EventKind.VERDICT_CHANGED]
    assert told == [EventKind.RENEWAL_FAILED, EventKind.RENEWED]
    assert (await secret_of(minted)).mint.failures == 0


async def test_what_time_may_mend_is_tried_with_growing_pauses(minted: World) -> None:
    minted.clock.advance(seconds=LIFE * 0.7)
    minted.mint.refuses = UNREACHABLE
    pauses = []
    for _ in range(9):
        now = minted.clock()
        await minted.renewals.round()
        due = (await secret_of(minted)).mint.renews_at
        pauses.append((due - now).total_seconds())
        minted.clock.now = due
    assert pauses[:7] == [30, 60, 120, 240, 480, 960, 1800]
    assert all(pause <= 1800 for pause in pauses)


async def test_what_only_people_can_mend_is_tried_once_an_hour_and_at_the_end_of_the_login(
    minted: World,
) -> None:
    minted.mint.refuses = REFUSED
    minted.clock.advance(seconds=LIFE - 4000)
    await minted.renewals.round()
    secret = await secret_of(minted)
    assert (secret.standing.verdict, secret.standing.stale) == (Verdict.VERIFIED, True)
    assert secret.standing.finding.code is FindingCode.MINT_CREDENTIAL_REFUSED
    assert secret.mint.renews_at == minted.clock() + timedelta(hours=1)
    minted.clock.advance(seconds=3600)
    await minted.renewals.round()
    assert (await secret_of(minted)).mint.renews_at == secret.expires_at
    minted.clock.advance(seconds=400)
    await minted.renewals.round()
    assert (await secret_of(minted)).standing.verdict is Verdict.FAILING
    assert EventKind.VERDICT_CHANGED in await events_of(minted)


async def test_a_login_that_has_ended_leaves_by_no_door_and_says_why(minted: World) -> None:
    minted.clock.advance(seconds=LIFE + 1)
    image, project = ImageReference.parse(IMAGE), minted.access.project.guid
    with pytest.raises(PullRefused, match="credential-expired"):
        await minted.keychain.resolve(project, "pull", image, door=Door.KUBELET, actor="test")
    minted.mint.refuses = UNREACHABLE
    await minted.renewals.round()
    with pytest.raises(PullRefused, match="mint-unreachable"):
        await minted.doors.for_registry(minted.access, REGISTRY, peer="127.0.0.1")
    with pytest.raises(PullRefused, match="mint-unreachable"):
        await minted.handouts.pull_token(minted.access, "pull", image=IMAGE, peer="127.0.0.1")


async def test_tools_are_told_for_how_long_they_may_keep_a_minted_login(minted: World) -> None:
    policy = await minted.handouts.policy(minted.access)
    await minted.handouts.set_policy(minted.access, replace(policy, offline_minutes=600))

    async def taken() -> tuple[int, int]:
        image = ImageReference.parse(IMAGE)
        helper = await minted.doors.for_registry(minted.access, REGISTRY, peer="127.0.0.1")
        kubelet = await minted.doors.for_image(
            minted.access, image, peer="127.0.0.1", service_account_token=Password("")
        )
        return helper.offline_minutes, kubelet.cache_seconds

    assert await taken() == (600, 60)
    minted.clock.advance(seconds=LIFE - 90)
    assert await taken() == (1, 60)
    minted.clock.advance(seconds=60)
    assert await taken() == (0, 30)


async def test_a_failing_mint_is_the_verdict_of_a_new_secret(world: World) -> None:
    world.mint.refuses = REFUSED
    await world.secrets.create(world.access, mint_draft())
    secret = await secret_of(world)
    assert secret.standing.verdict is Verdict.FAILING
    assert secret.standing.finding.code is FindingCode.MINT_CREDENTIAL_REFUSED
    assert (secret.username, secret.expires_at) == ("AWS", None)
    with pytest.raises(PullRefused, match="mint-credential-refused"):
        await password_of(world)


async def test_a_secret_that_could_not_be_minted_is_mended_by_itself_or_by_verifying(world: World) -> None:
    world.mint.registry = world.prover.registry(REGISTRY, AWS="nothing yet")
    world.mint.refuses = UNREACHABLE
    for name in ("one", "two"):
        await world.secrets.create(world.access, mint_draft(name))
    assert (await secret_of(world, "one")).standing.verdict is Verdict.UNKNOWN
    world.mint.refuses = None
    proof, _ = await world.secrets.verify(world.access, "two")
    assert proof.answer.verdict is Verdict.VERIFIED
    world.clock.advance(minutes=1)
    assert await world.renewals.round() == 1
    assert (await secret_of(world, "one")).standing.verdict is Verdict.VERIFIED


async def test_a_login_that_the_registry_does_not_take_at_first_is_minted_anew_within_the_hour(
    world: World,
) -> None:
    world.prover.registry(REGISTRY, AWS="what nobody mints")
    await world.secrets.create(world.access, mint_draft())
    secret = await secret_of(world)
    assert secret.standing.verdict is Verdict.FAILING
    assert secret.mint.trouble.code is FindingCode.WRONG_CREDENTIALS
    world.mint.registry = world.prover.registries[REGISTRY]
    world.clock.advance(hours=1)
    assert await world.renewals.round() == 1
    assert (await secret_of(world)).standing.verdict is Verdict.VERIFIED


async def test_a_provider_that_takes_long_is_left_to_the_schedule(world: World) -> None:
    released = asyncio.Event()
    world.mint.meanwhile = released.wait
    await world.secrets.create(world.access, mint_draft())
    secret = await secret_of(world)
    assert secret.standing.finding.code is FindingCode.MINT_UNREACHABLE
    assert secret.mint.renews_at == world.clock() + timedelta(seconds=30)


async def test_nothing_is_saved_where_a_verified_secret_was_asked_for(world: World) -> None:
    world.mint.refuses = REFUSED
    with pytest.raises(ProofRequired, match="failing"):
        await world.secrets.create(world.access, mint_draft(), require_verified=True)
    with pytest.raises(NotFound):
        await world.secrets.get(world.access, "pull")


async def test_a_key_of_another_form_is_refused_before_anybody_is_asked(world: World) -> None:
    with pytest.raises(InvalidInput, match=r"spec\.docker\.mint\.key"):
        await world.secrets.create(world.access, mint_draft(key="no key at all"))
    assert world.mint.orders == []


async def test_another_key_takes_the_place_of_the_old_one_at_once(minted: World) -> None:
    await minted.secrets.replace(minted.access, "pull", mint_draft(key="AKIA-ANOTHER-TEST"))
    assert minted.mint.orders[-1].key.reveal() == "AKIA-ANOTHER-TEST"
    minted.clock.advance(seconds=LIFE * 0.7)
    await minted.renewals.round()
    assert minted.mint.orders[-1].key.reveal() == "AKIA-ANOTHER-TEST"


async def test_a_typed_password_ends_the_minting_and_forgets_the_parent_credential(minted: World) -> None:
    guid = (await secret_of(minted)).metadata.guid
    await minted.secrets.replace(minted.access, "pull", docker_draft(username="AWS", password="typed"))
    assert await minted.store.read(lambda tx: tx.mints.get(guid)) is None
    minted.clock.advance(seconds=LIFE)
    assert await minted.renewals.round() == 0
    assert await password_of(minted) == "typed"


async def test_an_address_is_changed_without_the_parent_credential(minted: World) -> None:
    version = (await secret_of(minted)).metadata.version
    await minted.secrets.amend(
        minted.access, "pull", username="not used", email="joe@example.com", version=version
    )
    secret = await secret_of(minted)
    assert (secret.email, secret.username) == ("joe@example.com", "AWS")
    assert minted.mint.orders[-1].key.reveal() == "AKIA-OBVIOUSLY-A-TEST"


async def test_a_secret_that_is_changed_during_its_renewal_is_not_touched_by_it(minted: World) -> None:
    async def change() -> None:
        minted.mint.meanwhile = None
        await minted.secrets.replace(minted.access, "pull", docker_draft(username="AWS", password="typed"))

    minted.mint.meanwhile = change
    minted.clock.advance(seconds=LIFE * 0.7)
    await minted.renewals.round()
    assert await password_of(minted) == "typed"


async def test_a_server_that_died_in_a_renewal_goes_on_with_it_later(minted: World) -> None:
    minted.clock.advance(seconds=LIFE * 0.7)
    now = minted.clock()
    await minted.store.write(lambda tx: tx.mints.claim(now=now, until=now + timedelta(minutes=5), most=9))
    assert await minted.renewals.round() == 0
    minted.clock.advance(seconds=301)
    assert await minted.renewals.round() == 1
    assert await password_of(minted) == "minted-2"


async def test_two_servers_renew_a_login_once(minted: World) -> None:
    minted.clock.advance(seconds=LIFE * 0.7)
    done = await asyncio.gather(minted.renewals.round(), minted.renewals.round())
    assert sorted(done) == [0, 1]
    assert len(minted.mint.orders) == 2


async def test_a_deleted_secret_leaves_no_parent_credential(minted: World) -> None:
    guid = (await secret_of(minted)).metadata.guid
    await minted.secrets.delete(minted.access, "pull")
    assert await minted.store.read(lambda tx: tx.mints.get(guid)) is None
    assert await minted.store.read(lambda tx: tx.mints.next_due()) is None


async def test_a_parent_credential_that_does_not_open_is_told(minted: World) -> None:
    guid = (await secret_of(minted)).metadata.guid
    parent = await minted.store.read(lambda tx: tx.mints.get(guid))
    moved = replace(parent, binding=replace(parent.binding, secret_guid="mint-elsewhere"))
    minted.clock.advance(seconds=LIFE * 0.7)
    await minted.store.write(lambda tx: tx.mints.put(moved, due=minted.clock()))
    await minted.renewals.round()
    assert (await secret_of(minted)).mint.trouble.code is FindingCode.SECRET_UNREADABLE


async def test_what_is_set_for_a_host_holds_where_tokens_are_asked_for(minted: World) -> None:
    settings = RegistrySettings("sts.example.com", proxy="http://proxy.example.com:3128")
    await minted.registries.put(minted.access, settings)
    minted.clock.advance(seconds=LIFE * 0.7)
    await minted.renewals.round()
    assert minted.mint.told[-1] == {"sts.example.com": settings}


async def test_a_name_that_is_taken_costs_no_minting(minted: World) -> None:
    with pytest.raises(Conflict):
        await minted.secrets.create(minted.access, mint_draft())
    assert len(minted.mint.orders) == 1
    assert (await secret_of(minted)).email == JANE
