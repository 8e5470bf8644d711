"""Tokens of programs on the wire. A token's text is shown once, in the answer to its creation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from towline.domain.errors import InvalidInput
from towline.domain.scopes import Scope, parse_scopes
from towline.wire.metadata import API_VERSION, Inbound, MetadataIn, check_frame, name_in, rfc3339
from towline.wire.problems import read, required

if TYPE_CHECKING:
    from towline.domain.account import Token

DEFAULT_DAYS = 90


class TokenSpecIn(msgspec.Struct):
    """What a token is to allow, in which project, and for how many days."""

    scopes: list[str] | None = None
    project_guid: str | None = msgspec.field(default=None, name="projectGUID")
    days: int | None = None


class TokenIn(Inbound):
    """A token to make."""

    metadata: MetadataIn | None = None
    spec: TokenSpecIn | None = None


class TokenMetadata(msgspec.Struct):
    """A token's name and guid."""

    name: str
    guid: str
    created_at: str = msgspec.field(name="createdAt")


class TokenSpec(msgspec.Struct, omit_defaults=True):
    """What a token allows: its scopes, or without any at most ``level``."""

    kind: Literal["login", "api"]
    expires_at: str = msgspec.field(name="expiresAt")
    scopes: list[str] | None = None
    level: str | None = None
    project_guid: str | None = msgspec.field(default=None, name="projectGUID")


class ApiTokenDocument(msgspec.Struct, omit_defaults=True):
    """A token as it is shown; ``token`` is its text."""

    api_version: str = msgspec.field(name="apiVersion")
    kind: Literal["Token"]
    metadata: TokenMetadata
    spec: TokenSpec
    token: str | None = None


def wanted(body: bytes) -> tuple[str, tuple[Scope, ...], str, int]:
    """Return name, scopes, project's guid (empty for all) and days of a token to make."""
    asked = read(body, TokenIn)
    check_frame(asked, "Token")
    spec = required(asked.spec, field="spec")
    name = name_in(asked.metadata)
    scopes = parse_scopes(required(spec.scopes, field="spec.scopes"), field="spec.scopes")
    if spec.project_guid == "":
        rule = "give a project's guid, or leave it out for all projects"
        raise InvalidInput("spec.projectGUID", problem="is empty", rule=rule)
    days = DEFAULT_DAYS if spec.days is None else spec.days
    return name, scopes, spec.project_guid or "", days


def document(known: Token, *, text: str | None = None) -> bytes:
    """Return the document of a token, with its text where it has just been made."""
    spec = TokenSpec(
        kind="api" if known.kind == "api" else "login",
        expires_at=rfc3339(known.expires_at),
        scopes=[str(scope) for scope in known.scopes] or None,
        level=None if known.scopes else known.ceiling.name.lower(),
        project_guid=known.project_guid or None,
    )
    metadata = TokenMetadata(known.name, known.guid, created_at=rfc3339(known.created_at))
    return msgspec.json.encode(
        ApiTokenDocument(api_version=API_VERSION, kind="Token", metadata=metadata, spec=spec, token=text)
    )
