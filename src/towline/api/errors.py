"""Every error as a status and ``{"error": text}``, the one form that rapyuta.io's clients print.

Validation is 400 and never 422; a role that is too small is 403 and never 401, after which ``rio``
would send a second request.
"""

from __future__ import annotations

import msgspec

from towline.api.operations import JSON, Reply
from towline.domain.errors import (
    Conflict,
    EngineFailed,
    InvalidInput,
    KeysUnreachable,
    NotAllowed,
    NotFound,
    NotSignedIn,
    ProofRequired,
    ProviderFailed,
    PullRefused,
    SealBroken,
    StoreFull,
    StoreUnavailable,
    Throttled,
    TowlineError,
)
from towline.wire.answers import ErrorDocument
from towline.wire.proofs import finding_document

_encode = msgspec.json.Encoder().encode

_STATUS: dict[type[TowlineError], int] = {
    InvalidInput: 400,
    NotSignedIn: 401,
    NotAllowed: 403,
    NotFound: 404,
    Conflict: 409,
    ProofRequired: 412,
    Throttled: 429,
    SealBroken: 500,
    KeysUnreachable: 503,
    StoreUnavailable: 503,
    PullRefused: 502,
    ProviderFailed: 502,
    EngineFailed: 503,
    StoreFull: 507,
}
ROOM_AGAIN_SECONDS = 60
_CHALLENGE = (b"www-authenticate", b'Bearer realm="towline"')


class TooLarge(TowlineError):
    """A body is larger than the operation takes."""

    def __init__(self, most: int) -> None:
        super().__init__(f"the body is larger than {most} bytes; send less")


class ClientGone(Exception):
    """The caller hung up before its request was complete; nobody is there to be answered."""


def refusal(error: TowlineError) -> Reply:
    """Return the answer that tells a caller of ``error``."""
    status = 413 if isinstance(error, TooLarge) else _status(error)
    finding = (
        error.finding if isinstance(error, ProofRequired | PullRefused | EngineFailed | StoreFull) else None
    )
    document = ErrorDocument(
        error=str(error),
        field=error.field or None if isinstance(error, InvalidInput) else None,
        finding=finding_document(finding) if finding else None,
    )
    headers = JSON
    if isinstance(error, NotSignedIn):
        headers = (*JSON, _CHALLENGE)
    elif isinstance(error, StoreFull):
        headers = (*JSON, (b"retry-after", b"%d" % ROOM_AGAIN_SECONDS))
    elif isinstance(error, Throttled | StoreUnavailable):
        headers = (*JSON, (b"retry-after", str(error.retry_after).encode()))
    return Reply(_encode(document), status, headers)


def plain(status: int, text: str, *, request_id: str | None = None, allow: str = "") -> Reply:
    """Return an answer for what no part of the domain knows: unknown paths, methods, our own failures."""
    headers = (*JSON, (b"allow", allow.encode())) if allow else JSON
    return Reply(_encode(ErrorDocument(error=text, request_id=request_id)), status, headers)


def later(seconds: int) -> Reply:
    """Return the answer to one request too many from an address."""
    return refusal(Throttled("too many requests from this address", retry_after=seconds))


def _status(error: TowlineError) -> int:
    for kind in type(error).__mro__:
        if kind in _STATUS:
            return _STATUS[kind]
    return 500
