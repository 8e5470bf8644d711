"""Invitations: a link by which an address joins an organization, once and within a week."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.domain.account import OrganizationRole, TokenLevel, User
from towline.domain.credential import require_length
from towline.domain.errors import Conflict, InvalidInput, NotAllowed, NotFound
from towline.domain.joining import INVITATION_LIFE, Grant, Invitation
from towline.domain.names import email_address
from towline.services.audit import entry_by
from towline.services.enrolment import new_person_guid, person_name
from towline.services.membership import checked_roles, managed_organization, owner_of_role, roles_for
from towline.services.tokens import digest_of, is_well_formed, token_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from towline.domain.account import Organization, Principal
    from towline.domain.credential import Password
    from towline.ports import Clock, NewGuid, PasswordHasher, Postman, Store, Transaction
    from towline.services.sign_in import SignIn

LEAST_PASSWORD = 8
MOST_INVITATIONS = 500
"""Open ones of one organization."""


class InvitationMaker:
    """Makes invitations inside transactions of others. ``new_token`` returns 43 URL-safe characters."""

    def __init__(self, *, clock: Clock, new_guid: NewGuid, new_token: Callable[[], str]) -> None:
        self._clock = clock
        self._new_guid = new_guid
        self._new_token = new_token

    def made(
        self,
        tx: Transaction,
        principal: Principal,
        organization: Organization,
        *,
        email: str,
        grants: tuple[Grant, ...],
    ) -> tuple[Invitation, str]:
        """Insert an invitation in place of an earlier one, and return it with its secret."""
        text, at = token_text(self._new_token()), self._clock()
        invitation = Invitation(
            self._new_guid("invitation"),
            digest_of(text),
            organization.guid,
            email_address(email.strip().lower(), field="email"),
            inviter=principal.user.email,
            created_at=at,
            expires_at=at + INVITATION_LIFE,
            grants=grants,
        )
        tx.invitations.remove_expired(at)
        if len(tx.invitations.of_organization(organization.guid)) >= MOST_INVITATIONS:
            raise Conflict(f"{MOST_INVITATIONS} invitations are open; withdraw some")
        tx.invitations.put(invitation)
        facts = {"email": invitation.email, "roles": " ".join(grant.role for grant in grants)}
        tx.audit.append(entry_by(principal.user.email, "user.invited", invitation.guid, at=at, **facts))
        return invitation, text


def link_at(server: str, text: str) -> str:
    """Return the link that hands an invitation over; ``server`` is where browsers reach us."""
    return f"{server}/invitation?token={text}"


class Invitations:
    """Invitations by guid for admins, by their secret for who was invited."""

    def __init__(
        self,
        *,
        store: Store,
        maker: InvitationMaker,
        sign_in: SignIn,
        hasher: PasswordHasher,
        postman: Postman,
        clock: Clock,
        new_guid: NewGuid,
        on_change: Callable[[], None],
    ) -> None:
        self._store = store
        self._maker = maker
        self._sign_in = sign_in
        self._hasher = hasher
        self._postman = postman
        self._clock = clock
        self._new_guid = new_guid
        self._on_change = on_change

    async def invite(
        self,
        principal: Principal,
        organization: str,
        email: str,
        *,
        admin: bool = False,
        roles: Sequence[tuple[str, str, str, str]] = (),
    ) -> tuple[Invitation, str]:
        """Invite an address and return the link's secret, told this once; the organization's admins may.

        ``roles`` beyond membership: kind, name and guid of what a role is for, and the role. Raises Conflict
        for who has an account here already: such a person is made a member at once, without a link.
        """

        def change(tx: Transaction) -> tuple[Invitation, str]:
            owner = managed_organization(tx, principal, organization)
            if tx.accounts.user(email=email.strip()) is not None:
                raise Conflict(f"{email.strip()} has an account here; add the person as a member")
            grants = [Grant(owner.guid, (OrganizationRole.ADMIN if admin else OrganizationRole.MEMBER).value)]
            for kind, name, guid, role in roles:
                found = owner_of_role(tx, owner, kind, name, guid)
                [checked] = checked_roles([role], roles_for(found), field="spec.roles.roleName")
                grants.append(Grant(found, checked))
            return self._maker.made(tx, principal, owner, email=email, grants=tuple(grants))

        return await self._store.write(change)

    async def renew(self, principal: Principal, organization: str, guid: str) -> tuple[Invitation, str]:
        """Return an invitation with a fresh secret and term; the old link is dead."""

        def change(tx: Transaction) -> tuple[Invitation, str]:
            owner = managed_organization(tx, principal, organization)
            old = _of(tx, owner, guid)
            return self._maker.made(tx, principal, owner, email=old.email, grants=old.grants)

        return await self._store.write(change)

    async def list(self, principal: Principal, organization: str) -> Sequence[Invitation]:
        """Return the open invitations of an organization; its admins may."""
        now = self._clock()

        def question(tx: Transaction) -> Sequence[Invitation]:
            owner = managed_organization(tx, principal, organization)
            return tuple(each for each in tx.invitations.of_organization(owner.guid) if each.is_open(now))

        return await self._store.read(question)

    async def withdraw(self, principal: Principal, organization: str, guid: str) -> Invitation:
        """Delete an invitation; its link is dead."""
        at = self._clock()

        def change(tx: Transaction) -> Invitation:
            owner = managed_organization(tx, principal, organization)
            found = _of(tx, owner, guid)
            tx.invitations.remove(guid)
            actor = principal.user.email
            tx.audit.append(entry_by(actor, "user.invitation-withdrawn", guid, at=at, email=found.email))
            return found

        return await self._store.write(change)

    async def send(self, invitation: Invitation, organization: Organization, link: str) -> str:
        """Send the link by e-mail; return an empty text, else why it was not sent."""
        text = (
            f"{invitation.inviter} invites you to join {organization.name} on Towline, which keeps docker"
            f" pull secrets.\n\n{link}\n\n"
            f"The link works once, until {invitation.expires_at:%Y-%m-%d %H:%M} UTC.\n"
        )
        subject = f"Join {organization.name} on Towline"
        return await self._postman.post(invitation.email, subject=subject, text=text)

    async def opened(self, text: str) -> tuple[Invitation, Organization, bool]:
        """Return the invitation of a link, its organization, and whether the address has an account.

        Raises InvalidInput for a link that was used, withdrawn or replaced, or is over.
        """
        now = self._clock()

        def question(tx: Transaction) -> tuple[Invitation, Organization, bool]:
            invitation, organization = _open(tx, text, now=now)
            return invitation, organization, tx.accounts.user(email=invitation.email) is not None

        return await self._store.read(question)

    async def accept(
        self, text: str, *, password: Password, first_name: str, last_name: str, peer: str
    ) -> str:
        """Make the account of who was invited and return a login token; raise Conflict if there is one."""
        first = person_name(first_name, field="first_name")
        last = person_name(last_name, field="last_name")
        await self.opened(text)
        password_hash = await self._hasher.hash(
            require_length(password, least=LEAST_PASSWORD, field="password")
        )
        at = self._clock()
        guid = new_person_guid(self._new_guid)

        def change(tx: Transaction) -> User:
            invitation, _ = _open(tx, text, now=at)
            user = User(guid, invitation.email, first, last, created_at=at)
            tx.accounts.add_user(user, password_hash=password_hash)
            tx.audit.append(entry_by(user.email, "user.created", guid, at=at, door="invitation"))
            joined(tx, user, invitation, at=at)
            return user

        user = await self._store.write(change)
        self._on_change()
        return await self._sign_in.issue(user, TokenLevel.MEDIUM, peer=peer, via="invitation")

    async def accept_as(self, principal: Principal, text: str) -> Organization:
        """Let somebody with an account join; raise NotAllowed for another than the invited address."""
        at = self._clock()

        def change(tx: Transaction) -> Organization:
            invitation, organization = _open(tx, text, now=at)
            user = principal.user
            if user.email.casefold() != invitation.email.casefold():
                raise NotAllowed(f"the invitation is for {invitation.email}, and you are {user.email}")
            joined(tx, user, invitation, at=at)
            return organization

        organization = await self._store.write(change)
        self._on_change()
        return organization


def joined(tx: Transaction, user: User, invitation: Invitation, *, at: datetime) -> None:
    """Give somebody what an invitation grants, and use it up."""
    tx.invitations.remove(invitation.guid)
    for grant in invitation.grants:
        members = tx.tenants.members(grant.owner_guid)
        present = next((each.role_names for each in members if each.user.guid == user.guid), ())
        if grant.owner_guid.startswith("project-") and tx.tenants.project(grant.owner_guid) is None:
            continue
        tx.tenants.set_member(grant.owner_guid, user.guid, tuple(dict.fromkeys((*present, grant.role))))
    facts = {"email": invitation.email, "inviter": invitation.inviter}
    tx.audit.append(entry_by(user.email, "user.invitation-accepted", invitation.guid, at=at, **facts))


def _open(tx: Transaction, text: str, *, now: datetime) -> tuple[Invitation, Organization]:
    invitation = tx.invitations.by_digest(digest_of(text)) if is_well_formed(text) else None
    organization = tx.tenants.organization(invitation.organization_guid) if invitation else None
    if invitation is None or organization is None or not invitation.is_open(now):
        raise InvalidInput(
            "", problem="this invitation was used, withdrawn, or is over", rule="ask for a new one"
        )
    return invitation, organization


def _of(tx: Transaction, organization: Organization, guid: str) -> Invitation:
    for each in tx.invitations.of_organization(organization.guid):
        if each.guid == guid:
            return each
    raise NotFound("invitation", guid)
