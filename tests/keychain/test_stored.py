import pytest
from hypothesis import given
from hypothesis import strategies as st

from parts.world import IMAGE, World, docker_draft, opaque_draft, small_world
from towline.domain.audit import Door
from towline.domain.causes import FindingCode
from towline.domain.credential import Password
from towline.domain.errors import PullRefused, SealBroken
from towline.domain.image import ImageReference
from towline.domain.package import SecretKeyRef
from towline.ports import Binding, ResolvedCredential

ACTOR = "deployment:dep-x"


async def _resolve(world: World, image: str = IMAGE, secret: str = "pull") -> ResolvedCredential | None:
    return await world.keychain.resolve(
        world.access.project.guid, secret, ImageReference.parse(image), door=Door.ENGINE_PULL, actor=ACTOR
    )


async def _value(world: World, secret: str, key: str) -> Password | None:
    return await world.keychain.value(world.access.project.guid, SecretKeyRef(secret, key), actor=ACTOR)


async def test_a_secret_opens_an_image_of_its_registry_by_name_and_by_guid(world: World) -> None:
    await world.secrets.create(world.access, docker_draft())
    guid = (await world.secrets.get(world.access, "pull")).metadata.guid
    by_name, by_guid = await _resolve(world), await _resolve(world, secret=guid)
    assert by_name == by_guid
    assert by_name is not None
    assert (by_name.credential, by_name.secret_guid, by_name.secret_version) == (
        docker_draft().credential,
        guid,
        1,
    )


async def test_nothing_there_and_nothing_fitting_is_none(world: World) -> None:
    await world.secrets.create(world.access, opaque_draft())
    assert await _resolve(world, secret="absent") is None
    assert await _resolve(world, secret="keys") is None
    assert await world.keychain.login("project-x", "pull", door=Door.REGISTRY_PROOF, actor=ACTOR) is None


@pytest.mark.parametrize(
    ("registry", "image"),
    [
        ("registry.example.com", "registry.example.com.evil.net/app:1"),
        ("registry.example.com", "evil-registry.example.com/app:1"),
        ("registry.example.com", "registry.example.com:5000/app:1"),
        ("registry.example.com/team", "registry.example.com/team-b/app:1"),
        ("registry.example.com/team", "registry.example.com/app:1"),
        ("docker.io", "registry.example.com/library/nginx"),
        ("registry.example.com", "nginx"),
    ],
)
async def test_a_credential_never_leaves_for_another_place(world: World, registry: str, image: str) -> None:
    await world.secrets.create(world.access, docker_draft(registry=registry))
    with pytest.raises(PullRefused) as caught:
        await _resolve(world, image)
    finding = caught.value.finding
    assert finding.code is FindingCode.SECRET_REGISTRY_MISMATCH
    assert ImageReference.parse(image).registry in finding.detail
    rows = await world.rows()
    assert rows[-1][:3] == (ACTOR, "secret.not-opened", "secret-registry-mismatch")
    assert "secret.opened" not in [action for _, action, _, _ in rows]


async def test_a_mismatch_is_found_without_opening_what_could_not_be_opened(world: World) -> None:
    await world.secrets.create(world.access, docker_draft())
    await world.misplace("pull")
    with pytest.raises(PullRefused):
        await _resolve(world, "other.example.net/app:1")


async def test_a_value_moved_to_another_row_does_not_open_and_that_is_a_row(world: World) -> None:
    await world.secrets.create(world.access, docker_draft())
    await world.misplace("pull")
    with pytest.raises(SealBroken):
        await _resolve(world)
    assert (await world.rows())[-1][1:3] == ("secret.not-opened", "seal-broken")


async def test_a_value_sealed_for_one_secret_does_not_open_as_another(world: World) -> None:
    project = world.access.project.guid
    sealed = await world.vault.seal(Password("x"), Binding(project, "secret-a", version=1))
    for other in (
        Binding(project, "secret-b", version=1),
        Binding(project, "secret-a", version=2),
        Binding("project-b", "secret-a", version=1),
    ):
        with pytest.raises(SealBroken):
            await world.vault.open(sealed, other)


async def test_every_opening_is_a_row_before_the_value_leaves(world: World) -> None:
    await world.secrets.create(world.access, docker_draft())
    await world.secrets.create(world.access, opaque_draft("keys", TOKEN="t"))
    await _resolve(world)
    await world.keychain.login(
        world.access.project.guid, "pull", door=Door.REGISTRY_PROOF, actor="jane@example.com"
    )
    await _value(world, "keys", "TOKEN")
    rows = [row for row in await world.rows() if row[1] == "secret.opened"]
    version = {"version": "1"}
    assert [(actor, outcome, detail) for actor, _, outcome, detail in rows] == [
        (ACTOR, "ok", {"name": "pull", **version, "door": "engine-pull", "image": IMAGE}),
        ("jane@example.com", "ok", {"name": "pull", **version, "door": "registry-proof"}),
        (ACTOR, "ok", {"name": "keys", **version, "door": "environment", "key": "TOKEN"}),
    ]


async def test_a_value_is_given_by_its_key_and_only_from_an_opaque_secret(world: World) -> None:
    await world.secrets.create(world.access, opaque_draft("keys", ONE="1", TWO="zwei"))
    await world.secrets.create(world.access, docker_draft())
    assert await _value(world, "keys", "TWO") == Password("zwei")
    for secret, key in (("keys", "THREE"), ("absent", "ONE"), ("pull", "password")):
        assert await _value(world, secret, key) is None


@given(st.text(min_size=1, max_size=60), st.text(max_size=60))
async def test_passwords_and_values_come_back_byte_for_byte(password: str, value: str) -> None:
    if "\x00" in (password[0], password[-1]):
        return  # very old clients padded with NUL, which is cut
    async with small_world() as world:
        await world.secrets.create(world.access, docker_draft(password=password))
        await world.secrets.create(world.access, opaque_draft("keys", KEY=value))
        resolved = await _resolve(world)
        assert resolved is not None
        assert resolved.credential.password == Password(password)
        assert await _value(world, "keys", "KEY") == Password(value)
