"""GitHub Packages: an app's private key signs an assertion, which is exchanged for an installation's token.

API: docs.github.com, REST, "Create an installation access token for an app". The token lives for an hour
and is asked for with no right but reading packages.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from yarl import URL

from towline.domain.causes import FindingCode
from towline.domain.credential import Credential, Password
from towline.domain.minting import MINTS, Grant, MintKind
from towline.registry.minting.assertions import assertion
from towline.registry.minting.steps import (
    LIMITED,
    NotMinted,
    answered,
    malformed,
    no_token,
    refuse_trouble,
    text_of,
    trouble,
)
from towline.registry.transport import Reply, Request

if TYPE_CHECKING:
    from towline.domain.minting import MintOrder
    from towline.registry.minting.steps import Steps

_FACTS = MINTS[MintKind.GITHUB_APP]
_ENDPOINT = "https://api.github.com"
_BEFORE, _AFTER = 60, 540
"""Seconds around now for which an assertion holds: clocks differ a little, and ten minutes are allowed."""
_SKEW = re.compile(r"\b(?:exp|iat)\b|expiration time|issued at|expired", re.IGNORECASE)
_PACKAGES = (
    "Give the app the permission Packages: read (repository permissions), let the organization's owner "
    "accept that for the installation, then verify the secret again."
)


@dataclass(frozen=True, slots=True)
class GitHubAppMinting:
    """An installation's token on its way."""

    order: MintOrder
    private_key: str = field(repr=False)

    @classmethod
    def of(cls, order: MintOrder, text: str) -> GitHubAppMinting:
        """Return it; raise InvalidInput for a parent credential that is no private key."""
        if not re.match(r"-----BEGIN (?:RSA )?PRIVATE KEY-----", text.lstrip()):
            raise malformed("is not a private key in PEM", _FACTS.key)
        return cls(order, text.strip())

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no text may show."""
        return (self.private_key,)

    def steps(self, now: datetime) -> Steps:
        """Exchange an assertion for a token that may read packages."""
        at, settings = int(now.timestamp()), self.order.mint.settings
        claims = {"iss": settings["app-id"], "iat": at - _BEFORE, "exp": at + _AFTER}
        base = (settings.get("endpoint") or _ENDPOINT).rstrip("/")
        url = URL(f"{base}/app/installations/{quote(settings['installation-id'], safe='')}/access_tokens")
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {assertion(claims, self.private_key)}",
            "Content-Type": "application/json",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        body = json.dumps({"permissions": {"packages": "read"}}).encode()
        reply = yield Request("POST", url, headers, sent="signed-assertion", content=body)
        refuse_trouble(reply)
        if reply.status != 201:
            raise _refusal(reply)
        document = answered(reply)
        token, expires_at = text_of(document, "token"), _moment(text_of(document, "expires_at"))
        if not token or expires_at is None:
            raise no_token("token with its end")
        return Grant(Credential(_FACTS.username, Password(token)), now, expires_at)


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None


def _refusal(reply: Reply) -> NotMinted:
    words = text_of(answered(reply), "message")
    if reply.status == LIMITED or "rate limit" in words.lower():
        return trouble(reply, said=words)
    if reply.status == 401:
        is_late = bool(_SKEW.search(words))
        code = FindingCode.MINT_CLOCK_SKEW if is_late else FindingCode.MINT_CREDENTIAL_REFUSED
        return NotMinted(code, words)
    if reply.status == 403:
        return NotMinted(FindingCode.MINT_CREDENTIAL_REFUSED, words)
    if reply.status == 404:
        return NotMinted(FindingCode.MINT_TARGET_UNKNOWN, f"{words}: no such app or installation")
    if reply.status == 422:
        return NotMinted(FindingCode.MINT_NOT_ALLOWED, words, fix=_PACKAGES)
    return trouble(reply, said=words)
