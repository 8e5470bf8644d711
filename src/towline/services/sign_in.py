"""Signing in: passwords against tokens, tokens against people (design section 8, rule 8)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from towline.domain.account import Permission, Principal, Token
from towline.domain.errors import InvalidInput, NotAllowed, NotFound, NotSignedIn
from towline.domain.scopes import SCOPES
from towline.services.audit import entry_by
from towline.services.enrolment import person_name
from towline.services.people import granted, require
from towline.services.remembered import REMEMBERED_FOR, Remembered
from towline.services.throttle import LoginThrottle
from towline.services.tokens import digest_of, is_well_formed, token_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from towline.domain.account import TokenLevel, User
    from towline.domain.credential import Password
    from towline.domain.scopes import Scope
    from towline.ports import Clock, NewGuid, PasswordHasher, Store, Throttle, Transaction

log = structlog.get_logger("towline.accounts")

DISABLED = "this account is disabled; an admin of the organization can enable it"
LONGEST_DAYS = 366
MOST_TOKENS = 100
"""API tokens of one person."""


class SignIn:
    """Issues, renews, recognises and ends bearer tokens.

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
        self._passwords = passwords
        self._store = store
        self._hasher = hasher
        self._clock = clock
        self._new_guid = new_guid
        self._new_token = new_token
        self._throttle = throttle or LoginThrottle(clock=clock)
        self._told = told
        self._principals: Remembered[bytes, Principal] = Remembered(life=REMEMBERED_FOR)

    async def login(self, email: str, password: Password, *, level: TokenLevel, peer: str) -> str:
        """Return a new token's text; ``peer`` is the caller's network address.

        Raises NotSignedIn, after the same time whether the address is unknown or the password wrong,
        and Throttled after 10 failures in 5 minutes for one address and peer, or 50 from one peer.
        """
        if not self._passwords(email.strip().lower()):
            raise NotSignedIn("passwords are switched off here; sign in through the browser")
        user = await self.proven(email, password, peer=peer)
        return await self.issue(user, level, peer=peer, via="password")

    async def proven(self, email: str, password: Password, *, peer: str) -> User:
        """Return whose address and password these are; raise as ``login`` does."""
        address = email.strip().lower()
        await self._throttle.enter(address, peer)
        found = await self._store.read(lambda tx: tx.accounts.user(email=address))
        user, password_hash = found or (None, "")
        if not await self._hasher.matches(password, password_hash) or user is None:
            await self._note_failed_login(user, peer)
            raise NotSignedIn("e-mail address or password is wrong")
        await self._throttle.forgive(address, peer)
        if user.disabled_at is not None:
            await self._note_failed_login(user, peer)
            raise NotSignedIn(DISABLED)
        return user

    async def refresh(self, text: str) -> str:
        """Return a new token in place of the old one, which dies.

        It lives as long as the old one did from its start. A session by the sign-in provider ends when it
        was to end: what the provider says is asked for anew then.
        """
        digest = _digest(text)
        fresh_text = self._fresh_text()
        at = self._clock()

        def change(tx: Transaction) -> None:
            old, user = _valid(tx, digest, now=at)
            end = old.expires_at if old.is_by_provider else at + (old.expires_at - old.created_at)
            fresh = replace(old, digest=digest_of(fresh_text), created_at=at, expires_at=end)
            tx.accounts.remove_tokens(digest=digest)
            tx.accounts.add_token(fresh)
            tx.audit.append(entry_by(user.email, "token.refreshed", user.guid, at=at))

        await self._store.write(change)
        self.forget()
        return fresh_text

    async def logout(self, principal: Principal) -> None:
        """End the token that the principal came with."""
        user, at = principal.user, self._clock()

        def change(tx: Transaction) -> None:
            tx.accounts.remove_tokens(guid=principal.token_guid)
            tx.audit.append(entry_by(user.email, "user.signed-out", user.guid, at=at))

        await self._store.write(change)
        self.forget()

    async def authenticate(self, text: str) -> Principal:
        """Return who holds this token; raise NotSignedIn. What is returned was so at most 5 s ago."""
        digest = digest_of(text)
        now = self._clock()
        principal = self._principals.get(digest, now=now)
        if principal is None:
            _check_form(text)
            token, user = await self._store.read(lambda tx: _valid(tx, digest, now=now))
            principal = _principal(token, user)
            self._principals.keep(digest, principal, now=now)
        if now >= principal.expires_at:
            raise NotSignedIn("the token has expired; sign in again")
        return principal

    async def issue(self, user: User, level: TokenLevel, *, peer: str, via: str, session: str = "") -> str:
        """Return a new token for somebody who has shown who they are; ``session`` is the provider's id."""
        text, change = self._issuing(user, level, peer=peer, via=via, provider_session=session)
        await self._store.write(change)
        return text

    def issuing(
        self, user: User, level: TokenLevel, *, peer: str, door: str, approver: Token
    ) -> tuple[str, Callable[[Transaction], None]]:
        """Return a new token's text for a program that a session approved, and what makes it valid."""
        via = f"{door} by sso" if approver.is_by_provider else door
        ended_with = approver.provider_session
        return self._issuing(
            user, level, peer=peer, via=via, parent_guid=approver.guid, provider_session=ended_with
        )

    def _issuing(
        self,
        user: User,
        level: TokenLevel,
        *,
        peer: str,
        via: str,
        parent_guid: str = "",
        provider_session: str = "",
    ) -> tuple[str, Callable[[Transaction], None]]:
        text, at = self._fresh_text(), self._clock()
        plain = self._token(user, text, kind="login", at=at, life=timedelta(hours=level.hours))
        token = replace(plain, via=via, peer=peer, parent_guid=parent_guid, provider_session=provider_session)

        def change(tx: Transaction) -> None:
            tx.accounts.add_token(token)
            facts = {"peer": peer, "level": level.value, "door": via}
            tx.audit.append(entry_by(user.email, "user.signed-in", user.guid, at=at, **facts))

        return text, change

    async def tokens(self, principal: Principal) -> Sequence[Token]:
        """Return the principal's own tokens that are valid, the newest first."""
        now = self._clock()
        known = await self._store.read(lambda tx: tx.accounts.tokens_of(principal.user.guid))
        return tuple(token for token in known if token.is_valid(now))

    async def create_token(
        self, principal: Principal, *, name: str, ceiling: Permission, days: int
    ) -> tuple[Token, str]:
        """Make a token for a program; return it with its text."""
        return await self._made(principal, days=days, name=name, ceiling=ceiling)

    async def create_scoped_token(
        self, principal: Principal, *, name: str, scopes: tuple[Scope, ...], project_guid: str, days: int
    ) -> tuple[Token, str]:
        """Make a token with scopes; return it with its text. Its owner's role must allow each of them."""
        if project_guid:
            await self._store.read(lambda tx: _require_roles(tx, principal, project_guid, scopes))
        ceiling = Permission.MANAGE_PROJECT
        return await self._made(
            principal, days=days, name=name, ceiling=ceiling, scopes=scopes, project_guid=project_guid
        )

    async def _made(
        self,
        principal: Principal,
        *,
        days: int,
        name: str,
        ceiling: Permission,
        scopes: tuple[Scope, ...] = (),
        project_guid: str = "",
    ) -> tuple[Token, str]:
        require(principal.ceiling, Permission.MANAGE_ORGANIZATION)
        named = person_name(name.strip(), field="name")
        if not named:
            raise InvalidInput("name", problem="is empty", rule="say what the token is for")
        if not 1 <= days <= LONGEST_DAYS:
            raise InvalidInput("days", problem=f"is {days}", rule=f"use 1 to {LONGEST_DAYS}")
        text, at = self._fresh_text(), self._clock()
        plain = self._token(principal.user, text, kind="api", at=at, life=timedelta(days=days))
        token = replace(plain, name=named, ceiling=ceiling, scopes=scopes, project_guid=project_guid)

        def change(tx: Transaction) -> None:
            known = tx.accounts.tokens_of(principal.user.guid)
            if sum(each.kind == token.kind for each in known) >= MOST_TOKENS:
                raise InvalidInput(
                    "name", problem=f"would be token {MOST_TOKENS + 1}", rule="revoke one that is not used"
                )
            tx.accounts.add_token(token)
            facts = {"name": named, "days": str(days), "scopes": " ".join(map(str, scopes))}
            facts["ceiling"] = "" if scopes else ceiling.name.lower()
            row = entry_by(
                principal.user.email, "token.created", token.guid, at=at, project_guid=project_guid, **facts
            )
            tx.audit.append(row)

        await self._store.write(change)
        return token, text

    async def revoke_token(self, principal: Principal, guid: str) -> Token:
        """End one of the principal's own tokens, and those of programs that it approved; raise NotFound."""
        at, user = self._clock(), principal.user

        def change(tx: Transaction) -> Token:
            found = [each for each in tx.accounts.tokens_of(user.guid) if each.guid == guid]
            if not found:
                raise NotFound("token", guid)
            tx.accounts.remove_tokens(guid=guid, parent_guid=guid)
            tx.device_logins.remove_of(user.guid, approver_guid=guid)
            facts = {"name": found[0].name, "kind": found[0].kind}
            tx.audit.append(entry_by(user.email, "token.revoked", guid, at=at, **facts))
            return found[0]

        revoked = await self._store.write(change)
        self.forget()
        return revoked

    async def end_others(self, principal: Principal) -> int:
        """End all sessions of the principal but the one that asks, and what they approved; return how many.

        Tokens that people made for programs stay.
        """
        require(principal.ceiling, Permission.MANAGE_ORGANIZATION)
        at, user = self._clock(), principal.user

        def change(tx: Transaction) -> int:
            others = [
                each.guid
                for each in tx.accounts.tokens_of(user.guid)
                if each.kind != "api" and each.guid != principal.token_guid
            ]
            for guid in others:
                tx.accounts.remove_tokens(guid=guid)
            tx.device_logins.remove_of(user.guid)
            row = entry_by(user.email, "user.other-sessions-ended", user.guid, at=at, count=str(len(others)))
            tx.audit.append(row)
            return len(others)

        ended = await self._store.write(change)
        self.forget()
        return ended

    async def sweep(self) -> None:
        """Delete expired tokens."""
        now = self._clock()
        swept = await self._store.write(lambda tx: tx.accounts.remove_tokens(expired_before=now))
        log.info("tokens.swept", count=swept)

    def forget(self) -> None:
        """Look tokens up anew from now on, here and on other servers; called after each change to them."""
        self.forget_here()
        self._told()

    def forget_here(self) -> None:
        """Look tokens up anew from now on; called when another server changed some."""
        self._principals.forget()

    async def _note_failed_login(self, user: User | None, peer: str) -> None:
        """Write a failed login down; an unknown address is not, as people type passwords there."""
        actor = user.email if user else "unknown"
        subject = user.guid if user else ""
        row = entry_by(actor, "user.signed-in", subject, at=self._clock(), outcome="refused", peer=peer)
        await self._store.write(lambda tx: tx.audit.append(row))

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


def _principal(token: Token, user: User) -> Principal:
    return Principal(
        user,
        token.guid,
        token.expires_at,
        token.ceiling,
        token_name=token.name,
        scopes=token.scopes,
        project_guid=token.project_guid,
        via=token.via,
    )


def _require_roles(
    tx: Transaction, principal: Principal, project_guid: str, scopes: tuple[Scope, ...]
) -> None:
    """Refuse a scope that its owner's role in the project would never let be used."""
    held = granted(tx, principal, project_guid, permission=Permission.VIEW)
    for scope in scopes:
        if held.permission < SCOPES[scope.kind].permission:
            raise NotAllowed(f"{scope} needs a greater role in project {held.project.name!r} than yours")


def _digest(text: str) -> bytes:
    _check_form(text)
    return digest_of(text)


def _check_form(text: str) -> None:
    if not is_well_formed(text):
        raise NotSignedIn("the token is not one of Towline's, or was not copied as a whole")


def _valid(tx: Transaction, digest: bytes, *, now: datetime) -> tuple[Token, User]:
    found = tx.accounts.token(digest)
    if found is None or not found[0].is_valid(now):
        raise NotSignedIn("the token is not valid any more; sign in again")
    if found[1].disabled_at is not None:
        raise NotSignedIn(DISABLED)
    return found
