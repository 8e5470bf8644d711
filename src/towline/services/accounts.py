"""People: signing in, who may do what, organizations and their members (design section 8, rules 8-9)."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from towline.domain.account import (
    Access,
    OrganizationRole,
    Permission,
    Principal,
    Token,
    TokenLevel,
    permission_of,
)
from towline.domain.credential import require_length
from towline.domain.errors import NotAllowed, NotFound, NotSignedIn
from towline.domain.listing import Listing
from towline.services import enrolment
from towline.services.audit import entry_by
from towline.services.remembered import Remembered
from towline.services.throttle import LoginThrottle
from towline.services.tokens import digest_of, is_well_formed, token_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from towline.domain.account import Member, Organization, Project, User
    from towline.domain.credential import Password
    from towline.domain.listing import Page
    from towline.ports import Clock, NewGuid, PasswordHasher, Store, Transaction

log = structlog.get_logger("towline.accounts")

NOT_AUTHORIZED = "subject is not authorized for this operation"
LEAST_PASSWORD = 8
REMEMBERED_FOR = timedelta(seconds=5)
SETUP_LIFE = timedelta(hours=24)

_SETUP_DIGEST = "setup.digest"
_SETUP_EXPIRES = "setup.expires"


@dataclass(frozen=True, slots=True)
class Profile:
    """A user with all organizations and projects, and the user's role names in each."""

    user: User
    organizations: tuple[tuple[Organization, tuple[str, ...]], ...]
    projects: tuple[tuple[Project, Organization, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class _Granted:
    """What a user may do in a project, as it was a moment ago."""

    project: Project
    organization: Organization
    permission: Permission


class Accounts:
    """Who is asking, and what they may do.

    ``new_token`` returns 43 random URL-safe characters (``secrets.token_urlsafe(32)``).
    """

    def __init__(
        self,
        *,
        store: Store,
        hasher: PasswordHasher,
        clock: Clock,
        new_guid: NewGuid,
        new_token: Callable[[], str],
    ) -> None:
        self._store = store
        self._hasher = hasher
        self._clock = clock
        self._new_guid = new_guid
        self._new_token = new_token
        self._throttle = LoginThrottle(clock=clock)
        self._principals: Remembered[bytes, Principal] = Remembered(clock=clock, life=REMEMBERED_FOR)
        self._granted: Remembered[tuple[str, str], _Granted] = Remembered(clock=clock, life=REMEMBERED_FOR)

    # --- signing in ------------------------------------------------------------------------------

    async def login(self, email: str, password: Password, *, level: TokenLevel, peer: str) -> str:
        """Return a new token's text; ``peer`` is the caller's network address.

        Raises NotSignedIn, after the same time whether the address is unknown or the password wrong,
        and Throttled after 10 failures in 5 minutes for one address and peer, or 50 from one peer.
        """
        address = email.strip().lower()
        self._throttle.enter(address, peer)
        found = await self._store.read(lambda tx: tx.accounts.user(email=address))
        user, password_hash = found or (None, "")
        if not await self._hasher.matches(password, password_hash) or user is None:
            await self._note_failed_login(user, peer)
            raise NotSignedIn("e-mail address or password is wrong")
        self._throttle.forgive(address, peer)
        return await self._issue(user, level, peer=peer)

    async def refresh(self, token_text: str) -> str:
        """Return a new token that lives as long as the old one did from its start; the old one dies."""
        digest = _digest(token_text)
        fresh_text = self._fresh_text()
        at = self._clock()

        def change(tx: Transaction) -> None:
            old, user = _valid(tx, digest, now=at)
            life = old.expires_at - old.created_at
            fresh = self._token(user, fresh_text, kind=old.kind, at=at, life=life)
            tx.accounts.remove_tokens(digest=digest)
            tx.accounts.add_token(fresh)
            tx.audit.append(entry_by(user.email, "token.refreshed", user.guid, at=at))

        await self._store.write(change)
        self._principals.forget()
        return fresh_text

    async def logout(self, token_text: str) -> None:
        """End a token; one that is not valid any more is no error."""
        digest = digest_of(token_text)
        at = self._clock()

        def change(tx: Transaction) -> None:
            found = tx.accounts.token(digest)
            if found is not None:
                tx.accounts.remove_tokens(digest=digest)
                tx.audit.append(entry_by(found[1].email, "user.signed-out", found[1].guid, at=at))

        await self._store.write(change)
        self._principals.forget()

    async def authenticate(self, token_text: str) -> Principal:
        """Return who holds this token; raise NotSignedIn. What is returned was so at most 5 s ago."""
        digest = _digest(token_text)
        now = self._clock()
        principal = self._principals.get(digest)
        if principal is None:
            token, user = await self._store.read(lambda tx: _valid(tx, digest, now=now))
            principal = Principal(user, token.guid, token.expires_at)
            self._principals.keep(digest, principal)
        if now >= principal.expires_at:
            raise NotSignedIn("the token has expired; sign in again")
        return principal

    async def access(self, principal: Principal, project_guid: str, *, permission: Permission) -> Access:
        """Return the principal's access to a project, as it was at most 5 s ago.

        Raises NotFound where the principal sees no such project, NotAllowed where the role is too small.
        """
        key = (principal.user.guid, project_guid)
        granted = self._granted.get(key)
        if granted is None:
            granted = await self._store.read(lambda tx: _granted(tx, principal, project_guid))
            self._granted.keep(key, granted)
        if granted.permission < permission:
            raise NotAllowed(NOT_AUTHORIZED)
        return Access(principal, granted.project, granted.organization, granted.permission)

    def forget_access(self) -> None:
        """Look permissions up anew from now on; called after every change to projects and members."""
        self._granted.forget()

    # --- people ----------------------------------------------------------------------------------

    async def me(self, principal: Principal) -> Profile:
        """Return the principal's own profile."""
        return await self._store.read(lambda tx: _profile(tx, principal.user.guid))

    async def rename_me(self, principal: Principal, *, first_name: str, last_name: str) -> Profile:
        """Replace the principal's own names; raise InvalidInput."""
        first = enrolment.person_name(first_name, field="spec.firstName")
        last = enrolment.person_name(last_name, field="spec.lastName")
        at = self._clock()

        def change(tx: Transaction) -> Profile:
            user, password_hash = _user(tx, principal.user.guid)
            renamed = replace(user, first_name=first, last_name=last)
            tx.accounts.save_user(renamed, password_hash=password_hash)
            tx.audit.append(entry_by(user.email, "user.renamed", user.guid, at=at))
            return _profile(tx, user.guid)

        profile = await self._store.write(change)
        self._principals.forget()
        return profile

    async def create_user(
        self,
        *,
        email: str,
        password: Password,
        first_name: str = "",
        last_name: str = "",
        organization: str = "",
        project: str = "",
        actor: str = "admin",
    ) -> Profile:
        """Make an account; raise Conflict if the address has one, InvalidInput naming the field.

        Organization and project are made where they are absent: who brings a new organization is its
        admin, who joins one is a member of it and admin of the project.
        """
        wanted = enrolment.Enrolment.checked(
            email=email,
            first_name=first_name,
            last_name=last_name,
            organization=organization,
            project=project,
        )
        password_hash = await self._hash(password)
        at = self._clock()

        def change(tx: Transaction) -> Profile:
            return self._enrol(tx, wanted, password_hash, actor=actor, at=at)

        profile = await self._store.write(change)
        self.forget_access()
        return profile

    async def setup_token(self) -> str | None:
        """Return a fresh one-time set-up token, good for 24 h, while there is no user; else None."""
        text = self._fresh_text()
        expires = self._clock() + SETUP_LIFE

        def change(tx: Transaction) -> bool:
            if tx.accounts.count():
                return False
            tx.settings.put(_SETUP_DIGEST, digest_of(text).hex())
            tx.settings.put(_SETUP_EXPIRES, expires.isoformat())
            return True

        return text if await self._store.write(change) else None

    async def complete_setup(
        self,
        token: str,
        *,
        email: str,
        password: Password,
        first_name: str = "",
        last_name: str = "",
        organization: str,
        project: str,
    ) -> str:
        """Make the first user with organization and project; return a login token.

        The set-up token works once. Raises NotSignedIn when it is wrong, used or expired.
        """
        wanted = enrolment.Enrolment.checked(
            email=email,
            first_name=first_name,
            last_name=last_name,
            organization=organization,
            project=project,
        )
        at = self._clock()
        await self._store.read(lambda tx: _check_setup(tx, token, now=at))
        password_hash = await self._hash(password)

        def change(tx: Transaction) -> User:
            _check_setup(tx, token, now=at)
            tx.settings.put(_SETUP_DIGEST, None)
            tx.settings.put(_SETUP_EXPIRES, None)
            return self._enrol(tx, wanted, password_hash, actor=wanted.email, at=at).user

        user = await self._store.write(change)
        return await self._issue(user, TokenLevel.MEDIUM, peer="set-up")

    # --- organizations ---------------------------------------------------------------------------

    async def organization(self, principal: Principal, guid: str) -> tuple[Organization, Sequence[Member]]:
        """Return an organization of the principal's with its members; raise NotFound."""

        def question(tx: Transaction) -> tuple[Organization, Sequence[Member]]:
            organization, _ = _own_organization(tx, principal, guid)
            return organization, tx.tenants.members(organization.guid)

        return await self._store.read(question)

    async def replace_members(
        self, principal: Principal, guid: str, members: Mapping[str, tuple[str, ...]]
    ) -> tuple[Organization, Sequence[Member]]:
        """Make ``members`` (roles by address or guid) an organization's whole membership.

        Only its admins may, and one must remain.
        """
        at = self._clock()

        def change(tx: Transaction) -> tuple[Organization, Sequence[Member]]:
            organization, roles = _own_organization(tx, principal, guid)
            if OrganizationRole.ADMIN not in roles:
                raise NotAllowed(NOT_AUTHORIZED)
            now = enrolment.replace_members(tx, organization, members)
            listed = " ".join(f"{member.user.email}={','.join(member.role_names)}" for member in now)
            tx.audit.append(
                entry_by(principal.user.email, "organization.members-set", guid, at=at, members=listed)
            )
            return organization, now

        changed = await self._store.write(change)
        self.forget_access()
        return changed

    async def users(
        self, principal: Principal, organization_guid: str, page: Page
    ) -> Listing[tuple[User, Organization, tuple[str, ...]]]:
        """Return a page of an organization's people; without a guid of the principal's first one."""

        def question(tx: Transaction) -> Listing[tuple[User, Organization, tuple[str, ...]]]:
            organization, _ = _own_organization(tx, principal, organization_guid)
            listing = tx.accounts.users(organization.guid, page)
            items = tuple(
                (user, organization, tx.tenants.roles(organization.guid, user.guid)) for user in listing.items
            )
            return Listing(items, listing.next)

        return await self._store.read(question)

    async def sweep(self) -> None:
        """Delete expired tokens."""
        now = self._clock()
        swept = await self._store.write(lambda tx: tx.accounts.remove_tokens(expired_before=now))
        log.info("tokens.swept", count=swept)

    # --- parts -----------------------------------------------------------------------------------

    async def _issue(self, user: User, level: TokenLevel, *, peer: str) -> str:
        text = self._fresh_text()
        at = self._clock()
        token = self._token(user, text, kind="login", at=at, life=timedelta(hours=level.hours))

        def change(tx: Transaction) -> None:
            tx.accounts.add_token(token)
            tx.audit.append(
                entry_by(user.email, "user.signed-in", user.guid, at=at, peer=peer, level=level.value)
            )

        await self._store.write(change)
        return text

    async def _note_failed_login(self, user: User | None, peer: str) -> None:
        """Write a failed login down; an unknown address is not, as people type passwords there."""
        actor = user.email if user else "unknown"
        subject = user.guid if user else ""
        row = entry_by(actor, "user.signed-in", subject, at=self._clock(), outcome="refused", peer=peer)
        await self._store.write(lambda tx: tx.audit.append(row))

    async def _hash(self, password: Password) -> str:
        return await self._hasher.hash(require_length(password, least=LEAST_PASSWORD, field="password"))

    def _enrol(
        self, tx: Transaction, wanted: enrolment.Enrolment, password_hash: str, *, actor: str, at: datetime
    ) -> Profile:
        user = enrolment.enrol(tx, wanted, password_hash=password_hash, new_guid=self._new_guid, at=at)
        tx.audit.append(
            entry_by(
                actor,
                "user.created",
                user.guid,
                at=at,
                email=user.email,
                organization=wanted.organization,
                project=wanted.project,
            )
        )
        return _profile(tx, user.guid)

    def _fresh_text(self) -> str:
        return token_text(self._new_token())

    def _token(self, user: User, text: str, *, kind: str, at: datetime, life: timedelta) -> Token:
        return Token(
            self._new_guid("token"),
            user.guid,
            digest_of(text),
            created_at=at,
            expires_at=at + life,
            kind=kind,
        )


def _digest(text: str) -> bytes:
    if not is_well_formed(text):
        raise NotSignedIn("the token is not one of Towline's, or was not copied as a whole")
    return digest_of(text)


def _valid(tx: Transaction, digest: bytes, *, now: datetime) -> tuple[Token, User]:
    found = tx.accounts.token(digest)
    if found is None or not found[0].is_valid(now):
        raise NotSignedIn("the token is not valid any more; sign in again")
    return found


def _granted(tx: Transaction, principal: Principal, project_guid: str) -> _Granted:
    project = tx.tenants.project(project_guid)
    organization = tx.tenants.organization(project.organization_guid) if project else None
    if project is None or organization is None:
        raise NotFound("project", project_guid)
    user = principal.user.guid
    permission = permission_of(
        tx.tenants.roles(project.guid, user), tx.tenants.roles(organization.guid, user)
    )
    if permission is None:
        raise NotFound("project", project_guid)
    return _Granted(project, organization, permission)


def _profile(tx: Transaction, user_guid: str) -> Profile:
    user, _ = _user(tx, user_guid)
    organizations = tuple(tx.tenants.organizations_of(user_guid))
    by_guid = {organization.guid: organization for organization, _ in organizations}
    projects = tuple(
        (project, owner, roles)
        for project, roles in enrolment.all_projects(tx, user_guid)
        if (
            owner := by_guid.get(project.organization_guid)
            or tx.tenants.organization(project.organization_guid)
        )
    )
    return Profile(user, organizations, projects)


def _user(tx: Transaction, guid: str) -> tuple[User, str]:
    found = tx.accounts.user(guid=guid)
    if found is None:
        raise NotFound("user", guid)
    return found


def _own_organization(
    tx: Transaction, principal: Principal, guid: str
) -> tuple[Organization, tuple[str, ...]]:
    for organization, roles in tx.tenants.organizations_of(principal.user.guid):
        if not guid or organization.guid == guid:
            return organization, roles
    raise NotFound("organization", guid)


def _check_setup(tx: Transaction, token: str, *, now: datetime) -> None:
    digest = tx.settings.get(_SETUP_DIGEST) or ""
    expires = tx.settings.get(_SETUP_EXPIRES)
    fits = is_well_formed(token) and hmac.compare_digest(digest, digest_of(token).hex())
    if not fits or not expires or now >= datetime.fromisoformat(expires) or tx.accounts.count():
        raise NotSignedIn("the set-up link is not valid any more; restart `towline serve` for a fresh one")
