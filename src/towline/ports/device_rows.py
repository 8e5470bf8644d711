"""Rows of programs that wait to be signed in through a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from towline.domain.device_login import DeviceLogin


class DeviceLoginRows(Protocol):
    """Logins by either of their codes' digests."""

    def add(self, login: DeviceLogin) -> None:
        """Insert a login; raise Conflict if one of its codes is in use."""

    def by_device(self, digest: bytes) -> DeviceLogin | None:
        """Return the login of a device code."""

    def by_user_code(self, digest: bytes) -> DeviceLogin | None:
        """Return the login of a user code."""

    def save(self, login: DeviceLogin) -> None:
        """Replace what changes: pace, state and who answered."""

    def remove(self, device_digest: bytes) -> None:
        """Delete a login."""

    def remove_of(self, user_guid: str, *, approver_guid: str = "") -> None:
        """Delete what somebody has approved and no program has fetched: all, or in one session."""

    def remove_expired(self, before: datetime) -> int:
        """Delete what ended before this; return how many."""

    def count(self, *, peer: str = "") -> int:
        """Return how many there are, all or those of one peer."""
