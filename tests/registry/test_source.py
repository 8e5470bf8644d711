"""What the puller gets from a registry when something goes wrong on the way."""

import json

import pytest

from security.villain import LOGIN, PASSWORD, USER, Call, answer, loose, refusal
from towline.domain.causes import FindingCode
from towline.domain.credential import Credential, Password
from towline.domain.errors import PullRefused
from towline.domain.image import ImageReference
from towline.domain.registry import RegistrySettings
from towline.domain.workload import PullAccess
from towline.registry import Registry
from towline.registry.manifests import digest_of

BEARER = 'WWW-Authenticate: Bearer realm="http://{netloc}/token"\r\n'
BLOB = digest_of(b"layer")


@pytest.fixture
async def source():
    room = Registry()
    yield room.source
    await room.close()


def asked(netloc: str) -> tuple[ImageReference, PullAccess]:
    access = PullAccess(RegistrySettings(netloc), Credential(USER, Password(PASSWORD)), plain_http=True)
    return ImageReference.parse(f"{netloc}/team/app:1"), access


@pytest.mark.parametrize("what", ["manifest", "blob"])
async def test_a_password_that_is_refused_at_the_pull_is_sent_once(source, what):
    async with loose(lambda _: refusal("UNAUTHORIZED", "log in")) as villain:
        image, access = asked(villain.netloc)
        pull = (
            source.manifest(image, access) if what == "manifest" else anext(source.blob(image, BLOB, access))
        )
        with pytest.raises(PullRefused):
            await pull
        assert [call.path for call in villain.logins if LOGIN in call.head] == [
            "/v2/team/app/manifests/1" if what == "manifest" else f"/v2/team/app/blobs/{BLOB}"
        ]


async def test_every_pull_tells_its_own_way_also_with_a_token_that_was_kept(source):
    def says(call: Call) -> bytes:
        if call.path == "/token":
            return answer(200, json.dumps({"token": "kept-token", "expires_in": 600}).encode())
        if not call.authorization:
            return refusal("UNAUTHORIZED", "log in", headers=BEARER.format(netloc=villain.netloc))
        return refusal("DENIED", f"not with {call.authorization}", status=403, headers="")

    async with loose(says) as villain:
        image, access = asked(villain.netloc)
        told = []
        for _ in range(2):
            with pytest.raises(PullRefused) as refused:
                await source.manifest(image, access)
            told.append(refused.value.finding)
    first, second = told
    assert [each.path for each in first.evidence] == ["/v2/", "/token", "/v2/team/app/manifests/1"]
    assert [each.path for each in second.evidence] == ["/v2/team/app/manifests/1"]
    assert {each.code for each in told} == {FindingCode.NO_PULL_PERMISSION}
    assert "kept-token" not in repr(told)
