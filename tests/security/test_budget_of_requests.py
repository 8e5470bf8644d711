"""However a registry refuses, a refused password goes there once, and few further questions follow."""

import itertools

import pytest

from security.villain import LOGIN, Call, answer, loose, refusal
from towline.domain.credential import Credential, Password
from towline.domain.image import ImageReference
from towline.domain.proof import FURTHER_REQUESTS, Platform
from towline.domain.registry import RegistrySettings
from towline.domain.workload import PullAccess
from towline.registry import Registry

AMD = Platform("linux", "amd64")
PROOF = 7
"""Requests of a whole proof: a ping on two schemes, one with the login, a token, manifest, index, config."""
BEARER = 'WWW-Authenticate: Bearer realm="http://{netloc}/token",service="r"\r\n'
STATUSES = (400, 401, 403, 404, 429, 500, 503)


async def proved(villain, *, others: int = 0):
    """Prove an image with the villain's victim, then look with other secrets as far as the budget goes."""
    image = ImageReference.parse(f"{villain.netloc}/team/app:1")
    settings = RegistrySettings(villain.netloc, plain_http=True)
    registry = Registry()
    try:
        victim = Credential("jane", Password("hunter2-not-for-you"))
        answered = await registry.prover.image(
            image, PullAccess(settings, victim, plain_http=True), platform=AMD
        )
        spare = answered.spare
        for number in range(others):
            other = Credential(f"other-{number}", Password("another"))
            access = PullAccess(settings, other, plain_http=True)
            if spare > 0:
                glance = await registry.prover.glance(image, access, spare=spare)
                spare -= max(1, len(glance.evidence))
        return answered
    finally:
        await registry.close()


@pytest.mark.parametrize(("login", "manifest"), [*itertools.product(STATUSES, (200, *STATUSES))])
async def test_a_registry_by_basic_hears_a_refused_password_once(login, manifest):
    def says(call: Call) -> bytes:
        if not call.authorization:
            return refusal("UNAUTHORIZED", "log in")
        if LOGIN in call.head and call.path == "/v2/":
            return refusal("DENIED", "no", status=login)
        return refusal("DENIED", "no", status=manifest) if manifest != 200 else answer(200)

    async with loose(says) as villain:
        answered = await proved(villain, others=3)
    assert len(villain.logins) == 1
    assert 0 <= answered.spare <= FURTHER_REQUESTS
    assert len(villain.heard) <= PROOF + FURTHER_REQUESTS


@pytest.mark.parametrize(("token", "manifest"), [*itertools.product((200, *STATUSES), (200, *STATUSES))])
async def test_a_token_server_hears_a_refused_password_once(token, manifest):
    def says(call: Call) -> bytes:
        if call.path == "/token":
            if token == 200:
                return answer(200, b'{"token": "t"}')
            return refusal("UNAUTHORIZED", "no", status=token, headers="")
        if not call.authorization:
            return refusal("UNAUTHORIZED", "log in", headers=BEARER.format(netloc=villain.netloc))
        return refusal("DENIED", "no", status=manifest) if manifest != 200 else answer(200)

    async with loose(says) as villain:
        await proved(villain, others=3)
    with_password = [call for call in villain.logins if call.path == "/token"]
    assert len(villain.logins) == len(with_password)
    assert len(with_password) <= (2 if token == 200 else 1)
    assert len(villain.heard) <= PROOF + FURTHER_REQUESTS
