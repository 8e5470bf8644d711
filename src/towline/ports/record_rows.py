"""Rows of proofs, audit, registries and settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towline.domain.audit import AuditEntry
    from towline.domain.listing import Listing, Page
    from towline.domain.proof import Proof
    from towline.domain.registry import RegistrySettings


class ProofRows(Protocol):
    """The history of proofs."""

    def add(self, proof: Proof) -> None:
        """Insert a proof."""

    def newest(self, secret_guid: str, *, image: str | None = None, most: int = 50) -> Sequence[Proof]:
        """Return a secret's newest proofs first; with ``image`` only those of that image."""


class AuditRows(Protocol):
    """The audit trail."""

    def append(self, entry: AuditEntry) -> None:
        """Chain and insert a row."""

    def page(self, page: Page, *, project_guid: str = "", subject: str = "") -> Listing[AuditEntry]:
        """Return a page, oldest first, of all rows or only a project's, or those about one subject."""

    def verify(self) -> int | None:
        """Walk the chain; return the number of the first row that does not fit, None if all do."""


class RegistryRows(Protocol):
    """Settings of registries, per project."""

    def put(self, project_guid: str, settings: RegistrySettings) -> None:
        """Insert or replace."""

    def get(self, project_guid: str, netloc: str) -> RegistrySettings | None:
        """Return what was set for a registry."""

    def remove(self, project_guid: str, netloc: str) -> bool:
        """Delete; return whether there was anything."""

    def all(self, project_guid: str) -> Sequence[RegistrySettings]:
        """Return all of a project, by host."""


class SettingRows(Protocol):
    """Facts about this installation: which engine it runs, the set-up link's digest."""

    def get(self, name: str) -> str | None:
        """Return a setting."""

    def put(self, name: str, value: str | None) -> None:
        """Set it, or delete it with None."""
