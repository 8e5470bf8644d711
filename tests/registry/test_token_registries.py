"""Registries with a token server: what a token proves, and what it does not."""

from pathlib import Path

import pytest

from parts.images import busybox_layout
from parts.registry import RealRegistry, htpasswd_auth, push, running_registry
from parts.token_server import TokenServer, User, token_server
from towline.domain.causes import FindingCode
from towline.domain.credential import IDENTITY_USER, Credential, Password
from towline.domain.image import ImageReference
from towline.domain.proof import Platform, Verdict
from towline.domain.registry import RegistryAddress, RegistrySettings
from towline.domain.workload import PullAccess
from towline.registry import Registry

AMD = Platform("linux", "amd64")
ALL = {"team/app": ("pull", "push")}
USERS = {"owner": User("right-password", ALL), "guest": User("guest-password", {})}


@pytest.fixture(scope="module", params=[False, True], ids=["strict", "lenient"])
def place(request, tmp_path_factory):
    folder: Path = tmp_path_factory.mktemp("tokens")
    layout = busybox_layout(folder / "layout", command=("true",))
    with (
        token_server(USERS, lenient=request.param) as tokens,
        running_registry(folder, auth=tokens.auth(folder)) as registry,
    ):
        push(registry, layout, "team/app:1", login="owner:right-password")
        yield tokens, registry


@pytest.fixture
async def room():
    registry = Registry()
    yield registry
    await registry.close()


def asked(place: tuple[TokenServer, RealRegistry], user: str, password: str):
    netloc = place[1].netloc
    place[0].logins.clear()
    access = PullAccess(RegistrySettings(netloc), Credential(user, Password(password)))
    return ImageReference.parse(f"{netloc}/team/app:1"), RegistryAddress.parse(netloc), access


async def test_the_right_password_with_the_right_to_pull_is_verified(room, place):
    image, address, access = asked(place, "owner", "right-password")
    login = await room.prover.login(address, access)
    pull = await room.prover.image(image, access, platform=AMD)
    assert (login.verdict, login.finding) == (Verdict.VERIFIED, None)
    assert (pull.verdict, pull.finding) == (Verdict.VERIFIED, None)


@pytest.mark.parametrize("place", [False], ids=["strict"], indirect=True)
async def test_a_login_without_the_right_to_pull_is_verified_and_says_so(room, place):
    image, _, access = asked(place, "guest", "guest-password")
    answer = await room.prover.image(image, access, platform=AMD)
    assert answer.finding.code is FindingCode.NO_PULL_PERMISSION
    assert answer.verdict is Verdict.VERIFIED


@pytest.mark.parametrize("place", [False], ids=["strict"], indirect=True)
@pytest.mark.parametrize("user", ["owner", "nobody"])
async def test_a_wrong_password_is_never_verified(room, place, user):
    image, address, access = asked(place, user, "wrong")
    login = await room.prover.login(address, access)
    pull = await room.prover.image(image, access, platform=AMD)
    assert pull.verdict is not Verdict.VERIFIED
    assert login.verdict is not Verdict.VERIFIED


@pytest.mark.parametrize("place", [True], ids=["lenient"], indirect=True)
@pytest.mark.parametrize("user", ["owner", "nobody"])
async def test_where_a_token_comes_for_any_password_a_wrong_one_still_pulls_nothing(room, place, user):
    image, _, access = asked(place, user, "wrong")
    pull = await room.prover.image(image, access, platform=AMD)
    assert pull.finding.code is FindingCode.NO_PULL_PERMISSION
    assert pull.image is None


async def test_a_refused_password_reaches_the_token_server_once(room, place):
    image, _, access = asked(place, "owner", "wrong")
    await room.prover.image(image, access, platform=AMD)
    assert place[0].logins == [("owner", False)]


@pytest.fixture(scope="module")
def offline_place(tmp_path_factory):
    folder: Path = tmp_path_factory.mktemp("offline")
    layout = busybox_layout(folder / "layout", command=("true",))
    with (
        token_server(USERS, offline=True) as tokens,
        running_registry(folder, auth=tokens.auth(folder)) as registry,
    ):
        push(registry, layout, "team/app:1", login="owner:right-password")
        tokens.refreshing["refresh-owner"] = "owner"
        yield tokens, registry


async def test_an_identity_token_is_exchanged_for_a_login_and_a_pull(room, offline_place):
    image, address, access = asked(offline_place, IDENTITY_USER, "refresh-owner")
    login = await room.prover.login(address, access)
    pull = await room.prover.image(image, access, platform=AMD)
    assert (login.verdict, login.finding) == (Verdict.VERIFIED, None)
    assert (pull.verdict, pull.finding) == (Verdict.VERIFIED, None)
    assert set(offline_place[0].logins) == {("owner", True)}


async def test_a_revoked_identity_token_is_refused_and_shown_nowhere(room, offline_place):
    _, address, access = asked(offline_place, IDENTITY_USER, "refresh-revoked-canary")
    answer = await room.prover.login(address, access)
    assert (answer.verdict, answer.finding.code) == (Verdict.FAILING, FindingCode.WRONG_CREDENTIALS)
    assert [line.sent for line in answer.evidence if line.method == "POST"] == ["identity-token"]
    assert "canary" not in repr(answer)


async def test_an_identity_token_is_not_sent_to_a_registry_that_asks_for_a_password(room, tmp_path):
    with running_registry(tmp_path, auth=htpasswd_auth(tmp_path)) as registry:
        address = RegistryAddress.parse(registry.netloc)
        credential = Credential(IDENTITY_USER, Password("refresh-canary"))
        answer = await room.prover.login(address, PullAccess(RegistrySettings(registry.netloc), credential))
    assert answer.finding.code is FindingCode.CREDENTIAL_INCOMPLETE
    assert [line.sent for line in answer.evidence] == ["none"] * len(answer.evidence)
