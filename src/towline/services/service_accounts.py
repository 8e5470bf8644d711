"""Service accounts: members of an organization that are programs. They have tokens and no password."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from towline.domain.account import (
    OrganizationRole,
    Permission,
    Token,
    User,
    UserKind,
    service_address,
)
from towline.domain.errors import Conflict, InvalidInput, NotFound
from towline.domain.groups import ServiceAccountDraft, ServiceAccountView
from towline.domain.listing import LabelSelector, Listing
from towline.domain.names import secret_name
from towline.domain.secret import checked_labels
from towline.services.audit import entry_by
from towline.services.enrolment import description_text, new_person_guid
from towline.services.membership import checked_roles, managed_organization, owner_of_role, roles_for
from towline.services.paging import every
from towline.services.people import own_organization
from towline.services.sign_in import LONGEST_DAYS, MOST_TOKENS
from towline.services.tokens import digest_of, token_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from towline.domain.account import Organization, Principal
    from towline.domain.listing import Page
    from towline.domain.scopes import Scope
    from towline.ports import Clock, NewGuid, Store, Transaction

DEFAULT_DAYS = 90


class ServiceAccounts:
    """Service accounts of an organization, named by guid or, empty, the principal's first.

    Every member sees them; the organization's admins alone change them and make their tokens.
    ``on_change`` is called after every change, so that what is remembered of tokens and roles is forgotten.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        new_guid: NewGuid,
        new_token: Callable[[], str],
        on_change: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._new_guid = new_guid
        self._new_token = new_token
        self._on_change = on_change

    async def list(
        self, principal: Principal, organization: str, page: Page, *, selector: LabelSelector, name: str = ""
    ) -> Listing[ServiceAccountView]:
        """Return a page of service accounts."""

        def question(tx: Transaction) -> Listing[ServiceAccountView]:
            owner, _ = own_organization(tx, principal, organization)
            found = tx.accounts.service_accounts(owner.guid, page, selector=selector, name=name)
            return Listing(tuple(_view(tx, owner, each) for each in found.items), found.next)

        return await self._store.read(question)

    async def get(self, principal: Principal, organization: str, name: str) -> ServiceAccountView:
        """Return a service account; raise NotFound."""

        def question(tx: Transaction) -> ServiceAccountView:
            owner, _ = own_organization(tx, principal, organization)
            return _view(tx, owner, _account(tx, owner, name))

        return await self._store.read(question)

    async def create(
        self, principal: Principal, organization: str, draft: ServiceAccountDraft
    ) -> ServiceAccountView:
        """Make a service account; raise Conflict if the name is taken."""
        name, labels = secret_name(draft.name), checked_labels(draft.labels or {})
        about, at = description_text(draft.description), self._clock()
        guid = new_person_guid(self._new_guid)

        def change(tx: Transaction) -> ServiceAccountView:
            owner = managed_organization(tx, principal, organization)
            if tx.accounts.service_account(owner.guid, name) is not None:
                raise Conflict(f"service account {name!r} exists in this organization")
            made = User(
                guid,
                service_address(name),
                first_name=name,
                last_name="",
                created_at=at,
                kind=UserKind.SERVICE,
                organization_guid=owner.guid,
                description=about,
                labels=labels,
            )
            tx.accounts.add_user(made, password_hash="")
            tx.tenants.set_member(owner.guid, made.guid, (OrganizationRole.MEMBER.value,))
            _set_roles(tx, owner, made, draft)
            return self._noted(tx, principal, "service-account.created", owner, made)

        return await self._written(change)

    async def update(
        self, principal: Principal, organization: str, draft: ServiceAccountDraft
    ) -> ServiceAccountView:
        """Change a service account; raise NotFound."""
        about = description_text(draft.description)

        def change(tx: Transaction) -> ServiceAccountView:
            owner = managed_organization(tx, principal, organization)
            account = _account(tx, owner, draft.name)
            labels = account.labels if draft.labels is None else checked_labels(draft.labels)
            saved = replace(account, description=about, labels=labels)
            tx.accounts.save_user(saved, password_hash="")
            _set_roles(tx, owner, saved, draft)
            return self._noted(tx, principal, "service-account.updated", owner, saved)

        return await self._written(change)

    async def delete(self, principal: Principal, organization: str, name: str) -> None:
        """Delete a service account; its tokens die at once."""

        def change(tx: Transaction) -> ServiceAccountView:
            owner = managed_organization(tx, principal, organization)
            account = _account(tx, owner, name)
            view = self._noted(tx, principal, "service-account.deleted", owner, account)
            tx.tenants.leave(owner.guid, account.guid)
            tx.accounts.remove_user(account.guid)
            return view

        await self._written(change)

    async def tokens(self, principal: Principal, organization: str, name: str) -> Sequence[Token]:
        """Return the valid tokens of a service account, the newest first."""
        now = self._clock()

        def question(tx: Transaction) -> Sequence[Token]:
            owner = managed_organization(tx, principal, organization)
            known = tx.accounts.tokens_of(_account(tx, owner, name).guid)
            return tuple(token for token in known if token.is_valid(now))

        return await self._store.read(question)

    async def create_token(
        self,
        principal: Principal,
        organization: str,
        name: str,
        *,
        expires_at: datetime | int | None = None,
        scopes: tuple[Scope, ...] = (),
        project_guid: str = "",
    ) -> tuple[Token, str]:
        """Make a token and return it with its text, shown this once.

        ``expires_at`` is a time or a number of days; 90 days without it.
        """
        text, at = token_text(self._new_token()), self._clock()
        until = _checked_end(expires_at, now=at)
        guid = self._new_guid("token")

        def change(tx: Transaction) -> Token:
            account = _account(tx, managed_organization(tx, principal, organization), name)
            _check_room(tx, account, project_guid)
            token = Token(
                guid,
                account.guid,
                digest_of(text),
                created_at=at,
                expires_at=until,
                kind="api",
                name=name,
                ceiling=Permission.MANAGE_PROJECT,
                scopes=scopes,
                project_guid=project_guid,
            )
            tx.accounts.add_token(token)
            facts = {"name": name, "until": until.isoformat(), "scopes": " ".join(map(str, scopes))}
            made_by = principal.user.email
            tx.audit.append(entry_by(made_by, "service-account.token-created", guid, at=at, **facts))
            return token

        return await self._store.write(change), text

    async def refresh_token(
        self,
        principal: Principal,
        organization: str,
        name: str,
        number: int,
        *,
        expires_at: datetime | int | None,
    ) -> tuple[Token, str]:
        """Return a new text and end for the token of this number; the old text dies."""
        text, at = token_text(self._new_token()), self._clock()
        until = _checked_end(expires_at, now=at)

        def change(tx: Transaction) -> Token:
            old = self._token(tx, principal, organization, name, number)
            fresh = replace(old, digest=digest_of(text), created_at=at, expires_at=until)
            tx.accounts.remove_tokens(guid=old.guid)
            tx.accounts.add_token(fresh)
            actor = principal.user.email
            tx.audit.append(entry_by(actor, "service-account.token-refreshed", old.guid, at=at, name=name))
            return fresh

        made = await self._store.write(change)
        self._on_change()
        return made, text

    async def revoke_token(self, principal: Principal, organization: str, name: str, number: int) -> None:
        """End a token of a service account; raise NotFound."""
        at = self._clock()

        def change(tx: Transaction) -> None:
            token = self._token(tx, principal, organization, name, number)
            tx.accounts.remove_tokens(guid=token.guid)
            actor = principal.user.email
            tx.audit.append(entry_by(actor, "service-account.token-revoked", token.guid, at=at, name=name))

        await self._store.write(change)
        self._on_change()

    def _token(
        self, tx: Transaction, principal: Principal, organization: str, name: str, number: int
    ) -> Token:
        owner = managed_organization(tx, principal, organization)
        for token in tx.accounts.tokens_of(_account(tx, owner, name).guid):
            if token_number(token) == number:
                return token
        raise NotFound("token", str(number))

    async def _written(self, change: Callable[[Transaction], ServiceAccountView]) -> ServiceAccountView:
        view = await self._store.write(change)
        self._on_change()
        return view

    def _noted(
        self, tx: Transaction, principal: Principal, action: str, owner: Organization, account: User
    ) -> ServiceAccountView:
        view = _view(tx, owner, account)
        roles = " ".join(f"{kind}:{name}={','.join(held)}" for kind, name, _, held in view.roles)
        row = entry_by(
            principal.user.email,
            action,
            account.guid,
            at=self._clock(),
            name=account.first_name,
            roles=roles,
        )
        tx.audit.append(row)
        return view


def token_number(token: Token) -> int:
    """Return the number by which ``rio`` names a token, 48 bits of the digest of its guid."""
    return int.from_bytes(digest_of(token.guid)[:6], "big")


def _checked_end(wanted: datetime | int | None, *, now: datetime) -> datetime:
    """Return the end of a token that is to live until then, or for so many days."""
    days = DEFAULT_DAYS if wanted is None else wanted
    end = now + timedelta(days=max(0, min(days, 2 * LONGEST_DAYS))) if isinstance(days, int) else days
    if not now < end <= now + timedelta(days=LONGEST_DAYS):
        raise InvalidInput(
            "expiry_at",
            problem=f"is {end:%Y-%m-%d %H:%M} UTC",
            rule=f"every token ends: choose a time within {LONGEST_DAYS} days",
        )
    return end


def _check_room(tx: Transaction, account: User, project_guid: str) -> None:
    """Refuse a token for a project where the account has no role, and one too many."""
    if project_guid and not tx.tenants.roles(project_guid, account.guid):
        problem = f"the service account has no role in {project_guid[:60]!a}"
        raise InvalidInput("projectGUID", problem=problem, rule="give it one first")
    if len(tx.accounts.tokens_of(account.guid)) >= MOST_TOKENS:
        raise Conflict(f"the service account has {MOST_TOKENS} tokens; revoke one that is not used")


def _account(tx: Transaction, owner: Organization, name: str) -> User:
    account = tx.accounts.service_account(owner.guid, name)
    if account is None:
        raise NotFound("service account", name)
    return account


def _set_roles(tx: Transaction, owner: Organization, account: User, draft: ServiceAccountDraft) -> None:
    if draft.roles is None:
        return
    wanted: dict[str, tuple[str, ...]] = {}
    for kind, name, guid, roles in draft.roles:
        found = owner_of_role(tx, owner, kind, name, guid)
        field = "spec.roles.roleNames"
        checked = checked_roles(roles, roles_for(found), field=field)
        if OrganizationRole.ADMIN in checked:
            raise InvalidInput(
                field, problem="would make a program admin of people", rule="give it roles in projects"
            )
        wanted[found] = checked
    for kind, _, guid, _ in _view(tx, owner, account).roles:
        if kind != "Organization" and guid not in wanted:
            tx.tenants.set_member(guid, account.guid, ())
    for guid, roles in wanted.items():
        if guid != owner.guid and roles:
            tx.tenants.set_member(guid, account.guid, roles)


def _view(tx: Transaction, owner: Organization, account: User) -> ServiceAccountView:
    roles = [("Organization", owner.name, owner.guid, tx.tenants.roles(owner.guid, account.guid))]
    visible = every(lambda page: tx.tenants.projects_of(account.guid, page, selector=LabelSelector()))
    roles += [("Project", project.name, project.guid, held) for project, held in visible]
    roles += [("UserGroup", group.name, group.guid, held) for group, held in tx.groups.of_user(account.guid)]
    return ServiceAccountView(account, owner, tuple(roles))
