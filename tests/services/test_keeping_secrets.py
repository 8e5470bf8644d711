import asyncio
import json

import pytest

from parts.fakes import refused
from parts.world import IMAGE, REGISTRY, World, docker_draft, opaque_draft
from towline.domain.account import ProjectRole
from towline.domain.audit import Door
from towline.domain.causes import FindingCode
from towline.domain.errors import Conflict, InvalidInput, NotFound, ProofRequired
from towline.domain.image import ImageReference
from towline.domain.listing import LabelSelector, Page
from towline.domain.package import EnvVar, SecretKeyRef
from towline.domain.proof import Answer, Verdict
from towline.domain.secret import DockerDraft, DockerSecret, OpaqueSecret


async def test_a_new_docker_secret_is_tried_and_its_document_says_verified(world: World) -> None:
    world.prover.registry(REGISTRY, robot="hunter2")
    document = json.loads(await world.secrets.create(world.access, docker_draft()))
    assert (document["verdict"], document["finding"]) == ("verified", "")
    assert await world.secrets.document(world.access, "pull") == json.dumps(document).encode()


async def test_a_refused_login_is_kept_with_its_finding_and_a_proof(world: World) -> None:
    world.prover.registry(REGISTRY, robot="other")
    document = json.loads(await world.secrets.create(world.access, docker_draft()))
    assert (document["verdict"], document["finding"]) == ("failing", "wrong-credentials")
    (proof,) = await world.proofs.history(world.access, "pull")
    assert (proof.secret_version, proof.image, proof.answer.verdict) == (1, "", Verdict.FAILING)


async def test_a_registry_that_does_not_answer_leaves_the_verdict_unknown(world: World) -> None:
    async def for_ever() -> None:

        await asyncio.Event().wait()

    world.prover.meanwhile = for_ever
    document = json.loads(await world.secrets.create(world.access, docker_draft()))
    assert (document["verdict"], document["finding"]) == ("unknown", "registry-timeout")


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (refused(FindingCode.WRONG_CREDENTIALS, Verdict.FAILING), "failing"),
        (refused(FindingCode.REGISTRY_DNS, Verdict.UNKNOWN), "unknown"),
        (Answer(Verdict.UNPROVED), "unproved"),
    ],
)
async def test_nothing_is_saved_when_a_verified_secret_is_demanded(
    world: World, answer: Answer, verdict: str
) -> None:
    world.prover.says(answer)
    with pytest.raises(ProofRequired) as caught:
        await world.secrets.create(world.access, docker_draft(), require_verified=True)
    assert caught.value.verdict == verdict
    with pytest.raises(NotFound):
        await world.secrets.document(world.access, "pull")
    assert (await world.rows())[-1][1:3] == ("secret.tried", verdict)


async def test_a_demanded_proof_lets_a_good_secret_through(world: World) -> None:
    world.prover.registry(REGISTRY, robot="hunter2")
    await world.secrets.create(world.access, docker_draft(), require_verified=True)
    await world.secrets.create(world.access, opaque_draft(), require_verified=True)
    assert isinstance(await world.secrets.get(world.access, "pull"), DockerSecret)


async def test_a_taken_name_is_a_conflict_and_spares_the_registry_a_login(world: World) -> None:
    await world.secrets.create(world.access, docker_draft())
    asked = len(world.prover.asked)
    with pytest.raises(Conflict):
        await world.secrets.create(world.access, docker_draft(password="another"))
    with pytest.raises(Conflict):
        await world.secrets.create(world.access, opaque_draft("pull"))
    assert len(world.prover.asked) == asked


async def test_a_replacement_keeps_guid_name_and_time_of_creation(world: World) -> None:
    before = json.loads(await world.secrets.create(world.access, docker_draft()))
    created = (await world.secrets.get(world.access, "pull")).metadata
    world.clock.advance(minutes=1)
    after = json.loads(await world.secrets.replace(world.access, "pull", docker_draft(password="new")))
    metadata = (await world.secrets.get(world.access, "pull")).metadata
    assert after["guid"] == before["guid"]
    assert (metadata.created_at, metadata.version) == (created.created_at, 2)
    assert metadata.updated_at > created.updated_at


async def test_a_replacement_is_what_the_keychain_opens_from_then_on(world: World) -> None:
    world.prover.registry(REGISTRY, robot="new")
    await world.secrets.create(world.access, docker_draft(password="old"))
    document = await world.secrets.replace(world.access, "pull", docker_draft(password="new"))
    assert json.loads(document)["verdict"] == "verified"
    proof, _ = await world.secrets.verify(world.access, "pull")
    assert (proof.secret_version, proof.answer.verdict) == (2, Verdict.VERIFIED)


async def test_the_type_and_the_name_of_a_secret_do_not_change(world: World) -> None:
    await world.secrets.create(world.access, docker_draft())
    with pytest.raises(InvalidInput) as type_change:
        await world.secrets.replace(world.access, "pull", opaque_draft("pull"))
    with pytest.raises(InvalidInput) as name_change:
        await world.secrets.replace(world.access, "pull", docker_draft("other"))
    assert type_change.value.field == "spec.type"
    assert name_change.value.field == "metadata.name"


async def test_replacing_what_is_not_there_is_not_found(world: World) -> None:
    with pytest.raises(NotFound):
        await world.secrets.replace(world.access, "pull", docker_draft())


async def test_a_replacement_wakes_the_deployments_that_name_the_secret(world: World) -> None:
    await world.secrets.create(world.access, docker_draft())
    guid = (await world.secrets.get(world.access, "pull")).metadata.guid
    await world.deployed("by-name", secret="pull")
    await world.deployed("by-guid", secret=guid)
    await world.deployed("unrelated", secret="else")
    await world.due()
    listener = world.bell.listen()
    await world.secrets.replace(world.access, "pull", docker_draft(password="new"))
    assert await listener.heard(0)
    assert await world.due() == {"by-name", "by-guid"}


async def test_a_new_secret_wakes_the_deployments_that_wait_for_it(world: World) -> None:
    await world.deployed("waiting", secret="pull")
    reference = EnvVar("KEY", secret_ref=SecretKeyRef("keys", "API_KEY"))
    await world.deployed("for-env", environment=(reference,))
    await world.due()
    await world.secrets.create(world.access, docker_draft())
    assert await world.due() == {"waiting"}
    await world.secrets.create(world.access, opaque_draft())
    assert await world.due() == {"for-env"}


async def test_two_replacements_at_once_both_take_effect_in_some_order(world: World) -> None:
    await world.secrets.create(world.access, docker_draft())
    overtaken = iter([docker_draft(password="second")])

    async def overtake() -> None:
        for draft in overtaken:
            await world.secrets.replace(world.access, "pull", draft)

    world.prover.meanwhile = overtake
    await world.secrets.replace(world.access, "pull", docker_draft(password="first"))
    resolved = await world.keychain.login(
        world.access.project.guid, "pull", door=Door.REGISTRY_PROOF, actor="test"
    )
    assert resolved is not None
    assert resolved.secret_version == 3
    assert resolved.credential == docker_draft(password="first").credential


async def test_a_deleted_secret_is_gone_and_wakes_nobody(world: World) -> None:
    await world.secrets.create(world.access, docker_draft())
    await world.deployed("user", secret="pull")
    await world.due()
    await world.secrets.delete(world.access, "pull")
    with pytest.raises(NotFound):
        await world.secrets.delete(world.access, "pull")
    assert await world.due() == set()
    assert "secret.deleted" in await world.actions()


async def test_verify_turns_a_failing_secret_and_wakes_its_deployments(world: World) -> None:
    registry = world.prover.registry(REGISTRY, robot="other")
    await world.secrets.create(world.access, docker_draft())
    await world.deployed("waiting", secret="pull")
    await world.due()
    registry.users["robot"] = docker_draft().credential.password
    proof, document = await world.secrets.verify(world.access, "pull")
    assert proof.answer.verdict is Verdict.VERIFIED
    assert json.loads(document)["verdict"] == "verified"
    assert await world.due() == {"waiting"}


async def test_verify_on_an_image_says_what_is_wrong_with_the_image_only(world: World) -> None:
    world.prover.registry(REGISTRY, robot="hunter2")
    await world.secrets.create(world.access, docker_draft())
    proof, document = await world.secrets.verify(world.access, "pull", image=ImageReference.parse(IMAGE))
    assert proof.answer.finding is not None
    assert proof.answer.finding.code is FindingCode.TAG_NOT_FOUND
    assert json.loads(document)["verdict"] == "verified"


async def test_verify_never_sends_a_credential_to_the_registry_of_a_foreign_image(world: World) -> None:
    await world.secrets.create(world.access, docker_draft())
    asked = len(world.prover.asked)
    proof, _ = await world.secrets.verify(
        world.access, "pull", image=ImageReference.parse("evil.example.net/team/app:1.0")
    )
    assert proof.answer.finding is not None
    assert proof.answer.finding.code is FindingCode.SECRET_REGISTRY_MISMATCH
    assert len(world.prover.asked) == asked


async def test_an_opaque_secret_cannot_be_verified(world: World) -> None:
    await world.secrets.create(world.access, opaque_draft())
    with pytest.raises(InvalidInput):
        await world.secrets.verify(world.access, "keys")


async def test_a_failed_check_marks_the_verdict_stale_and_keeps_it(world: World) -> None:
    world.prover.registry(REGISTRY, robot="hunter2")
    await world.secrets.create(world.access, docker_draft())
    world.prover.says(refused(FindingCode.RATE_LIMITED, Verdict.UNKNOWN))
    _, document = await world.secrets.verify(world.access, "pull")
    shown = json.loads(document)
    assert (shown["verdict"], shown["stale"], shown["finding"]) == ("verified", True, "rate-limited")


async def test_viewers_see_names_only(world: World) -> None:
    await world.secrets.create(world.access, docker_draft())
    viewer = await world.member("victor@example.com", role=ProjectRole.VIEWER)
    developer = await world.member("dora@example.com", role=ProjectRole.DEVELOPER)
    listing = await world.secrets.documents(viewer, Page(), selector=LabelSelector())
    assert json.loads(await world.secrets.document(viewer, "pull")) == {"name": "pull"}
    assert [json.loads(document) for document in listing.items] == [{"name": "pull"}]
    assert json.loads(await world.secrets.document(developer, "pull"))["username"] == "robot"


async def test_lists_follow_names_and_labels_in_order_of_creation(world: World) -> None:
    for name, team in (("one", "a"), ("two", "b"), ("three", "a")):
        draft = DockerDraft.checked(
            name, registry=REGISTRY, username="u", password="p", email="u@example.com", labels={"team": team}
        )
        await world.secrets.create(world.access, draft)
    by_label = await world.secrets.documents(world.access, Page(), selector=LabelSelector.parse(["team=a"]))
    by_name = await world.secrets.list(world.access, Page(), selector=LabelSelector(), names=("two",))
    assert [json.loads(document)["name"] for document in by_label.items] == ["one", "three"]
    assert [secret.metadata.name for secret in by_name.items] == ["two"]


async def test_used_by_names_the_live_deployments(world: World) -> None:
    await world.secrets.create(world.access, docker_draft())
    await world.deployed("user", secret="pull")
    await world.deployed("gone", secret="pull")
    await world.deployments.delete(world.access, "gone")
    using = await world.secrets.used_by(world.access, "pull")
    assert [deployment.name for deployment in using] == ["user"]


async def test_an_opaque_secret_shows_its_keys_and_no_value(world: World) -> None:
    document = await world.secrets.create(world.access, opaque_draft("keys", TOKEN="s3cr3t-value"))
    secret = await world.secrets.get(world.access, "keys")
    assert isinstance(secret, OpaqueSecret)
    assert secret.keys == ("TOKEN",)
    assert b"s3cr3t-value" not in document
    assert world.prover.asked == []
