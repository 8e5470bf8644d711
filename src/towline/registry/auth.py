"""The token protocol as plain functions: which request answers a challenge, what its answer means.

Spec: distribution docs/content/spec/auth/{token,oauth}.md. The password goes by GET with Basic, as servers
refuse it by POST; an identity token goes by POST. Parameters that the realm's URL has already are kept.
"""

from __future__ import annotations

import base64
import html
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import msgspec

from towline.domain.credential import authorization_token
from towline.registry.transport import Request

if TYPE_CHECKING:
    from yarl import URL

    from towline.domain.credential import Credential, Password
    from towline.registry.transport import Reply

MOST_TOKEN_BODY = 128 << 10
CLIENT_ID = "towline"
DEFAULT_LIFE = 60
LONGEST_LIFE = 24 * 3600


@dataclass(frozen=True, slots=True)
class Bearer:
    """A token and how long it lives, in seconds. The token is opaque and never shown."""

    header: str
    expires_in: int

    def __repr__(self) -> str:
        return "Bearer(***)"


def pull_scope(repository: str) -> str:
    """Return the scope that allows to pull from ``repository``."""
    return f"repository:{repository}:pull"


def basic_header(credential: Credential) -> str:
    """Return the Authorization header of a credential (RFC 7617, UTF-8)."""
    return f"Basic {authorization_token(credential).reveal()}"


def forms_of(credential: Credential) -> tuple[str, ...]:
    """Return every form in which a server may repeat a login that it was sent: all are blotted out."""
    plain, token = credential.password.reveal(), authorization_token(credential).reveal()
    return (
        token,
        quote(plain, safe=""),
        quote_plus(plain),
        json.dumps(plain)[1:-1],
        html.escape(plain),
        base64.b64encode(plain.encode()).decode().rstrip("="),
        plain,
    )


def token_request(realm: URL, *, service: str, scope: str, credential: Credential | None) -> Request:
    """Return the request for a token; without a credential an anonymous one."""
    url = realm
    if service:
        url = url.update_query({"service": service})
    if scope:
        url = url.update_query({"scope": scope})
    if credential is None:
        return Request("GET", url, most_body=MOST_TOKEN_BODY)
    if credential.is_identity_token:
        return _exchange(realm, service=service, scope=scope, token=credential.password)
    headers = {"Authorization": basic_header(credential)}
    return Request("GET", url, headers, sent="basic", most_body=MOST_TOKEN_BODY)


def _exchange(realm: URL, *, service: str, scope: str, token: Password) -> Request:
    """Return the request that gives an identity token and takes an access token (OAuth 2, by POST)."""
    form = {"grant_type": "refresh_token", "refresh_token": token.reveal(), "client_id": CLIENT_ID}
    if service:
        form["service"] = service
    if scope:
        form["scope"] = scope
    return Request("POST", realm, sent="identity-token", most_body=MOST_TOKEN_BODY, form=form)


def bearer_of(reply: Reply) -> Bearer | None:
    """Return the token in a token server's answer, None when there is none."""
    try:
        document = msgspec.json.decode(reply.body)
    except (msgspec.DecodeError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    token = document.get("token") or document.get("access_token")
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or " " in token:
        return None
    life = document.get("expires_in")
    seconds = life if isinstance(life, int) and life > 0 else DEFAULT_LIFE
    return Bearer(f"Bearer {token}", min(seconds, LONGEST_LIFE))
