"""People: signing in, who may do what, organizations and their members (design section 8, rules 8-9)."""

from __future__ import annotations

import hmac
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from towline.domain.account import (
    Access,
    Permission,
    Principal,
    TokenLevel,
    permission_of,
)
from towline.domain.credential import require_length
from towline.domain.errors import NotFound, NotSignedIn
from towline.services import enrolment
from towline.services.audit import entry_by
from towline.services.organizations import shut_out
from towline.services.people import (
    Profile,
    own_organization,
    profile_of,
    require,
    require_operator,
    require_project,
    user_with_hash,
)
from towline.services.people import granted as granted_in
from towline.services.remembered import REMEMBERED_FOR, Remembered
from towline.services.sign_in import SignIn
from towline.services.tokens import digest_of, is_well_formed, token_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from towline.domain.account import Token, User
    from towline.domain.audit import Door
    from towline.domain.credential import Password
    from towline.domain.scopes import Scope
    from towline.ports import Clock, NewGuid, PasswordHasher, Store, Throttle, Transaction

LEAST_PASSWORD = 8
SETUP_LIFE = timedelta(hours=24)

_SETUP_DIGEST = "setup.digest"
_SETUP_EXPIRES = "setup.expires"


class Accounts:
    """Who is asking, and what they may do.

    ``new_token`` returns 43 random URL-safe characters (``secrets.token_urlsafe(32)``); ``passwords`` says
    for an address whether its password may be used; ``told`` is called when other servers must look anew.
    """

    def __init__(
        self,
        *,
        store: Store,
        hasher: PasswordHasher,
        clock: Clock,
        new_guid: NewGuid,
        new_token: Callable[[], str],
        throttle: Throttle | None = None,
        passwords: Callable[[str], bool] = lambda _: True,
        told: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._hasher = hasher
        self._clock = clock
        self._new_guid = new_guid
        self._new_token = new_token
        self._sign_in = SignIn(
            store=store,
            hasher=hasher,
            clock=clock,
            new_guid=new_guid,
            new_token=new_token,
            throttle=throttle,
            passwords=passwords,
            told=told,
        )
        self._told = told
        self._accesses: Remembered[tuple[str, str], Access] = Remembered(life=REMEMBERED_FOR)

    @property
    def sign_in(self) -> SignIn:
        """What issues sessions, for the other ways to sign in."""
        return self._sign_in

    # --- signing in ------------------------------------------------------------------------------

    async def login(self, email: str, password: Password, *, level: TokenLevel, peer: str) -> str:
        """Return a new token's text; ``peer`` is the caller's network address.

        Raises NotSignedIn, after the same time whether the address is unknown or the password wrong,
        and Throttled after 10 failures in 5 minutes for one address and peer, or 50 from one peer.
        """
        return await self._sign_in.login(email, password, level=level, peer=peer)

    async def refresh(self, text: str) -> str:
        """Return a new token in place of this one, which dies; raise NotSignedIn."""
        return await self._sign_in.refresh(text)

    async def logout(self, principal: Principal) -> None:
        """End the token that the principal came with."""
        await self._sign_in.logout(principal)

    def issuing(
        self, user: User, level: TokenLevel, *, peer: str, door: str, approver: Token
    ) -> tuple[str, Callable[[Transaction], None]]:
        """Return the token's text for a program that a session approved, and what makes it valid."""
        return self._sign_in.issuing(user, level, peer=peer, door=door, approver=approver)

    async def authenticate(self, text: str) -> Principal:
        """Return who holds this token, as it was at most 5 s ago; raise NotSignedIn."""
        return await self._sign_in.authenticate(text)

    async def tokens(self, principal: Principal) -> Sequence[Token]:
        """Return the principal's own tokens that are valid, the newest first: sessions and API tokens."""
        return await self._sign_in.tokens(principal)

    async def create_token(
        self, principal: Principal, *, name: str, ceiling: Permission, days: int
    ) -> tuple[Token, str]:
        """Make a token for a program and return it with its text, which is shown this once.

        Raises InvalidInput naming the field, NotAllowed for who came with such a token.
        """
        return await self._sign_in.create_token(principal, name=name, ceiling=ceiling, days=days)

    async def create_scoped_token(
        self, principal: Principal, *, name: str, scopes: tuple[Scope, ...], project_guid: str, days: int
    ) -> tuple[Token, str]:
        """Make a token that may do what ``scopes`` say, in one project where ``project_guid`` is given.

        Raises as ``create_token``, and NotAllowed where the principal's role there has not that much.
        """
        return await self._sign_in.create_scoped_token(
            principal, name=name, scopes=scopes, project_guid=project_guid, days=days
        )

    async def revoke_token(self, principal: Principal, guid: str) -> Token:
        """End one of the principal's own tokens; raise NotFound."""
        return await self._sign_in.revoke_token(principal, guid)

    async def end_others(self, principal: Principal) -> int:
        """End the principal's sessions but this one, and what they approved; return how many."""
        return await self._sign_in.end_others(principal)

    async def sweep(self) -> None:
        """Delete expired tokens."""
        await self._sign_in.sweep()

    async def access(self, principal: Principal, project_guid: str, *, permission: Permission) -> Access:
        """Return the principal's access to a project, as it was at most 5 s ago.

        Raises NotFound where the principal sees no such project, NotAllowed where the role is too small.
        """
        require_project(principal, project_guid)
        key, now = (principal.token_guid, project_guid), self._clock()
        access = self._accesses.get(key, now=now)
        if access is None:
            granted = await self._store.read(
                lambda tx: granted_in(tx, principal, project_guid, permission=Permission.VIEW)
            )
            access = Access(principal, granted.project, granted.organization, granted.permission)
            self._accesses.keep(key, access, now=now)
        require(access.permission, permission)
        return access

    async def admit(self, principal: Principal, organization_guid: str, *, permission: Permission) -> None:
        """Return if the principal may do that much in an organization; empty: the principal's first.

        Raises NotFound where the principal is not in it, NotAllowed where the role is too small.
        """
        held = await self._store.read(lambda tx: own_organization(tx, principal, organization_guid))
        present = permission_of((), held[1]) or Permission.SIGNED_IN
        require(min(present, principal.ceiling), permission)

    async def require_operator(self, principal: Principal) -> None:
        """Raise NotAllowed unless the principal runs the installation."""
        await self._store.read(lambda tx: require_operator(tx, principal))

    async def note_refused(self, principal: Principal, project_guid: str, *, door: Door, peer: str) -> None:
        """Write down that role or scopes kept somebody from a door through which credentials leave."""
        row = entry_by(
            principal.user.email,
            "credential.refused",
            principal.user.guid,
            at=self._clock(),
            outcome="not-allowed",
            project_guid=project_guid,
            door=door.value,
            token=principal.token_name,
            peer=peer,
        )
        await self._store.write(lambda tx: tx.audit.append(row))

    def forget(self) -> None:
        """Look tokens and permissions up anew from now on; called after changes to people."""
        self.forget_here()
        self._told()

    def forget_access(self) -> None:
        """Look permissions up anew from now on; called after every change to projects and members."""
        self._accesses.forget()
        self._told()

    def forget_here(self) -> None:
        """Look everything up anew from now on; called when another server changed something."""
        self._sign_in.forget_here()
        self._accesses.forget()

    # --- people ----------------------------------------------------------------------------------

    async def me(self, principal: Principal) -> Profile:
        """Return the principal's own profile."""
        return await self._store.read(lambda tx: profile_of(tx, principal.user.guid))

    async def rename_me(self, principal: Principal, *, first_name: str, last_name: str) -> Profile:
        """Replace the principal's own names; raise InvalidInput."""
        require(principal.ceiling, Permission.MANAGE_ORGANIZATION)
        first = enrolment.person_name(first_name, field="spec.firstName")
        last = enrolment.person_name(last_name, field="spec.lastName")
        at = self._clock()

        def change(tx: Transaction) -> Profile:
            user, password_hash = user_with_hash(tx, principal.user.guid)
            renamed = replace(user, first_name=first, last_name=last)
            tx.accounts.save_user(renamed, password_hash=password_hash)
            tx.audit.append(entry_by(user.email, "user.renamed", user.guid, at=at))
            return profile_of(tx, user.guid)

        profile = await self._store.write(change)
        self.forget()
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
        text = token_text(self._new_token())
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
        ).with_place()
        at = self._clock()
        await self._store.read(lambda tx: _check_setup(tx, token, now=at))
        password_hash = await self._hash(password)

        def change(tx: Transaction) -> User:
            _check_setup(tx, token, now=at)
            tx.settings.put(_SETUP_DIGEST, None)
            tx.settings.put(_SETUP_EXPIRES, None)
            return self._enrol(tx, wanted, password_hash, actor=wanted.email, at=at).user

        user = await self._store.write(change)
        return await self._sign_in.issue(user, TokenLevel.MEDIUM, peer="", via="set-up")

    # --- on the server's own machine ---------------------------------------------------------------

    async def set_disabled(self, email: str, *, disabled: bool) -> User:
        """Shut somebody out, whose sessions and tokens end at once, or let in again; raise NotFound."""
        at = self._clock()

        def change(tx: Transaction) -> User:
            found = tx.accounts.user(email=email)
            if found is None:
                raise NotFound("user", email)
            return shut_out(tx, found[0], password_hash=found[1], disabled=disabled, actor="admin", at=at)

        changed = await self._store.write(change)
        self.forget()
        return changed

    # --- parts -----------------------------------------------------------------------------------

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
        return profile_of(tx, user.guid)


def _check_setup(tx: Transaction, token: str, *, now: datetime) -> None:
    digest = tx.settings.get(_SETUP_DIGEST) or ""
    expires = tx.settings.get(_SETUP_EXPIRES)
    fits = is_well_formed(token) and hmac.compare_digest(digest, digest_of(token).hex())
    if not fits or not expires or now >= datetime.fromisoformat(expires) or tx.accounts.count():
        raise NotSignedIn("the set-up link is not valid any more; restart `towline serve` for a fresh one")
