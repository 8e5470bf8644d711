from pathlib import Path

import pytest

from parts.images import busybox_layout
from parts.registry import PASSWORD, USER, certificate, free_port, htpasswd_auth, push, running_registry
from towline.domain.causes import FindingCode
from towline.domain.credential import Credential, Password, authorization_token
from towline.domain.image import ImageReference
from towline.domain.proof import Platform, Verdict
from towline.domain.registry import RegistryAddress, RegistrySettings
from towline.domain.workload import PullAccess
from towline.registry import Registry

AMD = Platform("linux", "amd64")
COMMAND = ("sleep", "60")


@pytest.fixture(scope="module")
def private(tmp_path_factory):
    folder: Path = tmp_path_factory.mktemp("private")
    single = busybox_layout(folder / "single", command=COMMAND)
    several = busybox_layout(
        folder / "several", command=COMMAND, architectures=("arm64", "amd64"), indexed=True
    )
    foreign = busybox_layout(folder / "foreign", command=COMMAND, architectures=("s390x",))
    with running_registry(folder, auth=htpasswd_auth(folder)) as registry:
        push(registry, single, "team/app:1")
        push(registry, several, "team/several:1", extra=("--all",))
        push(registry, foreign, "team/foreign:1")
        yield registry


@pytest.fixture
async def room():
    registry = Registry()
    yield registry
    await registry.close()


def access(netloc: str, *, password: str | None = PASSWORD, user: str = USER, ca: str = "") -> PullAccess:
    credential = Credential(user, Password(password)) if password is not None else None
    return PullAccess(RegistrySettings(netloc, ca_pem=ca), credential)


def code(answer) -> FindingCode | None:
    return answer.finding and answer.finding.code


async def test_the_right_password_is_verified(room, private):
    answer = await room.prover.login(RegistryAddress.parse(private.netloc), access(private.netloc))
    assert (answer.verdict, answer.finding) == (Verdict.VERIFIED, None)


@pytest.mark.parametrize(("user", "password"), [(USER, "not-the-one"), ("nobody", PASSWORD)])
async def test_a_wrong_login_is_failing_and_its_password_in_no_evidence(room, private, user, password):
    given = access(private.netloc, user=user, password=password)
    answer = await room.prover.login(RegistryAddress.parse(private.netloc), given)
    assert (answer.verdict, code(answer)) == (Verdict.FAILING, FindingCode.WRONG_CREDENTIALS)
    token = authorization_token(Credential(user, Password(password))).reveal()
    assert token not in repr(answer)
    assert repr(password)[1:-1] not in repr(answer)


async def test_a_refused_password_is_sent_once(room, private):
    image = ImageReference.parse(f"{private.netloc}/team/app:1")
    answer = await room.prover.image(image, access(private.netloc, password="wrong"), platform=AMD)
    assert code(answer) is FindingCode.WRONG_CREDENTIALS
    assert [each.sent for each in answer.evidence].count("basic") == 1


async def test_an_image_is_resolved_to_its_digest_size_and_platform(room, private):
    image = ImageReference.parse(f"{private.netloc}/team/app:1")
    answer = await room.prover.image(image, access(private.netloc), platform=AMD)
    assert answer.verdict is Verdict.VERIFIED
    assert answer.image.digest.startswith("sha256:")
    assert answer.image.size > 100_000
    assert answer.image.platform == AMD


async def test_an_index_is_resolved_to_the_wanted_platform(room, private):
    image = ImageReference.parse(f"{private.netloc}/team/several:1")
    answer = await room.prover.image(image, access(private.netloc), platform=AMD)
    assert answer.image.index_digest != answer.image.digest
    assert [str(each) for each in answer.image.platforms] == ["linux/arm64", "linux/amd64"]
    absent = await room.prover.image(image, access(private.netloc), platform=Platform("linux", "riscv64"))
    assert (absent.verdict, code(absent)) == (Verdict.VERIFIED, FindingCode.PLATFORM_NOT_AVAILABLE)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("team/app:nope", FindingCode.TAG_NOT_FOUND),
        ("team/absent:1", FindingCode.REPOSITORY_NOT_FOUND_OR_HIDDEN),
        ("team/app@sha256:" + "0" * 64, FindingCode.DIGEST_NOT_FOUND),
        ("team/foreign:1", FindingCode.PLATFORM_NOT_AVAILABLE),
    ],
)
async def test_what_is_not_there_is_told_and_does_not_blame_the_login(room, private, name, expected):
    image = ImageReference.parse(f"{private.netloc}/{name}")
    answer = await room.prover.image(image, access(private.netloc), platform=AMD)
    assert (answer.verdict, code(answer)) == (Verdict.VERIFIED, expected)


async def test_no_credential_where_one_is_wanted_is_secret_needed(room, private):
    image = ImageReference.parse(f"{private.netloc}/team/app:1")
    answer = await room.prover.image(image, access(private.netloc, password=None), platform=AMD)
    assert code(answer) is FindingCode.SECRET_NEEDED


async def test_a_registry_that_asks_nobody_proves_nothing(room, tmp_path):
    with running_registry(tmp_path, auth="") as registry:
        push(registry, busybox_layout(tmp_path / "layout", command=COMMAND), "app:1", login="")
        login = await room.prover.login(RegistryAddress.parse(registry.netloc), access(registry.netloc))
        image = ImageReference.parse(f"{registry.netloc}/app:1")
        pull = await room.prover.image(image, access(registry.netloc), platform=AMD)
    assert (login.verdict, pull.verdict, pull.anonymous) == (Verdict.UNPROVED, Verdict.UNPROVED, True)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({}, FindingCode.TLS_UNKNOWN_AUTHORITY),
        ({"address": "192.0.2.7"}, FindingCode.TLS_WRONG_HOST),
        ({"days": -1}, FindingCode.TLS_EXPIRED),
    ],
)
async def test_each_fault_of_a_certificate_has_its_finding(room, tmp_path, how, expected):
    made = certificate(tmp_path, **how)
    ca = made.ca_pem if how else ""
    with running_registry(tmp_path, auth=htpasswd_auth(tmp_path), certificate=made) as registry:
        given = access(registry.netloc, ca=ca)
        answer = await room.prover.login(RegistryAddress.parse(registry.netloc), given)
    assert (answer.verdict, code(answer)) == (Verdict.UNKNOWN, expected)
    assert all(each.sent == "none" for each in answer.evidence)


async def test_a_private_authority_that_was_set_is_trusted(room, tmp_path):
    made = certificate(tmp_path)
    with running_registry(tmp_path, auth=htpasswd_auth(tmp_path), certificate=made) as registry:
        given = access(registry.netloc, ca=made.ca_pem)
        answer = await room.prover.login(RegistryAddress.parse(registry.netloc), given)
    assert answer.verdict is Verdict.VERIFIED


async def test_a_closed_port_and_an_unknown_name_say_nothing_about_the_login(room):
    closed = RegistryAddress.parse(f"127.0.0.1:{free_port()}")
    answer = await room.prover.login(closed, access(closed.netloc))
    assert (answer.verdict, code(answer)) == (Verdict.UNKNOWN, FindingCode.REGISTRY_REFUSED)
    unknown = RegistryAddress.parse("registry.invalid")
    answer = await room.prover.login(unknown, access(unknown.netloc))
    assert (answer.verdict, code(answer)) == (Verdict.UNKNOWN, FindingCode.REGISTRY_DNS)


@pytest.mark.parametrize("address", ["169.254.169.254", "metadata.google.internal", "[fe80::1]", "0.0.0.0"])
async def test_metadata_and_link_local_addresses_are_never_dialled(room, address):
    target = RegistryAddress.parse(address)
    answer = await room.prover.login(target, access(target.netloc))
    assert code(answer) is FindingCode.REGISTRY_ADDRESS_REFUSED


async def test_loopback_is_refused_where_it_is_not_allowed(private):
    room = Registry(allow_loopback=False)
    try:
        answer = await room.prover.login(RegistryAddress.parse(private.netloc), access(private.netloc))
    finally:
        await room.close()
    assert code(answer) is FindingCode.REGISTRY_ADDRESS_REFUSED


async def test_manifest_and_blobs_come_whole_and_from_an_offset(room, private):
    image = ImageReference.parse(f"{private.netloc}/team/app:1")
    proved = await room.prover.image(image, access(private.netloc), platform=AMD)
    pinned = image.pinned(proved.image.digest)
    manifest = await room.source.manifest(pinned, access(private.netloc))
    assert manifest.digest == proved.image.digest
    layer = manifest.content.decode().split('"layers"')[1].split('"digest": "')[1].split('"')[0]
    whole = b"".join([chunk async for chunk in room.source.blob(pinned, layer, access(private.netloc))])
    rest = b"".join(
        [chunk async for chunk in room.source.blob(pinned, layer, access(private.netloc), offset=1000)]
    )
    assert whole[1000:] == rest
