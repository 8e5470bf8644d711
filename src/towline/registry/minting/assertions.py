"""Signed assertions of who asks: JWTs by RS256 (RFC 7519, RFC 7523)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.domain.causes import FindingCode
from towline.registry.minting.steps import NotMinted

if TYPE_CHECKING:
    from collections.abc import Mapping


def assertion(claims: Mapping[str, object], private_key: str, *, key_id: str = "") -> str:
    """Return the claims signed by a private RSA key in PEM; raise NotMinted for what is no such key."""
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import RSAKey

    header = {"alg": "RS256", "typ": "JWT", **({"kid": key_id} if key_id else {})}
    try:
        return jwt.encode(header, dict(claims), RSAKey.import_key(private_key), algorithms=["RS256"])
    except (JoseError, ValueError, TypeError) as error:
        raise NotMinted(
            FindingCode.MINT_KEY_MALFORMED, "the private key in it is not a sound RSA key in PEM"
        ) from error
