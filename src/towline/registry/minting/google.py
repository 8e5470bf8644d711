"""Google Artifact Registry: a service account's key signs an assertion, exchanged for an access token.

Spec: developers.google.com, "Using OAuth 2.0 for Server to Server Applications"; RFC 7523. The token lives
for an hour and is the password of the user ``oauth2accesstoken``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from yarl import URL

from towline.domain.causes import FindingCode
from towline.domain.credential import Credential, Password
from towline.domain.minting import MINTS, Grant, MintKind, checked_url
from towline.registry.minting.assertions import assertion
from towline.registry.minting.steps import (
    NotMinted,
    answered,
    document_in,
    malformed,
    no_token,
    refuse_trouble,
    text_of,
    trouble,
)
from towline.registry.transport import Reply, Request

if TYPE_CHECKING:
    from datetime import datetime

    from towline.domain.minting import MintOrder
    from towline.registry.minting.steps import Steps

_FACTS = MINTS[MintKind.GOOGLE]
_ENDPOINT = "https://oauth2.googleapis.com/token"
_SCOPE = "https://www.googleapis.com/auth/cloud-platform.read-only"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFE = timedelta(hours=1)
_SKEW = re.compile(r"reasonable timeframe|short-lived token|\biat\b|issued in the future", re.IGNORECASE)
_REFUSED = frozenset({"invalid_grant", "invalid_client", "unauthorized_client", "disabled_client"})
_UNKNOWN = frozenset({"invalid_scope", "invalid_request", "unsupported_grant_type"})


@dataclass(frozen=True, slots=True)
class GoogleMinting:
    """An access token of a service account on its way."""

    order: MintOrder
    email: str
    key_id: str
    private_key: str = field(repr=False)
    endpoint: str

    @classmethod
    def of(cls, order: MintOrder, text: str) -> GoogleMinting:
        """Return it; raise InvalidInput for a parent credential that is no service account's key file."""
        document = document_in(text, wanted=_FACTS.key)
        if document.get("type") != "service_account":
            raise malformed("is not a service account's key", _FACTS.key)
        email, private_key = text_of(document, "client_email"), text_of(document, "private_key")
        if not email or not private_key.lstrip().startswith("-----BEGIN"):
            raise malformed("holds no client_email or no private_key", _FACTS.key)
        named = text_of(document, "token_uri")
        endpoint = order.mint.settings.get("endpoint") or named or _ENDPOINT
        checked_url("spec.docker.mint.key" if endpoint == named else "endpoint", endpoint)
        return cls(order, email, text_of(document, "private_key_id"), private_key, endpoint)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no text may show."""
        return (self.private_key,)

    def steps(self, now: datetime) -> Steps:
        """Exchange an assertion for a token."""
        form = {"grant_type": _GRANT, "assertion": self._assertion(now)}
        reply = yield Request("POST", URL(self.endpoint), sent="signed-assertion", form=form)
        refuse_trouble(reply)
        if reply.status != 200:
            raise _refusal(reply)
        document = answered(reply)
        token, seconds = text_of(document, "access_token"), document.get("expires_in")
        if not token or isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise no_token("access token with its life")
        return Grant(
            Credential(_FACTS.username, Password(token)), now, now + min(timedelta(seconds=seconds), _LIFE)
        )

    def _assertion(self, now: datetime) -> str:
        at = int(now.timestamp())
        claims = {
            "iss": self.email,
            "scope": self.order.mint.settings.get("scope") or _SCOPE,
            "aud": self.endpoint,
            "iat": at,
            "exp": at + int(_LIFE.total_seconds()),
        }
        return assertion(claims, self.private_key, key_id=self.key_id)


def _refusal(reply: Reply) -> NotMinted:
    document = answered(reply)
    code, words = text_of(document, "error"), text_of(document, "error_description")
    said = f"{code}: {words}" if words else code
    if code == "invalid_grant" and _SKEW.search(words):
        return NotMinted(FindingCode.MINT_CLOCK_SKEW, said)
    if code in _REFUSED:
        return NotMinted(FindingCode.MINT_CREDENTIAL_REFUSED, said)
    if code in _UNKNOWN:
        return NotMinted(FindingCode.MINT_TARGET_UNKNOWN, said)
    return trouble(reply, said=said)
