"""Organizations: who is in one, with which role, and who may be let in or shut out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from towline.domain.account import OrganizationRole
from towline.domain.errors import InvalidInput, NotAllowed, NotFound
from towline.domain.groups import Membership, NamedRule
from towline.domain.joining import MOST_RULES, ClaimRule, Grant, Invitation
from towline.domain.listing import Listing
from towline.services.audit import entry_by
from towline.services.membership import (
    checked_roles,
    checked_size,
    managed_organization,
    named_owner,
    owner_of_role,
    roles_for,
    subject_of,
)
from towline.services.people import Powers, Profile, colleague, own_organization, powers_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from towline.domain.account import Organization, Principal, SubjectRef, User
    from towline.domain.listing import Page
    from towline.ports import Clock, Store, Transaction
    from towline.services.invitations import InvitationMaker

_FIELD = "spec.members"
_T = TypeVar("_T")


class Organizations:
    """Organizations of the principal, by guid.

    ``on_change`` is called after every change, so that what is remembered of tokens and roles is forgotten.
    """

    def __init__(
        self, *, store: Store, clock: Clock, invitations: InvitationMaker, on_change: Callable[[], None]
    ) -> None:
        self._store = store
        self._clock = clock
        self._invitations = invitations
        self._on_change = on_change

    async def get(self, principal: Principal, guid: str) -> Membership:
        """Return an organization of the principal's with its members; raise NotFound."""

        def question(tx: Transaction) -> Membership:
            organization, _ = own_organization(tx, principal, guid)
            return _membership(tx, organization)

        return await self._store.read(question)

    async def replace_members(
        self, principal: Principal, guid: str, members: Mapping[SubjectRef, Sequence[str]]
    ) -> Membership:
        """Make ``members`` the whole of who holds roles in an organization by name.

        Its admins may, and one must remain. An address without an account here is invited. Service
        accounts are members as long as they are there.
        """
        at = self._clock()

        def change(tx: Transaction) -> Membership:
            organization = managed_organization(tx, principal, guid)
            checked_size(members, field=_FIELD)
            invited = self._invite_strangers(tx, principal, organization, members)
            _replace_people(tx, organization, members)
            _replace_groups(tx, organization, members)
            now = _membership(tx, organization)
            listed = " ".join(f"{each.user.email}={','.join(each.role_names)}" for each in now.members)
            tx.audit.append(
                entry_by(principal.user.email, "organization.members-set", guid, at=at, members=listed)
            )
            return replace(now, invited=invited)

        return await self._written(change)

    async def set_member(
        self, principal: Principal, guid: str, email: str, *, role: OrganizationRole | None
    ) -> Membership:
        """Give one person a role or, with None, take the person out; an address without account is invited.

        The organization's admins may, and one must remain.
        """
        at = self._clock()

        def change(tx: Transaction) -> Membership:
            organization = managed_organization(tx, principal, guid)
            found = tx.accounts.user(email=email)
            if role is not None and found is None:
                grants = (Grant(organization.guid, role.value),)
                made = self._invitations.made(tx, principal, organization, email=email, grants=grants)
                return replace(_membership(tx, organization), invited=(made,))
            if found is None or (role is None and not tx.tenants.roles(organization.guid, found[0].guid)):
                raise NotFound("member", email)
            user = found[0]
            if role is None:
                tx.tenants.leave(organization.guid, user.guid)
            else:
                tx.tenants.set_member(organization.guid, user.guid, (role.value,))
            _require_admin(tx, organization)
            facts = {"member": user.email, "role": role or "none"}
            tx.audit.append(entry_by(principal.user.email, "organization.member-set", guid, at=at, **facts))
            return _membership(tx, organization)

        return await self._written(change)

    async def set_disabled(self, principal: Principal, guid: str, email: str, *, disabled: bool) -> User:
        """Shut somebody out, whose sessions and tokens end at once, or let the person in again.

        Only who is admin of all organizations that the person is in may, and nobody shuts oneself out.
        """
        at = self._clock()

        def change(tx: Transaction) -> User:
            organization = managed_organization(tx, principal, guid)
            user, password_hash = _person_of(tx, organization, email)
            for each, _ in tx.tenants.organizations_of(user.guid):
                if OrganizationRole.ADMIN not in tx.tenants.roles(each.guid, principal.user.guid):
                    raise NotAllowed(f"{user.email} is also in an organization of which you are no admin")
            if user.guid == principal.user.guid:
                raise NotAllowed("nobody disables the own account; ask another admin")
            return shut_out(
                tx, user, password_hash=password_hash, disabled=disabled, actor=principal.user.email, at=at
            )

        return await self._written(change)

    async def powers(self, principal: Principal, guid: str, user_guid: str) -> Powers:
        """Return what the principal, or for an admin another user, may do in an organization."""
        return await self._store.read(lambda tx: powers_of(tx, principal, guid, user_guid=user_guid))

    async def colleague(self, principal: Principal, email: str) -> Profile:
        """Return somebody of the principal's organizations; raise NotFound."""
        return await self._store.read(lambda tx: colleague(tx, principal, email))

    async def users(
        self, principal: Principal, guid: str, page: Page, *, guids: Sequence[str] = ()
    ) -> Listing[tuple[User, Organization, tuple[str, ...]]]:
        """Return a page of an organization's people; without a guid of the principal's first one."""

        def question(tx: Transaction) -> Listing[tuple[User, Organization, tuple[str, ...]]]:
            organization, _ = own_organization(tx, principal, guid)
            listing = tx.accounts.users(organization.guid, page, guids=guids)
            items = tuple(
                (user, organization, tx.tenants.roles(organization.guid, user.guid)) for user in listing.items
            )
            return Listing(items, listing.next)

        return await self._store.read(question)

    async def rules(self, principal: Principal, guid: str) -> Sequence[NamedRule]:
        """Return which claims of the sign-in provider give which roles; the organization's admins may."""

        def question(tx: Transaction) -> Sequence[NamedRule]:
            return _rules(tx, managed_organization(tx, principal, guid))

        return await self._store.read(question)

    async def replace_rules(
        self, principal: Principal, guid: str, rules: Sequence[tuple[str, str, str, str, str]]
    ) -> Sequence[NamedRule]:
        """Make ``rules`` (claim; kind, name and guid of what a role is for; role) an organization's rules.

        They hold from the next sign-in of each person on.
        """
        at = self._clock()

        def change(tx: Transaction) -> Sequence[NamedRule]:
            organization = managed_organization(tx, principal, guid)
            if len(rules) > MOST_RULES:
                raise InvalidInput(
                    "spec.rules", problem=f"holds {len(rules)}", rule=f"use at most {MOST_RULES}"
                )
            tx.identities.set_rules(organization.guid, [_rule(tx, organization, each) for each in rules])
            now = _rules(tx, organization)
            listed = "; ".join(
                f"{each.rule.claim} -> {each.kind}:{each.name}={each.rule.grant.role}" for each in now
            )
            tx.audit.append(
                entry_by(principal.user.email, "organization.claims-set", guid, at=at, rules=listed)
            )
            return now

        return await self._store.write(change)

    async def _written(self, change: Callable[[Transaction], _T]) -> _T:
        result = await self._store.write(change)
        self._on_change()
        return result

    def _invite_strangers(
        self,
        tx: Transaction,
        principal: Principal,
        organization: Organization,
        members: Mapping[SubjectRef, Sequence[str]],
    ) -> Sequence[tuple[Invitation, str]]:
        made = []
        for ref, names in members.items():
            if _is_stranger(tx, ref):
                roles = _roles(names)
                grants = tuple(Grant(organization.guid, role) for role in roles)
                made.append(
                    self._invitations.made(tx, principal, organization, email=ref.name, grants=grants)
                )
        return tuple(made)


def shut_out(
    tx: Transaction, user: User, *, password_hash: str, disabled: bool, actor: str, at: datetime
) -> User:
    """Disable an account and end its sessions, tokens and approved programs, or enable it again."""
    changed = replace(user, disabled_at=at if disabled else None)
    tx.accounts.save_user(changed, password_hash=password_hash)
    ended = 0
    if disabled:
        ended = tx.accounts.remove_tokens(user_guid=user.guid)
        tx.device_logins.remove_of(user.guid)
    action = "user.disabled" if disabled else "user.enabled"
    facts = {"email": user.email, "ended": str(ended) if ended else ""}
    tx.audit.append(entry_by(actor, action, user.guid, at=at, **facts))
    return changed


def _membership(tx: Transaction, organization: Organization) -> Membership:
    return Membership(
        organization, tx.tenants.members(organization.guid), tx.groups.holding(organization.guid)
    )


def _replace_people(
    tx: Transaction, organization: Organization, members: Mapping[SubjectRef, Sequence[str]]
) -> None:
    wanted = {}
    for ref, names in members.items():
        if ref.kind == "User" and not _is_stranger(tx, ref):
            wanted[_known_user(tx, ref).guid] = _roles(names)
    for present in tx.tenants.members(organization.guid):
        user = present.user
        if user.is_person and present.role_names and user.guid not in wanted:
            tx.tenants.leave(organization.guid, user.guid)
    for guid, roles in wanted.items():
        tx.tenants.set_member(organization.guid, guid, roles)
    _require_admin(tx, organization)


def _replace_groups(
    tx: Transaction, organization: Organization, members: Mapping[SubjectRef, Sequence[str]]
) -> None:
    wanted = {
        subject_of(tx, organization.guid, ref, field=f"{_FIELD}.subject").guid: _roles(names)
        for ref, names in members.items()
        if ref.kind == "UserGroup"
    }
    for present in tx.groups.holding(organization.guid):
        if present.group.guid not in wanted:
            tx.groups.set_roles(organization.guid, present.group.guid, ())
    for guid, roles in wanted.items():
        tx.groups.set_roles(organization.guid, guid, roles)


def _require_admin(tx: Transaction, organization: Organization) -> None:
    """Refuse to leave an organization without an admin by name who can sign in."""
    for member in tx.tenants.members(organization.guid):
        if OrganizationRole.ADMIN in member.role_names and member.user.disabled_at is None:
            return
    raise InvalidInput(
        _FIELD,
        problem="would leave the organization without an admin",
        rule=f"keep one member with the role {OrganizationRole.ADMIN.value!r}",
    )


def _roles(names: Sequence[str]) -> tuple[str, ...]:
    checked = checked_roles(names, OrganizationRole, field=f"{_FIELD}.roleNames")
    return checked or (OrganizationRole.MEMBER.value,)


def _is_stranger(tx: Transaction, ref: SubjectRef) -> bool:
    by_address = ref.kind == "User" and not ref.guid and "@" in ref.name
    return by_address and tx.accounts.user(email=ref.name) is None


def _known_user(tx: Transaction, ref: SubjectRef) -> User:
    found = tx.accounts.user(guid=ref.guid) if ref.guid else tx.accounts.user(email=ref.name)
    if found is None or not found[0].is_person:
        problem = f"{str(ref)[:80]!a} has no account here"
        raise InvalidInput(_FIELD, problem=problem, rule="give the e-mail address of whom to invite")
    return found[0]


def _person_of(tx: Transaction, organization: Organization, email: str) -> tuple[User, str]:
    found = tx.accounts.user(email=email)
    if found is None or not tx.tenants.roles(organization.guid, found[0].guid):
        raise NotFound("member", email)
    return found


def _rules(tx: Transaction, organization: Organization) -> Sequence[NamedRule]:
    found = []
    for _, rule in tx.identities.rules(organization.guid):
        owner = rule.grant.owner_guid
        group = tx.groups.get(organization.guid, guid=owner)
        kind, name = ("UserGroup", group.name) if group else named_owner(tx, owner)
        found.append(NamedRule(rule, kind, name))
    return tuple(found)


def _rule(tx: Transaction, organization: Organization, wanted: tuple[str, str, str, str, str]) -> ClaimRule:
    claim, kind, name, guid, role = wanted
    owner = owner_of_role(tx, organization, kind, name, guid)
    [checked] = checked_roles([role], roles_for(owner), field="spec.rules.roleName")
    return ClaimRule(claim, Grant(owner, checked))
