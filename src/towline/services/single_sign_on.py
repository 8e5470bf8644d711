"""Signing in through a provider: who came back is found or made here, and holds what the claims give.

Nobody is taken over in silence: an account with a password is connected once that password was given.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from towline.domain.account import OrganizationRole, TokenLevel, User
from towline.domain.errors import InvalidInput, NotFound, NotSignedIn
from towline.domain.joining import LINK_LIFE, Claims, PendingLink, granted_by
from towline.domain.names import email_address
from towline.services.audit import entry_by
from towline.services.enrolment import new_person_guid
from towline.services.invitations import joined
from towline.services.sign_in import DISABLED
from towline.services.tokens import digest_of, token_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from towline.domain.credential import Password
    from towline.ports import Clock, NewGuid, SignInProvider, Store, Transaction
    from towline.services.sign_in import SignIn

LEVEL = TokenLevel.LOW
"""A day: then the provider is asked anew who somebody is, and what groups there give."""
_MESSAGES_REMEMBERED = timedelta(minutes=15)
_HEARD = "logout token"
"""The kind of mark that says that a message was heard."""


@dataclass(frozen=True, slots=True, repr=False)
class Begun:
    """What the browser keeps between leaving for the provider and coming back."""

    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True)
class Arrived:
    """Who came back: signed in with ``session``, or to give the password of ``email`` with ``link``."""

    email: str
    session: str = field(default="", repr=False)
    link: str = field(default="", repr=False)


class SingleSignOn:
    """Sign-in through one provider; without one nothing here can be done.

    ``name`` is what people call the provider. ``passwords`` says for an address whether its password may
    be used here. ``on_change`` is called after every change of roles and tokens.
    """

    def __init__(  # noqa: PLR0913  (what it stands on, by name)
        self,
        *,
        store: Store,
        sign_in: SignIn,
        provider: SignInProvider | None,
        name: str,
        passwords: Callable[[str], bool],
        clock: Clock,
        new_guid: NewGuid,
        new_token: Callable[[], str],
        on_change: Callable[[], None],
    ) -> None:
        self._store = store
        self._sign_in = sign_in
        self._provider = provider
        self._name = name
        self._passwords = passwords
        self._clock = clock
        self._new_guid = new_guid
        self._new_token = new_token
        self._on_change = on_change

    @property
    def name(self) -> str:
        """What people call the provider; empty where there is none."""
        return self._name if self._provider else ""

    @property
    def issuer(self) -> str:
        """The provider's identifier; empty where there is none."""
        return self._provider.issuer if self._provider else ""

    async def begin(self, back: str) -> tuple[str, Begun]:
        """Return where the browser is to go, and what it must keep; it comes back to the address ``back``."""
        begun = Begun(self._new_token(), self._new_token(), self._new_token())
        way = await self._there().way(
            back=back, state=begun.state, nonce=begun.nonce, verifier=begun.verifier
        )
        return way, begun

    async def finish(self, code: str, begun: Begun, *, back: str, peer: str) -> Arrived:
        """Return who came back with this code, signed in, or to give a password first.

        Raises NotSignedIn in words for people where somebody may not in, ProviderFailed.
        """
        claims = await self._there().claims(code, back=back, nonce=begun.nonce, verifier=begun.verifier)
        link, at = token_text(self._new_token()), self._clock()
        guid = new_person_guid(self._new_guid)

        def change(tx: Transaction) -> User | PendingLink:
            known = tx.identities.user_of(claims.issuer, claims.subject)
            found = tx.accounts.user(guid=known) if known else None
            if found is None:
                found = self._found(tx, claims, guid=guid, at=at)
                if found[1] and self._passwords(found[0].email.casefold()):
                    return _pending(tx, found[0], claims, link, at=at)
            return _arrived(tx, found[0], claims, at=at)

        arrived = await self._store.write(change)
        if isinstance(arrived, PendingLink):
            return Arrived(claims.email, link=link)
        self._on_change()
        return await self._in(arrived, claims, peer=peer)

    async def connect(self, link: str, password: Password, *, peer: str) -> Arrived:
        """Connect an account by its password, and sign in; raise NotSignedIn, InvalidInput, Throttled."""
        digest, at = digest_of(link), self._clock()
        waiting = await self._store.read(lambda tx: tx.identities.pending(digest))
        if waiting is None or at >= waiting.expires_at:
            raise InvalidInput("", problem="this took too long", rule="sign in with the provider again")
        owner = await self._store.read(lambda tx: tx.accounts.user(guid=waiting.user_guid))
        if owner is None:
            raise NotSignedIn("the account is gone")
        user = await self._sign_in.proven(owner[0].email, password, peer=peer)

        def change(tx: Transaction) -> User:
            tx.identities.remove_pending(digest=digest)
            return _arrived(tx, user, waiting.claims, at=at)

        await self._store.write(change)
        self._on_change()
        return await self._in(user, waiting.claims, peer=peer)

    async def way_out(self, *, back: str, email: str) -> str:
        """Return where a browser ends the session at the provider too; empty where it has no such place."""
        return await self._there().way_out(back=back, email=email) if self._provider else ""

    async def end(self, logout_token: str) -> int:
        """End the sessions that the provider says are over; return how many. Raises NotSignedIn."""
        ended, now = await self._there().ended(logout_token), self._clock()
        number = digest_of(f"{ended.issuer} {ended.number}").hex()

        def change(tx: Transaction) -> int:
            tx.marks.expire(now)
            if tx.marks.counted(_HEARD, number, now=now):
                raise NotSignedIn("this logout token was used already")
            tx.marks.add(_HEARD, number, at=now, until=now + _MESSAGES_REMEMBERED)
            guid = tx.identities.user_of(ended.issuer, ended.subject) if ended.subject else None
            if ended.session:
                count = tx.accounts.remove_tokens(provider_session=ended.session)
            else:
                own = [each for each in tx.accounts.tokens_of(guid or "") if each.is_by_provider]
                count = sum(tx.accounts.remove_tokens(guid=each.guid) for each in own)
            if count:
                facts = {"count": str(count), "door": "back-channel"}
                tx.audit.append(entry_by("provider", "user.signed-out", guid or "", at=now, **facts))
            return count

        count = await self._store.write(change)
        self._on_change()
        return count

    def _there(self) -> SignInProvider:
        if self._provider is None:
            raise NotFound("page", "sign-in provider", where="this installation")
        return self._provider

    async def _in(self, user: User, claims: Claims, *, peer: str) -> Arrived:
        session = await self._sign_in.issue(user, LEVEL, peer=peer, via="sso", session=claims.session)
        return Arrived(user.email, session=session)

    def _found(self, tx: Transaction, claims: Claims, *, guid: str, at: datetime) -> tuple[User, str]:
        """Return the account of a verified address with its password hash; make one for who is expected."""
        if not claims.email_verified:
            raise NotSignedIn(
                f"{self._name} does not say that your e-mail address is verified, so no account is connected"
            )
        email = email_address(claims.email, field="email")
        if (found := tx.accounts.user(email=email)) is not None:
            return found
        invited = any(each.is_open(at) for each in tx.invitations.of_address(email))
        rules = [rule for _, rule in tx.identities.rules()]
        if not invited and not granted_by(rules, claims.groups):
            raise NotSignedIn(
                f"nobody here expects {email}: ask an admin for an invitation, or to be in a group that is"
            )
        made = User(guid, email, claims.first_name, claims.last_name, created_at=at)
        tx.accounts.add_user(made, password_hash="")
        tx.audit.append(entry_by(email, "user.created", guid, at=at, door="sso"))
        return made, ""


def _pending(tx: Transaction, user: User, claims: Claims, link: str, *, at: datetime) -> PendingLink:
    waiting = PendingLink(digest_of(link), user.guid, expires_at=at + LINK_LIFE, claims=claims)
    tx.identities.remove_pending(expired_before=at)
    tx.identities.put_pending(waiting)
    return waiting


def _arrived(tx: Transaction, user: User, claims: Claims, *, at: datetime) -> User:
    """Connect the account, accept its invitations, and give it what the claims give now and nothing else."""
    if user.disabled_at is not None:
        raise NotSignedIn(DISABLED)
    if tx.identities.user_of(claims.issuer, claims.subject) != user.guid:
        tx.identities.link(claims.issuer, claims.subject, user_guid=user.guid, at=at)
        facts = {"issuer": claims.issuer, "identity": claims.subject}
        tx.audit.append(entry_by(user.email, "user.identity-linked", user.guid, at=at, **facts))
    if claims.email_verified and claims.email.casefold() == user.email.casefold():
        for invitation in tx.invitations.of_address(claims.email):
            if invitation.is_open(at):
                joined(tx, user, invitation, at=at)
    _set_claimed(tx, user, claims, at=at)
    return user


def _set_claimed(tx: Transaction, user: User, claims: Claims, *, at: datetime) -> None:
    before, now = tx.identities.claimed(user.guid), _wanted(tx, claims)
    if now == before:
        return
    tx.identities.set_claimed(user.guid, now)
    held = " ".join(f"{owner}={','.join(roles)}" for owner, roles in now.items())
    facts = {"issuer": claims.issuer, "roles": held or "none"}
    tx.audit.append(entry_by(user.email, "user.roles-claimed", user.guid, at=at, **facts))


def _wanted(tx: Transaction, claims: Claims) -> Mapping[str, tuple[str, ...]]:
    """Return the roles by owner that the claims give; who has any in an organization is a member of it."""
    found: dict[str, tuple[str, ...]] = {}
    rules = tx.identities.rules()
    for organization in dict.fromkeys(guid for guid, _ in rules):
        given = granted_by((rule for guid, rule in rules if guid == organization), claims.groups)
        if given:
            found |= {organization: (OrganizationRole.MEMBER.value,), **given}
    return dict(sorted(found.items()))
