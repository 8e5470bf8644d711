"""Rows of invitations, of accounts at a sign-in provider, and of what its claims give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from towline.domain.joining import ClaimRule, Invitation, PendingLink


class InvitationRows(Protocol):
    """Addresses that may join an organization by a link."""

    def put(self, invitation: Invitation) -> None:
        """Insert an invitation in place of an earlier one of the same organization and address."""

    def by_digest(self, digest: bytes) -> Invitation | None:
        """Return the invitation of a link."""

    def of_address(self, email: str) -> Sequence[Invitation]:
        """Return the invitations of an address, of all organizations."""

    def of_organization(self, organization_guid: str) -> Sequence[Invitation]:
        """Return an organization's invitations, by address."""

    def remove(self, guid: str) -> None:
        """Delete an invitation."""

    def remove_expired(self, before: datetime) -> int:
        """Delete what ended before this; return how many."""


class IdentityRows(Protocol):
    """Who an account of a provider is here, and what the provider's claims give."""

    def link(self, issuer: str, subject: str, *, user_guid: str, at: datetime) -> None:
        """Say who an account of a provider is here."""

    def user_of(self, issuer: str, subject: str) -> str | None:
        """Return the guid of the user that an account of a provider is."""

    def of_user(self, user_guid: str) -> Sequence[tuple[str, str]]:
        """Return issuer and subject of a user's accounts at providers."""

    def put_pending(self, link: PendingLink) -> None:
        """Insert a link that waits for the account's password."""

    def pending(self, digest: bytes) -> PendingLink | None:
        """Return the link that waits."""

    def remove_pending(self, *, digest: bytes = b"", expired_before: datetime | None = None) -> None:
        """Delete one link that waits, or those that ended before this."""

    def rules(self, organization_guid: str = "") -> Sequence[tuple[str, ClaimRule]]:
        """Return each organization's rules with its guid, or those of one, in order of claims."""

    def set_rules(self, organization_guid: str, rules: Sequence[ClaimRule]) -> None:
        """Make ``rules`` the whole of an organization's."""

    def claimed(self, user_guid: str) -> Mapping[str, tuple[str, ...]]:
        """Return the role names by owner that claims gave somebody at the last sign-in."""

    def set_claimed(self, user_guid: str, roles: Mapping[str, tuple[str, ...]]) -> None:
        """Make ``roles`` the whole of what claims give somebody."""
