"""Signing in: passwords against tokens, tokens against people (design section 8, rule 8)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from towline.domain.account import Principal, Token
from towline.domain.errors import NotSignedIn
from towline.services.audit import entry_by
from towline.services.remembered import REMEMBERED_FOR, Remembered
from towline.services.throttle import LoginThrottle
from towline.services.tokens import digest_of, is_well_formed, token_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from towline.domain.account import TokenLevel, User
    from towline.domain.credential import Password
    from towline.ports import Clock, NewGuid, PasswordHasher, Store, Transaction

log = structlog.get_logger("towline.accounts")


class SignIn:
    """Issues, renews, recognises and ends bearer tokens.

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
        return await self.issue(user, level, peer=peer)

    async def refresh(self, text: str) -> str:
        """Return a new token that lives as long as the old one did from its start; the old one dies."""
        digest = _digest(text)
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
        principal = self._principals.get(digest)
        if principal is None:
            _check_form(text)
            token, user = await self._store.read(lambda tx: _valid(tx, digest, now=now))
            principal = Principal(user, token.guid, token.expires_at)
            self._principals.keep(digest, principal)
        if now >= principal.expires_at:
            raise NotSignedIn("the token has expired; sign in again")
        return principal

    async def issue(self, user: User, level: TokenLevel, *, peer: str) -> str:
        """Return a new token for somebody who has shown who they are."""
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

    async def sweep(self) -> None:
        """Delete expired tokens."""
        now = self._clock()
        swept = await self._store.write(lambda tx: tx.accounts.remove_tokens(expired_before=now))
        log.info("tokens.swept", count=swept)

    def forget(self) -> None:
        """Look tokens up anew from now on; called after every change to tokens and users."""
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
    return found
