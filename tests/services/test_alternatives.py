"""Another secret of the project that can pull: named in the fix, tried once, never sent elsewhere."""

from collections.abc import Sequence
from dataclasses import replace

from parts.world import IMAGE, REGISTRY, World, docker_draft
from towline.domain.credential import Credential, Password
from towline.domain.findings import Finding
from towline.domain.proof import Verdict
from towline.domain.secret import DockerSecret
from towline.services.proofs import PreflightItem

OTHER = Credential("ci", Password("also-right"))


async def _two_secrets(world: World) -> None:
    """Keep ``pull`` with a wrong password and ``ci-pull`` with a right one, for one registry."""
    world.prover.registry(REGISTRY, robot="hunter2", ci="also-right").has("team/app:1.0")
    await world.secrets.create(
        world.access, replace(docker_draft(), credential=Credential("robot", Password("wrong")))
    )
    await world.secrets.create(world.access, replace(docker_draft(), name="ci-pull", credential=OTHER))


async def _finding(world: World, image: str = IMAGE, secret: str | None = "pull") -> Finding:
    (result,) = await world.proofs.preflight(world.access, [PreflightItem(image, secret)])
    assert result.answer.finding is not None
    return result.answer.finding


def _asked_with(world: World, username: str) -> Sequence[str]:
    return [each.registry for each in world.prover.asked if each.username == username and each.image]


async def test_another_secret_that_can_pull_is_named_in_the_fix(world: World) -> None:
    await _two_secrets(world)
    finding = await _finding(world)
    assert finding.fix.startswith("Secret 'ci-pull' of this project can pull this image")
    assert _asked_with(world, "ci") == [REGISTRY]


async def test_the_command_of_a_finding_names_its_secret(world: World) -> None:
    await _two_secrets(world)
    secret = await world.secrets.get(world.access, "pull")
    assert isinstance(secret, DockerSecret)
    assert secret.standing.finding is not None
    assert secret.standing.finding.command == "towline secret update pull --password-stdin"
    proof, _ = await world.secrets.verify(world.access, secret.metadata.guid)
    assert proof.answer.finding is not None
    assert proof.answer.finding.command == "towline secret update pull --password-stdin"


async def test_the_command_names_the_secret_that_can_pull_where_none_was_named(world: World) -> None:
    await _two_secrets(world)
    finding = await _finding(world, secret=None)
    assert finding.command == f"towline preflight {IMAGE} --secret ci-pull"


async def test_a_missing_secret_is_answered_with_the_one_that_is_there(world: World) -> None:
    await _two_secrets(world)
    finding = await _finding(world, secret="pul")
    assert finding.fix.startswith("Secret 'ci-pull' of this project can pull this image")


async def test_a_secret_of_another_registry_is_neither_named_nor_opened(world: World) -> None:
    await _two_secrets(world)
    world.prover.registry("other.example.com", robot="x")
    finding = await _finding(world, image="other.example.com/team/app:1.0", secret=None)
    assert "ci-pull" not in finding.fix
    assert _asked_with(world, "ci") == []


async def test_a_secret_that_was_refused_is_not_tried_for_another(world: World) -> None:
    await _two_secrets(world)
    before = len(_asked_with(world, "robot"))
    world.prover.registries[REGISTRY].denied.add("team/app")
    finding = await _finding(world, secret="ci-pull")
    assert "pull'" not in finding.fix
    assert len(_asked_with(world, "robot")) == before


async def test_a_verified_secret_that_is_refused_now_is_known_to_be_failing(world: World) -> None:
    await _two_secrets(world)
    world.prover.registries[REGISTRY].users["ci"] = Password("rotated")
    finding = await _finding(world)
    assert "ci-pull" not in finding.fix
    secret = await world.secrets.get(world.access, "ci-pull")
    assert isinstance(secret, DockerSecret)
    assert secret.standing.verdict is Verdict.FAILING


async def test_every_try_of_another_secret_is_in_the_audit(world: World) -> None:
    await _two_secrets(world)
    before = (await world.actions()).count("secret.opened")
    await _finding(world)
    assert (await world.actions()).count("secret.opened") > before


async def test_the_shape_of_a_credential_is_kept_and_quotes_nothing(world: World) -> None:
    draft = replace(docker_draft(), credential=Credential("robot", Password("Bearer hunter2\n")))
    await world.secrets.create(world.access, draft)
    secret = await world.secrets.get(world.access, "pull")
    assert isinstance(secret, DockerSecret)
    assert "hunter2" not in repr(secret)
    assert {each.code for each in secret.shape.suspicions} == {"trailing-newline", "scheme-pasted"}
