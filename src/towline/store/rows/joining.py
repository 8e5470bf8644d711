"""Rows of invitations, of accounts at a sign-in provider, and of what its claims give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from towline.domain.joining import ClaimRule, Claims, Grant, Invitation, PendingLink
from towline.store.rows.codec import Row, micros, moment, text, value
from towline.store.rows.connection import Connection


@dataclass(frozen=True, slots=True)
class _Told:
    """What an invitation says beside what is searched for."""

    email: str
    inviter: str
    grants: tuple[Grant, ...]
    created_at: datetime


class Invitations:
    """The port ``InvitationRows``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, invitation: Invitation) -> None:
        """Insert an invitation in place of an earlier one of the same address."""
        key = invitation.email.casefold()
        self._connection.execute(
            "DELETE FROM invitations WHERE organization_guid = ? AND email_key = ?",
            (invitation.organization_guid, key),
        )
        self._connection.execute(
            "INSERT INTO invitations (guid, digest, organization_guid, email_key, expires_at, body)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (
                invitation.guid,
                invitation.digest,
                invitation.organization_guid,
                key,
                micros(invitation.expires_at),
                text(_Told(invitation.email, invitation.inviter, invitation.grants, invitation.created_at)),
            ),
        )

    def by_digest(self, digest: bytes) -> Invitation | None:
        """Return the invitation of a link."""
        found = self._where("digest = ?", digest)
        return found[0] if found else None

    def of_address(self, email: str) -> Sequence[Invitation]:
        """Return the invitations of an address, of all organizations."""
        return self._where("email_key = ?", email.casefold())

    def of_organization(self, organization_guid: str) -> Sequence[Invitation]:
        """Return an organization's invitations, by address."""
        return self._where("organization_guid = ?", organization_guid)

    def remove(self, guid: str) -> None:
        """Delete an invitation."""
        self._connection.execute("DELETE FROM invitations WHERE guid = ?", (guid,))

    def remove_expired(self, before: datetime) -> int:
        """Delete what ended before this; return how many."""
        return self._connection.execute(
            "DELETE FROM invitations WHERE expires_at <= ?", (micros(before),)
        ).rowcount

    def _where(self, condition: str, wanted: str | bytes) -> Sequence[Invitation]:
        rows = self._connection.execute(
            "SELECT guid, digest, organization_guid, expires_at, body FROM invitations"
            f" WHERE {condition} ORDER BY email_key, guid",
            (wanted,),
        )
        return tuple(map(_invitation, rows))


class Identities:
    """The port ``IdentityRows``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def link(self, issuer: str, subject: str, *, user_guid: str, at: datetime) -> None:
        """Say who an account of a provider is here."""
        self._connection.execute(
            "INSERT INTO identities (issuer, subject, user_guid, created_at) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (issuer, subject) DO UPDATE SET user_guid = excluded.user_guid",
            (issuer, subject, user_guid, micros(at)),
        )

    def user_of(self, issuer: str, subject: str) -> str | None:
        """Return the guid of the user that an account of a provider is."""
        row = self._connection.execute(
            "SELECT user_guid FROM identities WHERE issuer = ? AND subject = ?", (issuer, subject)
        ).fetchone()
        return row[0] if row else None

    def of_user(self, user_guid: str) -> Sequence[tuple[str, str]]:
        """Return issuer and subject of a user's accounts at providers."""
        rows = self._connection.execute(
            "SELECT issuer, subject FROM identities WHERE user_guid = ? ORDER BY issuer, subject",
            (user_guid,),
        )
        return tuple((issuer, subject) for issuer, subject in rows)

    def put_pending(self, link: PendingLink) -> None:
        """Insert a link that waits for the account's password."""
        self._connection.execute(
            "INSERT INTO pending_links (digest, user_guid, expires_at, body) VALUES (?, ?, ?, ?)",
            (link.digest, link.user_guid, micros(link.expires_at), text(link.claims)),
        )

    def pending(self, digest: bytes) -> PendingLink | None:
        """Return the link that waits."""
        row = self._connection.execute(
            "SELECT digest, user_guid, expires_at, body FROM pending_links WHERE digest = ?", (digest,)
        ).fetchone()
        if row is None:
            return None
        return PendingLink(row[0], row[1], expires_at=moment(row[2]), claims=value(Claims, row[3]))

    def remove_pending(self, *, digest: bytes = b"", expired_before: datetime | None = None) -> None:
        """Delete one link that waits, or those that ended before this."""
        self._connection.execute("DELETE FROM pending_links WHERE digest = ?", (digest,))
        if expired_before is not None:
            self._connection.execute(
                "DELETE FROM pending_links WHERE expires_at <= ?", (micros(expired_before),)
            )

    def rules(self, organization_guid: str = "") -> Sequence[tuple[str, ClaimRule]]:
        """Return each organization's rules with its guid, or those of one, in order of claims."""
        condition = ""
        values: tuple[str, ...] = ()
        if organization_guid:
            condition, values = " WHERE organization_guid = ?", (organization_guid,)
        rows = self._connection.execute(
            f"SELECT organization_guid, claim, owner_guid, role FROM claim_rules{condition}"
            " ORDER BY organization_guid, claim, owner_guid, role",
            values,
        )
        return tuple((row[0], ClaimRule(row[1], Grant(row[2], row[3]))) for row in rows)

    def set_rules(self, organization_guid: str, rules: Sequence[ClaimRule]) -> None:
        """Make ``rules`` the whole of an organization's."""
        self._connection.execute("DELETE FROM claim_rules WHERE organization_guid = ?", (organization_guid,))
        for rule in dict.fromkeys(rules):
            self._connection.execute(
                "INSERT INTO claim_rules (organization_guid, claim, owner_guid, role) VALUES (?, ?, ?, ?)",
                (organization_guid, rule.claim, rule.grant.owner_guid, rule.grant.role),
            )

    def claimed(self, user_guid: str) -> Mapping[str, tuple[str, ...]]:
        """Return the role names by owner that claims gave somebody at the last sign-in."""
        rows = self._connection.execute(
            "SELECT owner_guid, roles FROM claimed_roles WHERE user_guid = ? ORDER BY owner_guid",
            (user_guid,),
        )
        return {owner: value(tuple[str, ...], roles) for owner, roles in rows}

    def set_claimed(self, user_guid: str, roles: Mapping[str, tuple[str, ...]]) -> None:
        """Make ``roles`` the whole of what claims give somebody."""
        self._connection.execute("DELETE FROM claimed_roles WHERE user_guid = ?", (user_guid,))
        for owner, names in roles.items():
            self._connection.execute(
                "INSERT INTO claimed_roles (owner_guid, user_guid, roles) VALUES (?, ?, ?)",
                (owner, user_guid, text(names)),
            )


def _invitation(row: Row) -> Invitation:
    guid, digest, organization, expires, body = row
    told = value(_Told, body)
    return Invitation(
        guid,
        digest,
        organization,
        email=told.email,
        inviter=told.inviter,
        created_at=told.created_at,
        expires_at=moment(expires),
        grants=told.grants,
    )
