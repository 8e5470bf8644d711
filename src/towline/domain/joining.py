"""How people come in: invitations, and accounts at a sign-in provider with the roles that its claims give."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from towline.domain.errors import InvalidInput

INVITATION_LIFE = timedelta(days=7)
LINK_LIFE = timedelta(minutes=10)
LONGEST_CLAIM = 255
MOST_RULES = 500
MOST_GROUPS = 1000
"""Groups of one person that are looked at; a provider that sends more sends a mistake."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A role in an organization, project or group, which ``owner_guid`` names."""

    owner_guid: str
    role: str


@dataclass(frozen=True, slots=True)
class Invitation:
    """An address that may join an organization by a link, once. The link's secret is kept as its SHA-256."""

    guid: str
    digest: bytes
    organization_guid: str
    email: str
    inviter: str
    created_at: datetime
    expires_at: datetime
    grants: tuple[Grant, ...]

    def is_open(self, now: datetime) -> bool:
        """Whether the link still works."""
        return now < self.expires_at


@dataclass(frozen=True, slots=True)
class ClaimRule:
    """Who has ``claim`` among the groups of the provider holds ``grant``."""

    claim: str
    grant: Grant


@dataclass(frozen=True, slots=True)
class Claims:
    """What a provider says about somebody who signed in there, already checked.

    ``subject`` is the provider's own identifier, ``session`` that of the session there (``sid``), if any.
    """

    issuer: str
    subject: str
    email: str = ""
    email_verified: bool = False
    first_name: str = ""
    last_name: str = ""
    groups: tuple[str, ...] = ()
    session: str = ""


@dataclass(frozen=True, slots=True)
class EndedSession:
    """What a provider says is over: a session there, or all of somebody's; ``number`` names the message."""

    issuer: str
    subject: str
    session: str
    number: str


@dataclass(frozen=True, slots=True)
class PendingLink:
    """Somebody at the provider whose address has an account here, until the account's password is given."""

    digest: bytes
    user_guid: str
    expires_at: datetime
    claims: Claims


def granted_by(rules: Iterable[ClaimRule], groups: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """Return role names by owner, as ``rules`` give them to who is in ``groups``."""
    held = set(groups)
    found: dict[str, dict[str, None]] = {}
    for rule in rules:
        if rule.claim in held:
            found.setdefault(rule.grant.owner_guid, {})[rule.grant.role] = None
    return {owner: tuple(roles) for owner, roles in found.items()}


def checked_claim(text: str, *, field: str) -> str:
    """Return a group's name as a provider may send it; raise InvalidInput."""
    if not text or len(text) > LONGEST_CLAIM or not text.isprintable():
        rule = f"use at most {LONGEST_CLAIM} printable characters"
        raise InvalidInput(field, problem="is no group's name", rule=rule)
    return text
