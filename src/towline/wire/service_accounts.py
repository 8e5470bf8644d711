"""Service accounts and their tokens on the wire, as ``rio service-account`` and the SDK send them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from towline.domain.errors import InvalidInput
from towline.domain.groups import ServiceAccountDraft
from towline.domain.scopes import Scope, parse_scopes
from towline.wire.members import Domain, domain_in
from towline.wire.metadata import API_VERSION, Inbound, Metadata, MetadataIn, check_frame, name_in, rfc3339
from towline.wire.problems import read

if TYPE_CHECKING:
    from towline.domain.account import Token
    from towline.domain.groups import ServiceAccountView


class Binding(msgspec.Struct):
    """Roles that a service account holds."""

    domain: Domain | None = None
    role_names: list[str] | None = msgspec.field(default=None, name="roleNames")


class ServiceAccountSpecIn(msgspec.Struct):
    """``spec`` as clients send it: ``roles`` that are absent or null stay as they are."""

    description: str | None = None
    roles: list[Binding] | None = None


class ServiceAccountIn(Inbound):
    """A service account to make or change."""

    metadata: MetadataIn | None = None
    spec: ServiceAccountSpecIn | None = None


class ServiceAccountSpec(msgspec.Struct):
    """``spec`` of answers."""

    description: str
    roles: list[Binding]


class ServiceAccountDocument(msgspec.Struct):
    """A service account as shown."""

    api_version: str = msgspec.field(name="apiVersion")
    kind: Literal["ServiceAccount"]
    metadata: Metadata
    spec: ServiceAccountSpec


class ServiceTokenIn(msgspec.Struct):
    """A token to make: until when or for how many days (90 without both), its scopes, and its project.

    ``owner`` is what clients of rapyuta.io send; it says nothing here.
    """

    expiry_at: str | None = None
    days: int | None = None
    owner: str | None = None
    scopes: list[str] | None = None
    project_guid: str | None = msgspec.field(default=None, name="projectGUID")


class ServiceTokenDocument(msgspec.Struct, omit_defaults=True):
    """A token as shown; ``token`` is its text, told this once."""

    id: int
    expiry_at: str
    token: str | None = None
    scopes: list[str] | None = None
    project_guid: str | None = msgspec.field(default=None, name="projectGUID")
    created_at: str | None = msgspec.field(default=None, name="createdAt")


def draft(body: bytes, *, name: str = "") -> ServiceAccountDraft:
    """Return the service account that ``body`` asks for; ``name`` is that of the path, where it has one."""
    asked = read(body, ServiceAccountIn)
    check_frame(asked, "ServiceAccount")
    name, spec = name or name_in(asked.metadata), asked.spec or ServiceAccountSpecIn()
    roles = None
    if spec.roles is not None:
        roles = [
            (*domain_in(each.domain, field=f"spec.roles[{at}].domain"), tuple(each.role_names or ()))
            for at, each in enumerate(spec.roles)
        ]
    labels = asked.metadata.labels if asked.metadata else None
    return ServiceAccountDraft(name, description=spec.description or "", labels=labels, roles=roles)


def document(view: ServiceAccountView) -> bytes:
    """Return a service account with its roles."""
    account, owner = view.account, view.organization
    metadata = Metadata(
        name=account.first_name,
        guid=account.guid,
        organization_guid=owner.guid,
        organization_name=owner.name,
        organization_creator_guid=owner.creator_guid,
        labels=dict(account.labels) or None,
        created_at=rfc3339(account.created_at),
    )
    roles = [Binding(Domain(kind, name, guid), list(held)) for kind, name, guid, held in view.roles]
    spec = ServiceAccountSpec(account.description, roles)
    return msgspec.json.encode(
        ServiceAccountDocument(api_version=API_VERSION, kind="ServiceAccount", metadata=metadata, spec=spec)
    )


def wanted_token(body: bytes) -> tuple[datetime | int | None, tuple[Scope, ...], str]:
    """Return until when or for how many days, with which scopes, and in which project (empty: all)."""
    asked = read(body, ServiceTokenIn)
    scopes = parse_scopes(asked.scopes, field="scopes") if asked.scopes else ()
    until = _moment(asked.expiry_at) if asked.days is None else asked.days
    return until, scopes, asked.project_guid or ""


def token_document(token: Token, *, number: int, text: str | None = None) -> bytes:
    """Return a token, with its text where it has just been made."""
    return msgspec.json.encode(
        ServiceTokenDocument(
            number,
            expiry_at=rfc3339(token.expires_at),
            token=text,
            scopes=[str(scope) for scope in token.scopes] or None,
            project_guid=token.project_guid or None,
            created_at=rfc3339(token.created_at),
        )
    )


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(
            "expiry_at", problem=f"{text[:60]!a} is no time", rule="use RFC 3339: 2026-01-31T00:00:00Z"
        ) from None
