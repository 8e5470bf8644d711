"""Secrets tried again by a schedule: what is due and only that, by the clock of the test."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parts.fakes import refused
from parts.world import IMAGE, REGISTRY, World, docker_draft, package_draft
from towline.domain.audit import Door
from towline.domain.causes import FindingCode
from towline.domain.credential import Credential, Password
from towline.domain.package import Executable
from towline.domain.proof import Verdict
from towline.domain.reproof import ReproofPlan
from towline.domain.secret import DockerSecret
from towline.services.reproofs import MOST_PER_REGISTRY, Reproofs

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PLAN = ReproofPlan()


@pytest.fixture
async def stored(world: World) -> World:
    """A world with a good secret and its image."""
    world.prover.registry(REGISTRY, robot="hunter2").has("team/app:1.0")
    await world.secrets.create(world.access, docker_draft())
    return world


def _reproofs(world: World) -> Reproofs:
    return Reproofs(store=world.store, proofs=world.proofs, clock=world.clock)


async def _secret(world: World) -> DockerSecret:
    secret = await world.secrets.get(world.access, "pull")
    assert isinstance(secret, DockerSecret)
    return secret


async def test_nothing_is_tried_before_it_is_due(stored: World) -> None:
    stored.clock.advance(seconds=3600)
    assert await _reproofs(stored).round() == 0


async def test_a_login_is_tried_again_after_six_hours_and_then_not_at_once(stored: World) -> None:
    asked = len(stored.prover.asked)
    stored.clock.advance(seconds=6 * 3600 + 1)
    assert await _reproofs(stored).round() == 1
    assert await _reproofs(stored).round() == 0
    assert len(stored.prover.asked) == asked + 1


async def test_a_password_that_was_revoked_is_found_out(stored: World) -> None:
    stored.prover.registries[REGISTRY].users["robot"] = Password("rotated")
    stored.clock.advance(seconds=7 * 3600)
    await _reproofs(stored).round()
    assert (await _secret(stored)).standing.verdict is Verdict.FAILING


async def test_a_refused_password_is_tried_once_a_day_at_most(stored: World) -> None:
    stored.prover.registries[REGISTRY].users["robot"] = Password("rotated")
    stored.clock.advance(seconds=7 * 3600)
    await _reproofs(stored).round()
    stored.clock.advance(seconds=21 * 3600)
    assert await _reproofs(stored).round() == 0
    stored.clock.advance(seconds=6 * 3600)
    assert await _reproofs(stored).round() == 1


async def test_trouble_at_the_registry_marks_the_verdict_stale_and_is_tried_soon(stored: World) -> None:
    stored.prover.says(refused(FindingCode.RATE_LIMITED, Verdict.UNKNOWN))
    stored.clock.advance(seconds=7 * 3600)
    await _reproofs(stored).round()
    standing = (await _secret(stored)).standing
    assert (standing.verdict, standing.stale) == (Verdict.VERIFIED, True)
    stored.clock.advance(seconds=40 * 60)
    assert await _reproofs(stored).round() == 1
    assert not (await _secret(stored)).standing.stale


async def test_an_image_in_use_is_looked_at_once_a_day_and_forgotten_when_nobody_uses_it(
    stored: World,
) -> None:
    await stored.proofs.image(
        stored.access.project.guid,
        Executable("app", IMAGE, pull_secret="pull"),
        actor="deployment:dep-x",
        door=Door.ENGINE_PULL,
    )
    await stored.packages.create(stored.access, package_draft())
    stored.clock.advance(seconds=27 * 3600)
    asked = [each.image for each in stored.prover.asked]
    assert await _reproofs(stored).round() == 2
    # no live deployment names the secret, so the image's row went without a question
    assert [each.image for each in stored.prover.asked] == [*asked, ""]
    stored.clock.advance(seconds=27 * 3600)
    assert await _reproofs(stored).round() == 1


async def test_a_registry_is_never_asked_more_than_three_things_at_once(world: World) -> None:
    world.prover.registry(REGISTRY, robot="hunter2")
    for number in range(12):
        await world.secrets.create(world.access, replace(docker_draft(), name=f"pull-{number}"))
    world.prover.most_at_once = 0
    world.clock.advance(seconds=7 * 3600)
    assert await _reproofs(world).round() == 12
    assert 1 <= world.prover.most_at_once <= MOST_PER_REGISTRY


async def test_a_server_that_died_in_a_round_tries_again_later(stored: World) -> None:
    stored.clock.advance(seconds=7 * 3600)
    now = stored.clock()
    await stored.store.write(lambda tx: tx.schedule.claim(now=now, until=now + timedelta(minutes=10), most=9))
    assert await _reproofs(stored).round() == 0
    stored.clock.advance(seconds=601)
    assert await _reproofs(stored).round() == 1


async def test_a_deleted_secret_leaves_no_row(stored: World) -> None:
    await stored.secrets.delete(stored.access, "pull")
    assert await stored.store.read(lambda tx: tx.schedule.next_due()) is None


async def test_only_the_newest_proofs_are_kept(stored: World) -> None:
    guid = (await _secret(stored)).metadata.guid
    for _ in range(205):
        await stored.proofs.stored(stored.access.project.guid, "pull", actor="test")
    kept = await stored.store.read(lambda tx: tx.proofs.newest(guid, most=1000))
    assert len(kept) == 200


async def test_a_token_that_is_known_to_end_is_looked_at_before_and_after(world: World) -> None:
    world.prover.registry(REGISTRY, robot="x")
    await world.secrets.create(
        world.access, replace(docker_draft(), credential=Credential("robot", Password("x")))
    )
    due = PLAN.due(Verdict.VERIFIED, image="", now=NOW, chance=0.5, expires_at=NOW + timedelta(hours=3))
    assert due == NOW + timedelta(hours=2)
    due = PLAN.due(Verdict.VERIFIED, image="", now=due, chance=0.5, expires_at=NOW + timedelta(hours=3))
    assert due == NOW + timedelta(hours=3, minutes=1)


@given(
    verdict=st.sampled_from(Verdict),
    image=st.sampled_from(["", IMAGE]),
    chance=st.floats(0, 1, exclude_max=True),
    left=st.none() | st.timedeltas(timedelta(days=-2), timedelta(days=2)),
)
def test_the_next_try_is_always_later_and_a_refused_login_never_sooner_than_most_of_a_day(
    verdict: Verdict, image: str, chance: float, left: timedelta | None
) -> None:
    expires_at = None if left is None else NOW + left
    due = PLAN.due(verdict, image=image, now=NOW, chance=chance, expires_at=expires_at)
    assert NOW < due <= NOW + timedelta(hours=26.4)
    if verdict is Verdict.FAILING:
        assert due >= NOW + timedelta(hours=21.6)
