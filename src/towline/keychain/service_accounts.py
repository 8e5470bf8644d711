"""Service account tokens of Kubernetes, believed by the keys that a project's owner gave for a cluster.

Facts: RFC 7519; Kubernetes' bound service account tokens, whose claim ``kubernetes.io`` names namespace
and service account. The JOSE library is imported when a token comes: most projects never see one.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from towline.domain.errors import NotAllowed
from towline.domain.token_texts import claims_of
from towline.ports import ServiceAccount

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from towline.domain.credential import Password
    from towline.domain.doors import TrustedIssuer

_ALGORITHMS = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
_CLOCK_MAY_DIFFER = 30


class ClusterTokens:
    """The port ``ServiceAccountTokens``."""

    async def verified(
        self, token: Password, trusted: Sequence[TrustedIssuer], *, now: datetime
    ) -> tuple[TrustedIssuer, ServiceAccount]:
        """Return whom the token names, by which issuer; see the port."""
        text = token.reveal()
        named = claims_of(text).get("iss")
        issuer = next((each for each in trusted if each.issuer == named), None)
        if issuer is None:
            who = f"{named[:200]!a}" if isinstance(named, str) else "that it names"
            raise NotAllowed(f"the project trusts no issuer {who} of service account tokens")
        claims = await asyncio.to_thread(_checked, text, issuer, int(now.timestamp()))
        return issuer, _account(claims)


def _checked(text: str, issuer: TrustedIssuer, now: int) -> dict[str, object]:
    """Return the claims of a token whose signature, issuer, audience and time fit."""
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    rules = jwt.JWTClaimsRegistry(
        now=now,
        leeway=_CLOCK_MAY_DIFFER,
        iss={"essential": True, "value": issuer.issuer},
        aud={"essential": True, "value": issuer.audience},
        exp={"essential": True},
    )
    try:
        keys = KeySet.import_key_set(json.loads(issuer.keys))
        read = jwt.decode(text, keys, algorithms=list(_ALGORITHMS))
        rules.validate(read.claims)
    except (JoseError, ValueError, TypeError, LookupError) as error:
        # The last two are the library's for headers and keys of a shape that it did not expect.
        why = str(getattr(error, "description", "")) or type(error).__name__
        raise NotAllowed(f"the service account token is not believed: {why[:200]}") from error
    return dict(read.claims)


def _account(claims: dict[str, object]) -> ServiceAccount:
    bound = claims.get("kubernetes.io")
    named = bound.get("serviceaccount") if isinstance(bound, dict) else None
    namespace = bound.get("namespace") if isinstance(bound, dict) else None
    name = named.get("name") if isinstance(named, dict) else None
    if not isinstance(namespace, str) or not isinstance(name, str):
        raise NotAllowed("the token names no service account; the kubelet sends bound ones")
    if claims.get("sub") != f"system:serviceaccount:{namespace}:{name}":
        raise NotAllowed("the token contradicts itself about its service account")
    return ServiceAccount(namespace, name)
