"""Invitations, sessions, and what a sign-in provider's claims give, on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from towline.domain.joining import checked_claim
from towline.wire.members import Domain, domain_in
from towline.wire.metadata import API_VERSION, Inbound, check_frame, rfc3339
from towline.wire.problems import read, required

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from towline.domain.account import Token
    from towline.domain.groups import NamedRule
    from towline.domain.joining import Invitation


class RoleIn(msgspec.Struct):
    """A role to give."""

    domain: Domain | None = None
    role_name: str | None = msgspec.field(default=None, name="roleName")


class InvitationSpecIn(msgspec.Struct):
    """Whom to invite; ``admin`` of the organization, and further roles in its projects and groups."""

    email: str | None = None
    admin: bool | None = None
    roles: list[RoleIn] | None = None


class InvitationIn(Inbound):
    """An invitation to make."""

    spec: InvitationSpecIn | None = None


class InvitationMetadata(msgspec.Struct):
    """An invitation's guid and when it was made."""

    guid: str
    created_at: str = msgspec.field(name="createdAt")


class InvitationSpec(msgspec.Struct):
    """Who is invited by whom, to which roles, until when."""

    email: str
    inviter: str
    role_names: list[str] = msgspec.field(name="roleNames")
    expires_at: str = msgspec.field(name="expiresAt")


class InvitationDocument(msgspec.Struct, omit_defaults=True):
    """An invitation; ``link`` is shown this once, ``mail`` says why it was not sent, empty if it was."""

    api_version: str = msgspec.field(name="apiVersion")
    kind: Literal["Invitation"]
    metadata: InvitationMetadata
    spec: InvitationSpec
    link: str | None = None
    mail: str | None = None


class LogoutForm(msgspec.Struct):
    """What a sign-in provider sends when a session there is over."""

    logout_token: str


class SessionMetadata(msgspec.Struct):
    """A session's guid and when it began."""

    guid: str
    created_at: str = msgspec.field(name="createdAt")


class SessionSpec(msgspec.Struct):
    """How and from where a session began, until when it lasts, and whether it is the one that asks."""

    via: str
    peer: str
    expires_at: str = msgspec.field(name="expiresAt")
    current: bool


class SessionDocument(msgspec.Struct):
    """A session."""

    api_version: str = msgspec.field(name="apiVersion")
    kind: Literal["Session"]
    metadata: SessionMetadata
    spec: SessionSpec


class RuleIn(msgspec.Struct):
    """A rule to set."""

    claim: str | None = None
    domain: Domain | None = None
    role_name: str | None = msgspec.field(default=None, name="roleName")


class RulesSpecIn(msgspec.Struct):
    """All rules."""

    rules: list[RuleIn] | None = None


class RulesIn(Inbound):
    """What claims are to give."""

    spec: RulesSpecIn | None = None


class Rule(msgspec.Struct):
    """Who has ``claim`` among the provider's groups holds the role."""

    claim: str
    domain: Domain
    role_name: str = msgspec.field(name="roleName")


class RulesSpec(msgspec.Struct):
    """All rules, in order of claims."""

    rules: list[Rule]


class RulesDocument(msgspec.Struct):
    """What claims give in an organization."""

    api_version: str = msgspec.field(name="apiVersion")
    kind: Literal["ClaimRules"]
    spec: RulesSpec


RoleRef = tuple[str, str, str, str]
"""Kind, name and guid of what a role is for, and the role's name."""


def wanted_invitation(body: bytes) -> tuple[str, bool, Sequence[RoleRef]]:
    """Return the address, whether as admin, and further roles."""
    asked = read(body, InvitationIn)
    check_frame(asked, "Invitation")
    spec = required(asked.spec, field="spec")
    roles = []
    for at, each in enumerate(spec.roles or ()):
        place = f"spec.roles[{at}]"
        role = required(each.role_name, field=f"{place}.roleName")
        roles.append((*domain_in(each.domain, field=f"{place}.domain"), role))
    return required(spec.email, field="spec.email"), bool(spec.admin), roles


def invitation_document(invitation: Invitation, *, link: str | None = None, mail: str | None = None) -> bytes:
    """Return an invitation, with its link where it has just been made."""
    spec = InvitationSpec(
        invitation.email,
        invitation.inviter,
        role_names=[grant.role for grant in invitation.grants],
        expires_at=rfc3339(invitation.expires_at),
    )
    metadata = InvitationMetadata(invitation.guid, rfc3339(invitation.created_at))
    return msgspec.json.encode(
        InvitationDocument(
            api_version=API_VERSION, kind="Invitation", metadata=metadata, spec=spec, link=link, mail=mail
        )
    )


def session_document(token: Token, *, current: bool) -> bytes:
    """Return a session."""
    spec = SessionSpec(token.via, token.peer, expires_at=rfc3339(token.expires_at), current=current)
    metadata = SessionMetadata(token.guid, rfc3339(token.created_at))
    return msgspec.json.encode(
        SessionDocument(api_version=API_VERSION, kind="Session", metadata=metadata, spec=spec)
    )


def wanted_rules(body: bytes) -> Sequence[tuple[str, str, str, str, str]]:
    """Return claim, kind, name and guid of what a role is for, and role, of each rule."""
    asked = read(body, RulesIn)
    check_frame(asked, "ClaimRules")
    spec = required(asked.spec, field="spec")
    found = []
    for at, each in enumerate(required(spec.rules, field="spec.rules")):
        place = f"spec.rules[{at}]"
        claim = checked_claim(required(each.claim, field=f"{place}.claim"), field=f"{place}.claim")
        role = required(each.role_name, field=f"{place}.roleName")
        found.append((claim, *domain_in(each.domain, field=f"{place}.domain"), role))
    return found


def rules_document(rules: Iterable[NamedRule]) -> bytes:
    """Return the rules of an organization."""
    shown = [
        Rule(each.rule.claim, Domain(each.kind, each.name, each.rule.grant.owner_guid), each.rule.grant.role)
        for each in rules
    ]
    return msgspec.json.encode(
        RulesDocument(api_version=API_VERSION, kind="ClaimRules", spec=RulesSpec(shown))
    )
