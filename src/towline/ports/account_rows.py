"""Rows of people, organizations and projects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from towline.domain.account import Member, Organization, Project, Token, User
    from towline.domain.listing import LabelSelector, Listing, Page


class AccountRows(Protocol):
    """Users, their password hashes and tokens."""

    def add_user(self, user: User, *, password_hash: str) -> None:
        """Insert a user; raise Conflict if the address (any letter case) has an account."""

    def user(self, *, guid: str = "", email: str = "") -> tuple[User, str] | None:
        """Return a user and the password hash."""

    def save_user(self, user: User, *, password_hash: str) -> None:
        """Replace names, description, labels, password hash, and whether and since when it is disabled."""

    def remove_user(self, guid: str) -> None:
        """Delete a user with tokens and roles."""

    def service_account(self, organization_guid: str, name: str) -> User | None:
        """Return an organization's service account of exactly that name."""

    def service_accounts(
        self, organization_guid: str, page: Page, *, selector: LabelSelector, name: str = ""
    ) -> Listing[User]:
        """Return a page of an organization's service accounts."""

    def users(self, organization_guid: str, page: Page, *, guids: Sequence[str] = ()) -> Listing[User]:
        """Return a page of an organization's people, all or those with one of these guids."""

    def count(self) -> int:
        """Return how many users there are: none means a first start."""

    def add_token(self, token: Token) -> None:
        """Insert a token."""

    def token(self, digest: bytes) -> tuple[Token, User] | None:
        """Return a token by its SHA-256, with its user."""

    def tokens_of(self, user_guid: str) -> Sequence[Token]:
        """Return a user's tokens, the newest first, expired ones too while they are there."""

    def remove_tokens(
        self,
        *,
        guid: str = "",
        digest: bytes = b"",
        user_guid: str = "",
        parent_guid: str = "",
        provider_session: str = "",
        expired_before: datetime | None = None,
    ) -> int:
        """Delete one token by guid or digest, a user's, those that a session approved, those of a session
        at the provider, or the expired ones; return how many.
        """


class TenantRows(Protocol):
    """Organizations, projects and their members."""

    def add_organization(self, organization: Organization) -> None:
        """Insert an organization."""

    def organization(self, guid: str) -> Organization | None:
        """Return an organization."""

    def organization_named(self, name: str) -> Organization | None:
        """Return the oldest organization of exactly that name."""

    def first_organization(self) -> Organization | None:
        """Return the oldest organization: the one that the installation was set up with."""

    def organizations_of(self, user_guid: str) -> Sequence[tuple[Organization, tuple[str, ...]]]:
        """Return a user's organizations with the user's role names there, by name."""

    def add_project(self, project: Project) -> None:
        """Insert a project; raise Conflict if the organization has one of that name."""

    def project(self, guid: str) -> Project | None:
        """Return a project."""

    def project_named(self, organization_guid: str, name: str) -> Project | None:
        """Return an organization's project of exactly that name."""

    def save_project(self, project: Project) -> None:
        """Replace labels, features and updated_at."""

    def remove_project(self, guid: str) -> None:
        """Delete a project with its secrets, packages, registries and deployment records."""

    def projects_of(
        self,
        user_guid: str,
        page: Page,
        *,
        organizations: Sequence[str] = (),
        name: str = "",
        selector: LabelSelector,
    ) -> Listing[tuple[Project, tuple[str, ...]]]:
        """Return the projects a user may see, with the user's role names there."""

    def set_member(self, owner_guid: str, user_guid: str, role_names: tuple[str, ...]) -> None:
        """Give a user these roles in an organization, project or group; an empty tuple takes them away."""

    def members(self, owner_guid: str) -> Sequence[Member]:
        """Return who holds roles by name or by claim in an organization, project or group, by address."""

    def leave(self, organization_guid: str, user_guid: str) -> None:
        """Take somebody out of an organization, of its projects and of its groups."""

    def roles(self, owner_guid: str, user_guid: str) -> tuple[str, ...]:
        """Return a user's role names in an organization, project or group: by name, claim, and groups."""
