"""What is believed of a provider's tokens: each thing that can be wrong, beside the one that is right."""

from __future__ import annotations

import json
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from towline.domain.errors import NotSignedIn
from towline.oidc import checks

ISSUER, CLIENT, NONCE, NOW = "https://id.example.com", "towline", "n-1", 1_800_000_000
KEY = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"}, private=True)
OTHER = RSAKey.generate_key(2048, {"kid": "one"}, private=True)
CURVE = ECKey.generate_key("P-256", {"kid": "two"}, private=True)
KEYS = {"keys": [KEY.as_dict(private=False), CURVE.as_dict(private=False), {"kty": "odd", "kid": "x"}]}
RIGHT: dict[str, Any] = {
    "iss": ISSUER,
    "aud": CLIENT,
    "sub": "max",
    "exp": NOW + 300,
    "iat": NOW - 5,
    "nonce": NONCE,
}
LOGOUT: dict[str, Any] = {
    **{key: value for key, value in RIGHT.items() if key != "nonce"},
    "sid": "s-1",
    "jti": "j-1",
    "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
}


def signed(claims: dict[str, Any], key: Any = KEY, **header: str) -> str:
    return jwt.encode(
        {"alg": "RS256", "kid": "one", **header}, claims, key, algorithms=["RS256", "ES256", "HS256"]
    )


def read(text: str, *, nonce: str = NONCE) -> Any:
    return checks.id_token(text, KEYS, issuer=ISSUER, client_id=CLIENT, nonce=nonce, now=NOW)


def ended(claims: dict[str, Any]) -> Any:
    return checks.logout_token(signed(claims), KEYS, issuer=ISSUER, client_id=CLIENT, now=NOW)


def test_a_token_of_this_sign_in_is_believed_by_either_kind_of_key() -> None:
    assert read(signed(RIGHT))["sub"] == "max"
    assert read(signed(RIGHT, CURVE, alg="ES256", kid="two"))["sub"] == "max"
    assert read(signed({**RIGHT, "aud": [CLIENT, "other"], "azp": CLIENT}))["sub"] == "max"


def test_clocks_may_differ_by_a_minute() -> None:
    assert read(signed({**RIGHT, "exp": NOW - 50}))
    assert read(signed({**RIGHT, "iat": NOW + 50}))


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "https://evil.example.com"},
        {"iss": None},
        {"aud": "other"},
        {"aud": None},
        {"aud": [CLIENT, "other"]},
        {"aud": [CLIENT, "other"], "azp": "other"},
        {"azp": "other"},
        {"exp": NOW - 120},
        {"exp": None},
        {"exp": "soon"},
        {"iat": NOW + 120},
        {"iat": None},
        {"iat": NOW - 3600},
        {"nbf": NOW + 120},
        {"nonce": "n-2"},
        {"nonce": None},
        {"sub": None},
        {"sub": 7},
        {"sub": "a\nb"},
        {"sub": "x" * 1001},
    ],
    ids=lambda change: json.dumps(change)[:60],
)
def test_a_claim_that_does_not_fit_lets_nobody_in(change: dict[str, Any]) -> None:
    claims = {key: value for key, value in {**RIGHT, **change}.items() if value is not None}
    with pytest.raises(NotSignedIn):
        read(signed(claims))


def test_an_empty_nonce_fits_nothing() -> None:
    with pytest.raises(NotSignedIn, match="nonce"):
        read(signed({**RIGHT, "nonce": ""}), nonce="")


def test_signatures_that_anybody_can_make_are_refused() -> None:
    unsigned = "eyJhbGciOiJub25lIn0." + signed(RIGHT).split(".")[1] + "."
    public = OctKey.import_key(json.dumps(KEY.as_dict(private=False)))
    for text in (unsigned, signed(RIGHT, public, alg="HS256"), signed(RIGHT, OTHER), "", "a.b.c", "a.b"):
        with pytest.raises(NotSignedIn):
            read(text)


def test_a_key_that_is_not_there_is_told_apart_so_that_it_is_asked_for() -> None:
    with pytest.raises(checks.KeyUnknown):
        read(signed(RIGHT, kid="three"))


@pytest.mark.parametrize("keys", [{}, {"keys": []}, {"keys": "x"}, [], None, {"keys": [7]}])
def test_keys_of_any_shape_let_nobody_in(keys: Any) -> None:
    with pytest.raises((NotSignedIn, checks.KeyUnknown)):
        checks.id_token(signed(RIGHT), keys, issuer=ISSUER, client_id=CLIENT, nonce=NONCE, now=NOW)


def test_a_logout_token_names_a_session_or_a_person() -> None:
    over = ended(LOGOUT)
    assert (over.issuer, over.subject, over.session, over.number) == (ISSUER, "max", "s-1", "j-1")
    assert ended({key: value for key, value in LOGOUT.items() if key != "sub"}).subject == ""


@pytest.mark.parametrize(
    "change",
    [
        {"events": {}},
        {"events": None},
        {"nonce": "n-1"},
        {"jti": None},
        {"sub": None, "sid": None},
        {"aud": "x"},
    ],
    ids=json.dumps,
)
def test_anything_else_is_no_logout_token(change: dict[str, Any]) -> None:
    claims = {key: value for key, value in {**LOGOUT, **change}.items() if value is not None}
    with pytest.raises(NotSignedIn):
        ended(claims)


def told(claims: dict[str, Any], info: dict[str, Any] | None = None, *, trust: bool = False) -> Any:
    checked = {"sub": "max", **claims}
    return checks.claims_of(checked, info or {}, issuer=ISSUER, groups_claim="roles", trust_address=trust)


def test_what_the_token_says_goes_before_what_is_told_beside_it() -> None:
    info = {"sub": "max", "email": "info@example.com", "email_verified": True, "roles": ["a", "b", "a", 7]}
    found = told({"email": "Max@Example.com"}, info)
    assert (found.email, found.email_verified, found.groups) == ("max@example.com", True, ("a", "b"))
    with pytest.raises(NotSignedIn, match="somebody else"):
        told({}, {"sub": "eve"})


@pytest.mark.parametrize("said", [None, False, "false", 1, "yes"])
def test_an_address_is_verified_only_where_it_is_said(said: Any) -> None:
    assert not told({"email": "max@example.com", "email_verified": said}).email_verified
    assert told({"email": "max@example.com", "email_verified": said}, trust=True).email_verified


def test_one_group_as_text_is_a_group_and_other_shapes_are_none() -> None:
    assert told({"roles": "engineers"}).groups == ("engineers",)
    assert told({"roles": {"a": 1}}).groups == ()
