"""Service account tokens: believed by signature, issuer, audience and time, and by nothing less."""

from __future__ import annotations

import base64
import hmac
import json
from dataclasses import replace
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from parts.fakes import NOON
from towline.domain.credential import Password
from towline.domain.doors import TrustedIssuer, Workload
from towline.domain.errors import NotAllowed
from towline.keychain.service_accounts import ClusterTokens
from towline.ports import ServiceAccount

RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})
OTHER = RSAKey.generate_key(2048, {"kid": "rsa"})
KEYS = json.dumps(KeySet([RSA, EC]).as_dict(private=False))
CLUSTER = TrustedIssuer("https://cluster.example", "towline", KEYS, (Workload("prod", "*", ("prod-*",)),))
NOW = int(NOON.timestamp())


def claims(**more: Any) -> dict[str, Any]:
    bound = {"namespace": "prod", "serviceaccount": {"name": "web", "uid": "1"}, "pod": {"name": "web-0"}}
    return {
        "iss": CLUSTER.issuer,
        "aud": ["towline"],
        "sub": "system:serviceaccount:prod:web",
        "iat": NOW - 10,
        "nbf": NOW - 10,
        "exp": NOW + 600,
        "kubernetes.io": bound,
        **more,
    }


def signed(body: dict[str, Any], key: Any = RSA, algorithm: str = "RS256") -> Password:
    header = {"alg": algorithm, "kid": key.kid or "rsa"}
    return Password(jwt.encode(header, body, key, algorithms=[algorithm]))


async def verified(token: Password, *issuers: TrustedIssuer) -> ServiceAccount:
    _, account = await ClusterTokens().verified(token, issuers or (CLUSTER,), now=NOON)
    return account


@pytest.mark.parametrize(("key", "algorithm"), [(RSA, "RS256"), (EC, "ES256")])
async def test_a_token_of_a_trusted_cluster_names_its_account(key: Any, algorithm: str) -> None:
    assert await verified(signed(claims(), key, algorithm)) == ServiceAccount("prod", "web")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"iss": "https://evil.example"}, "trusts no issuer"),
        ({"aud": ["another"]}, "not believed"),
        ({"exp": NOW - 60}, "not believed"),
        ({"nbf": NOW + 600}, "not believed"),
        ({"exp": None}, "not believed"),
        ({"kubernetes.io": None}, "names no service account"),
        ({"sub": "system:serviceaccount:prod:admin"}, "contradicts itself"),
    ],
)
async def test_a_token_that_does_not_fit_is_refused(more: dict[str, Any], says: str) -> None:
    body = {name: value for name, value in claims(**more).items() if value is not None}
    with pytest.raises(NotAllowed, match=says):
        await verified(signed(body))


async def test_a_token_that_another_key_signed_is_refused() -> None:
    with pytest.raises(NotAllowed, match="not believed"):
        await verified(signed(claims(), OTHER))


async def test_a_public_key_is_never_taken_for_a_shared_secret() -> None:
    """The oldest trick: HS256 with the public key's text as the secret."""
    parts = [json.dumps(each).encode() for each in ({"alg": "HS256", "kid": "rsa"}, claims())]
    text = ".".join(base64.urlsafe_b64encode(each).decode().rstrip("=") for each in parts)
    signature = hmac.new(RSA.as_pem(private=False), text.encode(), "sha256").digest()
    forged = f"{text}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"
    with pytest.raises(NotAllowed):
        await verified(Password(forged))


async def test_a_token_without_a_signature_is_refused() -> None:
    head, body, _ = signed(claims()).reveal().split(".")
    for text in (f"{head}.{body}.", f"eyJhbGciOiJub25lIn0.{body}.", "not a token", "a.b.c", ""):
        with pytest.raises(NotAllowed):
            await verified(Password(text))


async def test_the_issuer_that_made_it_decides_and_no_other() -> None:
    other = replace(CLUSTER, issuer="https://other.example")
    issuer, _ = await ClusterTokens().verified(signed(claims()), (other, CLUSTER), now=NOON)
    assert issuer is CLUSTER
    with pytest.raises(NotAllowed):
        await verified(signed(claims()), other)


async def test_a_refusal_does_not_repeat_the_token() -> None:
    token = signed(claims(aud=["another"]))
    with pytest.raises(NotAllowed) as refused:
        await verified(token)
    assert token.reveal() not in str(refused.value)


async def test_a_header_of_a_strange_shape_is_refused_like_any_other() -> None:
    _, body, signature = signed(claims()).reveal().split(".")
    header = base64.urlsafe_b64encode(b'{"alg":"RS256","crit":5}').decode().rstrip("=")
    with pytest.raises(NotAllowed, match="not believed"):
        await verified(Password(f"{header}.{body}.{signature}"))


async def test_a_key_of_an_unknown_kind_is_refused_like_any_other() -> None:
    keys = json.dumps({"keys": [{"kty": "EC", "crv": "unheard-of", "x": "AA", "y": "AA"}]})
    with pytest.raises(NotAllowed, match="not believed"):
        await verified(signed(claims()), replace(CLUSTER, keys=keys))
