"""What is believed of a provider's tokens: pure rules over text, keys and the present time.

OpenID Connect Core 1.0, 3.1.3.7 (ID tokens) and Back-Channel Logout 1.0, 2.6 (logout tokens). The JOSE
library is imported when a token comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from towline.domain.errors import NotSignedIn
from towline.domain.joining import MOST_GROUPS, Claims, EndedSession

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joserfc.jwk import KeySetSerialization

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures by keys that the provider alone holds: no ``none``, and none by the client's secret."""
CLOCK_MAY_DIFFER = 60
LONGEST_AGE = 600
"""Seconds since an ID token or logout token was made: both are used at once."""
_LOGOUT = "http://schemas.openid.net/event/backchannel-logout"
_LONGEST = 1000


class KeyUnknown(Exception):
    """No key of the set made this signature: the provider may have changed its keys."""


def id_token(
    text: str, keys: object, *, issuer: str, client_id: str, nonce: str, now: int
) -> Mapping[str, object]:
    """Return the claims of an ID token that is for us and of this sign-in; raise NotSignedIn, KeyUnknown."""
    claims = _signed(text, keys, issuer=issuer, client_id=client_id, now=now)
    if not nonce or claims.get("nonce") != nonce:
        raise NotSignedIn("the provider's answer belongs to another sign-in (nonce); try again")
    _check_party(claims, client_id)
    _text(claims, "sub", required=True)
    return claims


def logout_token(text: str, keys: object, *, issuer: str, client_id: str, now: int) -> EndedSession:
    """Return whose session, or which, a logout token ends; raise NotSignedIn, KeyUnknown."""
    claims = _signed(text, keys, issuer=issuer, client_id=client_id, now=now)
    events = claims.get("events")
    if not isinstance(events, dict) or _LOGOUT not in events or "nonce" in claims:
        raise NotSignedIn("this is no logout token")
    subject, session = _text(claims, "sub"), _text(claims, "sid")
    if not subject and not session:
        raise NotSignedIn("the logout token names neither a person nor a session")
    return EndedSession(issuer, subject, session, number=_text(claims, "jti", required=True))


def claims_of(
    checked: Mapping[str, object],
    told: Mapping[str, object],
    *,
    issuer: str,
    groups_claim: str,
    trust_address: bool,
) -> Claims:
    """Return who signed in, from a checked ID token and what the userinfo endpoint told beside it.

    The ID token wins. An address counts as verified where the provider says so, or ``trust_address``.
    """
    if told and told.get("sub") != checked["sub"]:
        raise NotSignedIn("the provider's userinfo is about somebody else")
    both = {**told, **checked}
    email, said = _text(both, "email"), both.get("email_verified")
    return Claims(
        issuer,
        _text(both, "sub"),
        email=email.strip().lower(),
        email_verified=bool(email) and (said is True or said == "true" or trust_address),
        first_name=_name(both, "given_name") or _name(both, "name"),
        last_name=_name(both, "family_name"),
        groups=_groups(both.get(groups_claim)),
        session=_text(checked, "sid"),
    )


def _signed(text: str, keys: object, *, issuer: str, client_id: str, now: int) -> Mapping[str, object]:
    from joserfc import jwt
    from joserfc.errors import InvalidKeyIdError, JoseError
    from joserfc.jwk import KeySet

    rules = jwt.JWTClaimsRegistry(
        now=now,
        leeway=CLOCK_MAY_DIFFER,
        iss={"essential": True, "value": issuer},
        aud={"essential": True, "value": client_id},
        exp={"essential": True},
        iat={"essential": True},
    )
    try:
        known = KeySet.import_key_set(cast("KeySetSerialization", _usable(keys)))
        read = jwt.decode(text, known, algorithms=list(ALGORITHMS))
    except InvalidKeyIdError as error:
        raise KeyUnknown from error
    except (JoseError, ValueError, TypeError, LookupError) as error:
        # The last three are the library's for headers and keys of a shape that it did not expect.
        raise NotSignedIn(f"the provider's token is not believed: {_why(error)}") from error
    try:
        rules.validate(read.claims)
    except JoseError as error:
        raise NotSignedIn(f"the provider's token is not believed: {_why(error)}") from error
    made = read.claims["iat"]
    if not isinstance(made, (int, float)) or made < now - LONGEST_AGE - CLOCK_MAY_DIFFER:
        raise NotSignedIn("the provider's token is too old; are both clocks right?")
    return dict(read.claims)


def _usable(keys: object) -> dict[str, list[dict[str, object]]]:
    """Return the keys for signatures, without those of kinds that we do not know."""
    listed = keys.get("keys") if isinstance(keys, dict) else None
    found = [
        each
        for each in (listed if isinstance(listed, list) else ())
        if isinstance(each, dict)
        and each.get("kty") in ("RSA", "EC", "OKP")
        and each.get("use", "sig") == "sig"
    ]
    return {"keys": found}


def _check_party(claims: Mapping[str, object], client_id: str) -> None:
    """Refuse a token that was made for another program, and is for us as well."""
    several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if claims.get("azp", client_id if not several else None) != client_id:
        raise NotSignedIn("the provider's token was made for another program (azp)")


def _text(claims: Mapping[str, object], name: str, *, required: bool = False) -> str:
    found = claims.get(name)
    text = found if isinstance(found, str) and len(found) <= _LONGEST and found.isprintable() else ""
    if required and not text:
        raise NotSignedIn(f"the provider's token has no {name}")
    return text


def _name(claims: Mapping[str, object], name: str) -> str:
    return _text(claims, name).strip()[:100]


def _groups(found: object) -> tuple[str, ...]:
    listed = [found] if isinstance(found, str) else found if isinstance(found, list) else []
    return tuple(dict.fromkeys(each for each in listed if isinstance(each, str) and each))[:MOST_GROUPS]


def _why(error: Exception) -> str:
    return (str(getattr(error, "description", "")) or type(error).__name__)[:200]
