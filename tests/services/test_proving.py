"""Proofs.image, preflight, and what they leave behind."""

import asyncio
import json
from collections.abc import Sequence
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parts.fakes import refused
from parts.world import IMAGE, JANE, REGISTRY, World, docker_draft, opaque_draft, package_draft, small_world
from towline.domain.audit import Door
from towline.domain.causes import FindingCode
from towline.domain.credential import Password
from towline.domain.errors import InvalidInput, NotFound, PullRefused
from towline.domain.findings import Finding
from towline.domain.package import Executable
from towline.domain.proof import Answer, Verdict
from towline.domain.registry import RegistrySettings
from towline.domain.secret import DockerSecret
from towline.services.proofs import MOST_AT_ONCE, MOST_ITEMS, PreflightItem, ProvedImage

RECONCILER = "deployment:dep-x"


async def _image(
    world: World, image: str = IMAGE, secret: str | None = "pull", *, wished_at: datetime | None = None
) -> ProvedImage:
    return await world.proofs.image(
        world.access.project.guid,
        Executable("app", image, pull_secret=secret),
        actor=RECONCILER,
        door=Door.ENGINE_PULL,
        wished_at=wished_at,
    )


async def _finding(
    world: World, image: str = IMAGE, secret: str | None = "pull", *, wished_at: datetime | None = None
) -> Finding:
    with pytest.raises(PullRefused) as caught:
        await _image(world, image, secret, wished_at=wished_at)
    return caught.value.finding


def _later(world: World) -> datetime:
    """Let a second pass; return when somebody wishes something."""
    world.clock.advance(seconds=1)
    return world.clock()


async def _standing(world: World) -> DockerSecret:
    secret = await world.secrets.get(world.access, "pull")
    assert isinstance(secret, DockerSecret)
    return secret


@pytest.fixture
async def stored(world: World) -> World:
    """A world with a good secret and its image."""
    world.prover.registry(REGISTRY, robot="hunter2").has("team/app:1.0")
    await world.secrets.create(world.access, docker_draft())
    return world


async def test_a_proved_image_is_pinned_and_brings_its_access(stored: World) -> None:
    proved = await _image(stored)
    known = stored.prover.registries[REGISTRY].images["team/app:1.0"]
    assert proved.image.digest == known.digest
    assert proved.access.credential == docker_draft().credential
    assert proved.secret_version == 1
    assert proved.answer.image == known


async def test_an_image_without_a_secret_is_asked_for_anonymously(world: World) -> None:
    world.prover.registry(REGISTRY, robot="x").public.add("team/app")
    world.prover.registries[REGISTRY].has("team/app:1.0")
    proved = await _image(world, secret=None)
    assert proved.access.credential is None
    assert proved.secret_guid == ""
    assert "secret.opened" not in await world.actions()


async def test_an_illegal_image_name_is_a_finding_and_no_registry_is_asked(stored: World) -> None:
    asked = len(stored.prover.asked)
    finding = await _finding(stored, image="https://registry.example.com/app")
    assert finding.code is FindingCode.IMAGE_REFERENCE_INVALID
    assert "scheme" in finding.detail
    assert (finding.image, finding.executable) == ("https://registry.example.com/app", "app")
    assert finding.checked_at == stored.clock()
    assert len(stored.prover.asked) == asked


async def test_an_absent_secret_is_secret_missing(stored: World) -> None:
    assert (await _finding(stored, secret="other")).code is FindingCode.SECRET_MISSING


async def test_an_opaque_secret_opens_no_image_and_the_finding_says_so(stored: World) -> None:
    await stored.secrets.create(stored.access, opaque_draft())
    finding = await _finding(stored, secret="keys")
    assert finding.code is FindingCode.SECRET_MISSING
    assert "opaque" in finding.detail


async def test_a_secret_of_another_registry_is_not_opened(stored: World) -> None:
    finding = await _finding(stored, image="other.example.net/team/app:1.0")
    assert finding.code is FindingCode.SECRET_REGISTRY_MISMATCH
    assert REGISTRY in finding.detail
    assert "other.example.net" in finding.detail
    assert "secret.opened" not in await stored.actions()


async def test_a_refused_password_becomes_wrong_credentials_and_turns_the_verdict(stored: World) -> None:
    stored.prover.registries[REGISTRY].users["robot"] = Password("rotated")
    finding = await _finding(stored)
    standing = (await _standing(stored)).standing
    assert finding.code is FindingCode.WRONG_CREDENTIALS
    assert (finding.image, finding.executable) == (IMAGE, "app")
    assert standing.verdict is Verdict.FAILING
    assert json.loads(await stored.secrets.document(stored.access, "pull"))["verdict"] == "failing"


async def test_a_password_that_was_refused_is_not_tried_again_by_the_clock(stored: World) -> None:
    stored.prover.registries[REGISTRY].users["robot"] = Password("rotated")
    first = await _finding(stored)
    asked = len(stored.prover.asked)
    stored.clock.advance(minutes=5)
    assert await _finding(stored) == first
    assert len(stored.prover.asked) == asked


async def test_a_refused_password_is_tried_again_when_a_person_asks(stored: World) -> None:
    stored.prover.registries[REGISTRY].users["robot"] = Password("rotated")
    await _finding(stored)
    asked = len(stored.prover.asked)
    stored.clock.advance(minutes=5)
    await _finding(stored, wished_at=_later(stored))
    assert len(stored.prover.asked) == asked + 1


async def test_a_wish_younger_than_the_refusal_is_one_more_try(stored: World) -> None:
    stored.prover.registries[REGISTRY].users["robot"] = Password("rotated")
    await _finding(stored)
    asked = len(stored.prover.asked)
    stored.clock.advance(minutes=5)
    wished_at = stored.clock()
    await _finding(stored, wished_at=wished_at)
    await _finding(stored, wished_at=wished_at)
    assert len(stored.prover.asked) == asked + 1


async def test_a_refusal_that_a_later_trouble_overlays_is_settled_by_asking(stored: World) -> None:
    stored.prover.registries[REGISTRY].users["robot"] = Password("rotated")
    await _finding(stored)
    stored.prover.says(refused(FindingCode.RATE_LIMITED, Verdict.UNKNOWN))
    assert (await _finding(stored, wished_at=_later(stored))).code is FindingCode.RATE_LIMITED
    assert (await _finding(stored)).code is FindingCode.WRONG_CREDENTIALS


async def test_a_replaced_password_is_used_although_the_last_one_was_refused(stored: World) -> None:
    stored.prover.registries[REGISTRY].users["robot"] = Password("rotated")
    await _finding(stored)
    await stored.secrets.replace(stored.access, "pull", docker_draft(password="rotated"))
    assert (await _image(stored)).secret_version == 2


async def test_a_refusal_at_its_own_registry_does_not_hide_a_mismatch(stored: World) -> None:
    stored.prover.registries[REGISTRY].users["robot"] = Password("rotated")
    await _finding(stored)
    finding = await _finding(stored, image="other.example.net/team/app:1.0")
    assert finding.code is FindingCode.SECRET_REGISTRY_MISMATCH


async def test_trouble_of_the_registry_leaves_the_verdict_and_marks_it_stale(stored: World) -> None:
    stored.prover.says(refused(FindingCode.REGISTRY_ERROR, Verdict.UNKNOWN))
    assert (await _finding(stored)).code is FindingCode.REGISTRY_ERROR
    standing = (await _standing(stored)).standing
    assert (standing.verdict, standing.stale) == (Verdict.VERIFIED, True)


async def test_a_failure_that_does_not_blame_the_credential_does_not_turn_the_verdict(stored: World) -> None:
    stored.prover.says(refused(FindingCode.NO_PULL_PERMISSION, Verdict.FAILING))
    assert (await _finding(stored)).code is FindingCode.NO_PULL_PERMISSION
    assert (await _standing(stored)).standing.verdict is Verdict.VERIFIED


async def test_a_secret_replaced_during_the_proof_is_not_judged_by_its_old_password(stored: World) -> None:
    async def replace_meanwhile() -> None:
        stored.prover.meanwhile = None
        await stored.secrets.replace(stored.access, "pull", docker_draft())

    stored.prover.meanwhile = replace_meanwhile
    stored.prover.says()
    stored.prover.registries[REGISTRY].users["robot"] = Password("hunter2")
    version = (await _image(stored)).secret_version
    secret = await _standing(stored)
    assert (version, secret.metadata.version) == (1, 2)
    assert secret.standing.image == ""
    proofs = await stored.proofs.history(stored.access, "pull")
    assert [(proof.secret_version, proof.image) for proof in proofs[:2]] == [(1, IMAGE), (2, "")]


async def test_a_secret_deleted_during_the_proof_leaves_nothing_half_done(stored: World) -> None:
    async def delete_meanwhile() -> None:
        await stored.secrets.delete(stored.access, "pull")

    stored.prover.meanwhile = delete_meanwhile
    assert (await _image(stored)).secret_version == 1
    with pytest.raises(NotFound):
        await stored.proofs.history(stored.access, "pull")


async def test_a_verdict_that_turns_good_wakes_the_deployments(stored: World) -> None:
    stored.prover.registries[REGISTRY].users["robot"] = Password("rotated")
    await _finding(stored)
    await stored.deployed("waiting", secret="pull")
    await stored.due()
    stored.prover.registries[REGISTRY].users["robot"] = Password("hunter2")
    await _image(stored, wished_at=_later(stored))
    assert await stored.due() == {"waiting"}
    await _image(stored, wished_at=_later(stored))
    assert await stored.due() == set()


async def test_settings_of_the_registry_are_used_in_either_spelling(stored: World) -> None:
    settings = RegistrySettings(REGISTRY, realm_hosts=("auth.example.com",))
    await stored.registries.put(stored.access, settings)
    await stored.secrets.create(stored.access, docker_draft("port", registry=f"{REGISTRY}:443"))
    proved = await _image(stored, secret="port")
    assert proved.access.settings == settings


async def test_a_declared_plain_http_is_passed_on(world: World) -> None:
    world.prover.registry("reg.internal:5000").has("app:1")
    await world.secrets.create(world.access, docker_draft(registry="http://reg.internal:5000"))
    assert (await _image(world, image="reg.internal:5000/app:1")).access.plain_http
    assert all(asked.plain_http for asked in world.prover.asked)


async def test_plain_http_may_be_declared_in_the_settings_too(stored: World) -> None:
    assert not (await _image(stored)).access.plain_http
    await stored.registries.put(stored.access, RegistrySettings(REGISTRY, plain_http=True))
    assert (await _image(stored)).access.plain_http


async def test_a_sealed_value_that_does_not_open_is_a_finding_with_its_fix(stored: World) -> None:
    await stored.misplace("pull")
    finding = await _finding(stored)
    assert finding.code is FindingCode.SECRET_UNREADABLE
    assert "keyring" in finding.fix
    assert (await _standing(stored)).standing.verdict is Verdict.VERIFIED


# --- preflight -----------------------------------------------------------------------------------


async def test_preflight_answers_in_order_and_never_raises_for_an_image(stored: World) -> None:
    stored.prover.registries[REGISTRY].has("team/tool:2")
    items = [
        PreflightItem(f"{REGISTRY}/team/tool:2", "pull", "tool"),
        PreflightItem("NOT an image", "pull", "bad"),
        PreflightItem(IMAGE, "absent", "app"),
        PreflightItem(IMAGE, "pull", "app"),
    ]
    results = await stored.proofs.preflight(stored.access, items)
    codes = [result.answer.finding and result.answer.finding.code for result in results]
    assert codes == [None, FindingCode.IMAGE_REFERENCE_INVALID, FindingCode.SECRET_MISSING, None]
    assert [result.item for result in results] == items
    assert results[1].answer.finding is not None
    assert results[1].answer.finding.executable == "bad"


async def test_preflight_asks_the_same_question_once(stored: World) -> None:
    asked = len(stored.prover.asked)
    items = [PreflightItem(IMAGE, "pull", name) for name in ("one", "two", "three")]
    results = await stored.proofs.preflight(stored.access, items)
    assert len(stored.prover.asked) == asked + 1
    assert all(result.answer.image is not None for result in results)


async def test_preflight_names_the_secret_that_a_guid_stands_for(stored: World) -> None:
    guid = (await _standing(stored)).metadata.guid
    (result,) = await stored.proofs.preflight(stored.access, [PreflightItem(IMAGE, guid)])
    assert result.secret_name == "pull"


async def test_preflight_asks_many_at_once_but_not_too_many(stored: World) -> None:
    items = [PreflightItem(f"{REGISTRY}/team/app:{number}", "pull") for number in range(40)]
    await stored.proofs.preflight(stored.access, items)
    assert 1 < stored.prover.most_at_once <= MOST_AT_ONCE


async def test_preflight_tries_a_refused_password_anew(stored: World) -> None:
    stored.prover.registries[REGISTRY].users["robot"] = Password("rotated")
    await _finding(stored)
    stored.prover.registries[REGISTRY].users["robot"] = Password("hunter2")
    stored.clock.advance(seconds=1)
    (result,) = await stored.proofs.preflight(stored.access, [PreflightItem(IMAGE, "pull")])
    assert result.answer.verdict is Verdict.VERIFIED


@pytest.mark.parametrize("seconds", [5, 300])
async def test_a_wrong_password_is_one_refused_login_however_many_images_it_is_for(
    stored: World, seconds: int
) -> None:
    stored.prover.registries[REGISTRY].users["robot"] = Password("rotated")
    stored.clock.advance(seconds=seconds)
    asked = len(stored.prover.asked)
    items = [PreflightItem(f"{REGISTRY}/team/app:{number}", "pull") for number in range(20)]
    results = await stored.proofs.preflight(stored.access, items)
    assert len(stored.prover.asked) == asked + 1
    for result in results:
        assert result.answer.finding is not None
        assert result.answer.finding.code is FindingCode.WRONG_CREDENTIALS
        assert result.answer.finding.image == result.item.image


async def test_executables_that_start_together_try_a_wrong_password_once(stored: World) -> None:
    stored.prover.registries[REGISTRY].users["robot"] = Password("rotated")
    stored.clock.advance(minutes=5)
    asked = len(stored.prover.asked)
    await asyncio.gather(*(_finding(stored, image=f"{REGISTRY}/team/app:{number}") for number in range(5)))
    assert len(stored.prover.asked) == asked + 1


async def test_questions_at_once_about_a_silent_registry_do_not_wait_for_each_other(stored: World) -> None:
    stored.clock.advance(minutes=5)
    stored.prover.says(*[refused(FindingCode.REGISTRY_TIMEOUT, Verdict.UNKNOWN)] * 10)
    items = [PreflightItem(f"{REGISTRY}/team/app:{number}", "pull") for number in range(10)]
    await stored.proofs.preflight(stored.access, items)
    assert stored.prover.most_at_once > 1


async def test_preflight_refuses_a_list_without_measure(stored: World) -> None:
    items = [PreflightItem(IMAGE, "pull")] * (MOST_ITEMS + 1)
    with pytest.raises(InvalidInput):
        await stored.proofs.preflight(stored.access, items)


async def test_preflight_of_a_package_answers_for_each_executable(stored: World) -> None:
    await stored.packages.create(stored.access, package_draft(secret="pull"))
    (result,) = await stored.proofs.preflight_package(stored.access, "talker", "v1")
    assert (result.item.executable, result.answer.verdict) == ("app", Verdict.VERIFIED)
    with pytest.raises(NotFound):
        await stored.proofs.preflight_package(stored.access, "talker", "v9")


@given(st.lists(st.text(max_size=30), max_size=8))
async def test_preflight_answers_whatever_text_stands_for_an_image(texts: Sequence[str]) -> None:
    async with small_world() as world:
        results = await world.proofs.preflight(world.access, [PreflightItem(text) for text in texts])
        assert [result.item.image for result in results] == texts
        assert all(result.answer.finding is not None for result in results)


# --- the trail -----------------------------------------------------------------------------------


async def test_every_use_of_a_credential_is_a_row_with_actor_image_door_and_outcome(stored: World) -> None:
    await _image(stored)
    opened, proved = (await stored.rows())[-2:]
    assert opened[:3] == (RECONCILER, "secret.opened", "ok")
    assert opened[3] == {"name": "pull", "version": "1", "door": "engine-pull", "image": IMAGE}
    assert proved[:3] == (RECONCILER, "secret.proved", "verified")


async def test_a_preflight_is_written_down_under_the_person_who_asked(stored: World) -> None:
    await stored.proofs.preflight(stored.access, [PreflightItem(IMAGE, "pull")])
    actor, action, _, detail = (await stored.rows())[-2]
    assert (actor, action, detail["door"]) == (JANE, "secret.opened", "registry-proof")


async def test_an_answer_without_image_and_finding_is_not_taken_for_a_yes(stored: World) -> None:
    stored.prover.says(Answer(Verdict.VERIFIED))
    assert (await _finding(stored)).code is FindingCode.REGISTRY_ERROR
