"""Rows of secrets, of what their logins are minted from, and of packages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from towline.domain.listing import LabelSelector, Listing, Page
    from towline.domain.package import Package
    from towline.domain.secret import Secret
    from towline.ports.credentials import Binding


@dataclass(frozen=True, slots=True)
class SecretRecord:
    """A secret's row: the value, its sealed bytes, and the wire document kept ready-made beside it."""

    secret: Secret
    sealed: bytes
    document: bytes


class SecretRows(Protocol):
    """Secrets of all projects. ``name`` arguments take a name or a guid."""

    def add(self, record: SecretRecord) -> None:
        """Insert a new secret; raise Conflict if the project has one of that name."""

    def get(self, project_guid: str, name: str) -> SecretRecord | None:
        """Return the newest version of a secret."""

    def save(self, record: SecretRecord) -> None:
        """Replace the row of the secret with that guid; a new version number keeps the old one's
        metadata as history and destroys the old sealed value. Raise NotFound if the row is gone.
        """

    def renew(self, record: SecretRecord) -> None:
        """Put the next version in place of the present one as ``save`` does, but keep no history of it."""

    def remove(self, project_guid: str, name: str) -> SecretRecord | None:
        """Delete a secret with all versions and return what it was."""

    def document(self, project_guid: str, name: str) -> bytes | None:
        """Return only the ready-made document: the hot path of GET."""

    def of_registry(self, project_guid: str, host: str) -> Sequence[SecretRecord]:
        """Return docker secrets for a registry's host, at most 100, the newest first."""

    def page(
        self, project_guid: str, page: Page, *, selector: LabelSelector, names: Sequence[str] = ()
    ) -> Listing[SecretRecord]:
        """Return a page in order of creation."""

    def by_name(self, project_guid: str, *, after: str, most: int) -> Sequence[SecretRecord]:
        """Return at most ``most`` secrets in order of name, those after the name ``after``."""

    def count(self, project_guid: str) -> int:
        """Return how many secrets a project has."""

    def of_concern(self, project_guid: str) -> Sequence[SecretRecord]:
        """Return docker secrets that fail, whose credential ends one day or cannot be renewed, as created."""

    def documents(
        self, project_guid: str, page: Page, *, selector: LabelSelector, names: Sequence[str] = ()
    ) -> Listing[bytes]:
        """Return a page of ready-made documents: the hot path of lists."""


@dataclass(frozen=True, slots=True)
class MintRecord:
    """The sealed parent credential of a secret whose login is minted; ``binding`` is what opens it."""

    secret_guid: str
    binding: Binding
    sealed: bytes


@dataclass(frozen=True, slots=True)
class DueRenewal:
    """A secret whose login is to be minted anew."""

    project_guid: str
    secret_guid: str


class MintRows(Protocol):
    """Parent credentials, and when the logins minted from them are renewed; a row goes with its secret."""

    def put(self, record: MintRecord, *, due: datetime) -> None:
        """Insert or replace."""

    def get(self, secret_guid: str) -> MintRecord | None:
        """Return what a secret's login is minted from; None where it is not minted."""

    def due(self, secret_guid: str, due: datetime) -> None:
        """Set when a login is renewed."""

    def remove(self, secret_guid: str) -> None:
        """Forget a parent credential."""

    def claim(self, *, now: datetime, until: datetime, most: int) -> Sequence[DueRenewal]:
        """Take at most ``most`` renewals that are due, which are due again at ``until`` unless set anew."""

    def waiting(self, now: datetime) -> int:
        """Return how many renewals are due."""

    def next_due(self) -> datetime | None:
        """Return when the next renewal is due; None when there is none."""


class PackageRows(Protocol):
    """Packages of all projects."""

    def add(self, package: Package) -> None:
        """Insert a package; raise Conflict if name and version exist in its project."""

    def get(self, project_guid: str, name: str, *, version: str = "") -> Package | None:
        """Return the package by name or guid; without a version the newest created."""

    def remove(self, project_guid: str, name: str, *, version: str = "") -> Package | None:
        """Delete one version and return what it was."""

    def count(self, project_guid: str) -> int:
        """Return how many packages a project has, each version as one."""

    def mentioning(self, project_guid: str, words: Sequence[str]) -> Sequence[Package]:
        """Return packages where a text is one of ``words``, anywhere in it, in order of creation."""

    def page(
        self, project_guid: str, page: Page, *, selector: LabelSelector, name: str = ""
    ) -> Listing[Package]:
        """Return a page in order of creation."""
