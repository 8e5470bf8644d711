"""OAuth's device authorization grant on the wire: RFC 8628, found as OpenID Connect Discovery 1.0 says.

Requests are forms. The ID token is the envelope in which ``rio`` looks for its token (decision 22): it
came over the connection that the client itself opened, and nobody else is to believe it, so it is not signed.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Literal
from urllib.parse import parse_qsl

import msgspec

from towline.domain.device_login import DeviceLogin, Granted, PollAnswer
from towline.domain.errors import InvalidInput

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"
SCOPE = "openid email"
AUTHORIZATION_PATH, TOKEN_PATH, PAGE_PATH = "/oauth2/device/authorization", "/oauth2/token", "/device"
FORM = "application/x-www-form-urlencoded"
_MOST_FIELDS = 20
_NO_SIGNATURE = b'{"alg":"none","typ":"JWT"}'

_MEANINGS = {
    PollAnswer.PENDING: "nobody has answered yet; ask again after the interval",
    PollAnswer.SLOW_DOWN: "this came too early; wait five seconds longer from now on",
    PollAnswer.DENIED: "the person said no",
    PollAnswer.EXPIRED: "the code has expired; begin anew",
    PollAnswer.UNKNOWN: "there is no such code, or it was used",
}

_encode = msgspec.json.Encoder().encode


class AuthorizationForm(msgspec.Struct):
    """What a program asks to be signed in with."""

    client_id: str
    scope: str = ""


class TokenForm(msgspec.Struct):
    """What a program asks for its token with."""

    grant_type: str
    client_id: str
    device_code: str


class DiscoveryDocument(msgspec.Struct):
    """Where a program finds the two addresses that it needs."""

    issuer: str
    device_authorization_endpoint: str
    token_endpoint: str
    grant_types_supported: list[str]
    response_types_supported: list[str]
    subject_types_supported: list[str]
    scopes_supported: list[str]
    id_token_signing_alg_values_supported: list[str]
    token_endpoint_auth_methods_supported: list[str]


class AuthorizationDocument(msgspec.Struct):
    """The codes of a login that begins."""

    device_code: str
    user_code: str
    verification_uri: str
    verification_uri_complete: str
    expires_in: int
    interval: int


class GrantDocument(msgspec.Struct):
    """The token of a login that a person has approved."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    scope: str
    id_token: str


class Claims(msgspec.Struct):
    """What the ID token says; ``rio`` reads the last two."""

    iss: str
    sub: str
    aud: str
    iat: int
    exp: int
    name: str
    email: str
    rio_token: str


class OAuthErrorDocument(msgspec.Struct):
    """A refusal in the words of RFC 6749, 5.2."""

    error: str
    error_description: str


def token_request(form: Mapping[str, str]) -> TokenForm:
    """Return what a program asks for its token with; raise InvalidInput where a field is missing."""
    for field in ("grant_type", "client_id", "device_code"):
        if not form.get(field):
            raise InvalidInput(field, problem="is missing", rule="send grant_type, client_id, device_code")
    return TokenForm(form["grant_type"], form["client_id"], form["device_code"])


def form_of(body: bytes) -> dict[str, str]:
    """Return a form's fields; raise InvalidInput where it cannot be read or says something twice."""
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except ValueError:
        raise InvalidInput("", problem="the body is not a form", rule=f"send {FORM}") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise InvalidInput("", problem="the form says something twice", rule="send each field once")
    return fields


def discovery_document(server: str) -> bytes:
    """Return what a program finds at the well-known address."""
    return _encode(
        DiscoveryDocument(
            issuer=server,
            device_authorization_endpoint=f"{server}{AUTHORIZATION_PATH}",
            token_endpoint=f"{server}{TOKEN_PATH}",
            grant_types_supported=[GRANT_TYPE],
            response_types_supported=[],
            subject_types_supported=["public"],
            scopes_supported=SCOPE.split(),
            id_token_signing_alg_values_supported=["none"],
            token_endpoint_auth_methods_supported=["none"],
        )
    )


def authorization_document(login: DeviceLogin, server: str, *, device_code: str, user_code: str) -> bytes:
    """Return the codes of a login that begins at ``server``."""
    page = f"{server}{PAGE_PATH}"
    return _encode(
        AuthorizationDocument(
            device_code,
            user_code,
            verification_uri=page,
            verification_uri_complete=f"{page}?user_code={user_code}",
            expires_in=int((login.expires_at - login.created_at).total_seconds()),
            interval=int(login.interval.total_seconds()),
        )
    )


def grant_document(granted: Granted, server: str, *, client_id: str) -> bytes:
    """Return the token, and the ID token with it inside."""
    now, life, user = int(granted.at.timestamp()), granted.seconds, granted.user
    claims = Claims(
        iss=server,
        sub=user.guid,
        aud=client_id,
        iat=now,
        exp=now + life,
        name=user.name,
        email=user.email,
        rio_token=granted.token,
    )
    return _encode(
        GrantDocument(
            granted.token, "Bearer", expires_in=life, scope=SCOPE, id_token=_unsigned(_encode(claims))
        )
    )


def poll_refusal(heard: PollAnswer) -> bytes:
    """Return what a program hears that gets no token."""
    return refusal(heard.value, _MEANINGS[heard])


def refusal(error: str, meaning: str) -> bytes:
    """Return an error in OAuth's form."""
    return _encode(OAuthErrorDocument(error, meaning))


def _unsigned(claims: bytes) -> str:
    """Return an unsecured JWT: RFC 7519, 6."""
    return ".".join((_part(_NO_SIGNATURE), _part(claims), ""))


def _part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
