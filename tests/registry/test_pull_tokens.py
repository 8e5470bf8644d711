"""The token exchange at a real registry with a real token server: the token pulls, and does no more."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from parts.fakes import NOON
from parts.images import busybox_layout
from parts.registry import USER, RealRegistry, htpasswd_auth, push, running_registry
from parts.token_server import TokenServer, User, token_server
from towline.domain.credential import Credential, Password
from towline.domain.errors import PullRefused
from towline.domain.image import ImageReference
from towline.domain.registry import RegistrySettings
from towline.domain.workload import PullAccess
from towline.registry import Registry

OWNER = User("s3cret-of-the-owner", {"team/app": ("pull", "push"), "team/other": ("pull", "push")})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RealRegistry, TokenServer]]:
    folder = tmp_path_factory.mktemp("tokens")
    with token_server({"owner": OWNER}) as tokens, running_registry(folder, auth=tokens.auth(folder)) as made:
        layout = busybox_layout(folder / "image", command=("true",))
        for name in ("team/app:1", "team/other:1"):
            push(made, layout, name, login=f"owner:{OWNER.password}")
        yield made, tokens


def access(netloc: str, name: str = "owner", password: str = OWNER.password) -> PullAccess:
    return PullAccess(RegistrySettings.default(netloc), Credential(name, Password(password)), plain_http=True)


def get(registry: RealRegistry, path: str, token: str, method: str = "GET") -> int:
    accept = "application/vnd.oci.image.manifest.v1+json"
    headers = {"Authorization": f"Bearer {token}", "Accept": accept}
    return httpx.request(method, f"http://{registry.netloc}{path}", headers=headers).status_code


async def test_the_token_pulls_from_its_repository_and_does_no_more(
    place: tuple[RealRegistry, TokenServer],
) -> None:
    made, _ = place
    image = ImageReference.parse(f"{made.netloc}/team/app:1")
    registry = Registry()
    found = await registry.tokens.pull_token(image, access(made.netloc), now=NOON)
    await registry.close()
    assert found is not None
    token = found.token.reveal()
    assert found.scope == "repository:team/app:pull"
    assert found.expires_at > NOON
    assert get(made, "/v2/team/app/manifests/1", token) == 200
    assert get(made, "/v2/team/other/manifests/1", token) == 401
    assert get(made, "/v2/team/app/blobs/uploads/", token, "POST") == 401
    assert token not in repr(found)
    assert OWNER.password not in token


async def test_a_wrong_password_is_a_finding_without_it(place: tuple[RealRegistry, TokenServer]) -> None:
    made, _ = place
    image, registry = ImageReference.parse(f"{made.netloc}/team/app:1"), Registry()
    with pytest.raises(PullRefused) as refused:
        await registry.tokens.pull_token(image, access(made.netloc, password="wrong-password"), now=NOON)
    await registry.close()
    assert refused.value.finding.code == "wrong-credentials"
    assert "wrong-password" not in f"{refused.value}{refused.value.finding}"


async def test_a_registry_that_speaks_basic_gives_none(tmp_path) -> None:
    with running_registry(tmp_path, auth=htpasswd_auth(tmp_path)) as made:
        image, registry = ImageReference.parse(f"{made.netloc}/team/app:1"), Registry()
        assert await registry.tokens.pull_token(image, access(made.netloc, USER), now=NOON) is None
        await registry.close()


async def test_a_registry_that_asks_nobody_gives_none(tmp_path) -> None:
    with running_registry(tmp_path, auth="") as made:
        image, registry = ImageReference.parse(f"{made.netloc}/team/app:1"), Registry()
        assert await registry.tokens.pull_token(image, access(made.netloc), now=NOON) is None
        await registry.close()
