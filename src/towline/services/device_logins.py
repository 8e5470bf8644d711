"""Signing in a program through a browser: it waits with a code, a person approves (RFC 8628)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import structlog

from towline.domain.account import Permission, TokenLevel
from towline.domain.device_login import (
    LIFE,
    REMEMBERED,
    DeviceLogin,
    DeviceLoginState,
    Granted,
    PollAnswer,
    new_user_code,
    plain_user_code,
)
from towline.domain.errors import InvalidInput, Throttled
from towline.services.audit import entry_by
from towline.services.people import require
from towline.services.tokens import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from towline.domain.account import Principal, Token, User
    from towline.ports import Clock, Store, Throttle, Transaction

log = structlog.get_logger("towline.device-login")

MOST_OF_PEER = 50
MOST = 2000
"""Logins that wait, or ended a short while ago."""
_LONGEST_CODE = 200


class Issuing(Protocol):
    """Makes a login token's text, and the change that makes it valid in a transaction."""

    def __call__(
        self, user: User, level: TokenLevel, *, peer: str, door: str, approver: Token
    ) -> tuple[str, Callable[[Transaction], None]]: ...


@dataclass(frozen=True, slots=True, repr=False)
class Begun:
    """A login that begins, and the two codes that are told this once."""

    login: DeviceLogin
    device_code: str
    user_code: str


class DeviceLogins:
    """Programs that wait to be signed in.

    ``new_code`` returns a device code (``secrets.token_urlsafe(32)``), ``below`` a random number;
    ``throttle`` counts wrong codes.
    """

    def __init__(
        self,
        *,
        store: Store,
        issuing: Issuing,
        clock: Clock,
        new_code: Callable[[], str],
        below: Callable[[int], int],
        throttle: Throttle,
    ) -> None:
        self._store = store
        self._issuing = issuing
        self._clock = clock
        self._new_code = new_code
        self._below = below
        self._throttle = throttle

    async def begin(self, client_id: str, *, peer: str) -> Begun:
        """Return a new login for a program; raise InvalidInput for its name, Throttled for too many."""
        at = self._clock()
        device_code, user_code = self._new_code(), new_user_code(self._below)
        login = DeviceLogin.begun(
            digest_of(device_code), _user_digest(user_code), client_id=client_id, peer=peer, at=at
        )

        def change(tx: Transaction) -> None:
            tx.device_logins.remove_expired(at - REMEMBERED)
            if tx.device_logins.count(peer=peer) >= MOST_OF_PEER or tx.device_logins.count() >= MOST:
                raise Throttled("too many logins wait for a person", retry_after=int(LIFE.total_seconds()))
            tx.device_logins.add(login)

        await self._store.write(change)
        log.info("device-login.begun", client_id=client_id, peer=peer)
        return Begun(login, device_code, user_code)

    async def find(self, principal: Principal, user_code: str) -> DeviceLogin:
        """Return the login that waits under this user code.

        Raises InvalidInput where none does, Throttled after ten wrong codes in five minutes.
        """
        user = principal.user
        await self._throttle.enter(user.guid, user.guid)
        try:
            login = await self._store.read(lambda tx: self._open(tx, user_code))
        except InvalidInput:
            await self._note_wrong_code(user)
            raise
        await self._throttle.take_back(user.guid, user.guid)
        return login

    async def answer(self, principal: Principal, user_code: str, state: DeviceLoginState) -> DeviceLogin:
        """Approve or deny a login; raise as ``find`` does, and NotAllowed for who came with an API token."""
        require(principal.ceiling, Permission.MANAGE_ORGANIZATION)
        await self.find(principal, user_code)
        user, at = principal.user, self._clock()

        def change(tx: Transaction) -> DeviceLogin:
            answered = self._open(tx, user_code).answered(
                state, user_guid=user.guid, approver_guid=principal.token_guid
            )
            tx.device_logins.save(answered)
            facts = {"client": answered.client_id, "peer": answered.peer}
            tx.audit.append(entry_by(user.email, f"device-login.{state.value}", user.guid, at=at, **facts))
            return answered

        return await self._store.write(change)

    async def poll(self, device_code: str, client_id: str) -> Granted | PollAnswer:
        """Return the token if a person has approved, once; else what the program must hear."""
        if not device_code.isascii() or len(device_code) > _LONGEST_CODE:
            return PollAnswer.UNKNOWN
        digest, now = digest_of(device_code), self._clock()

        def change(tx: Transaction) -> Granted | PollAnswer:
            login = tx.device_logins.by_device(digest)
            if login is None or login.client_id != client_id:
                return PollAnswer.UNKNOWN
            heard, after = login.polled(now)
            if heard is PollAnswer.GRANTED:
                return self._grant(tx, after)
            if after != login:
                tx.device_logins.save(after)
            return heard

        if await self._store.read(lambda tx: tx.device_logins.by_device(digest)) is None:
            return PollAnswer.UNKNOWN
        return await self._store.write(change)

    def _grant(self, tx: Transaction, login: DeviceLogin) -> Granted | PollAnswer:
        """Take the login out and make its token, in the same transaction: a code works once."""
        tx.device_logins.remove(login.device_digest)
        found, now = tx.accounts.user(guid=login.user_guid), self._clock()
        known = tx.accounts.tokens_of(login.user_guid)
        approver = next((each for each in known if each.guid == login.approver_guid), None)
        if found is None or approver is None or not approver.is_valid(now):
            return PollAnswer.DENIED
        level = TokenLevel.MEDIUM
        token, change = self._issuing(
            found[0], level, peer=login.peer, door=f"device {login.client_id}", approver=approver
        )
        change(tx)
        return Granted(token, found[0], at=now, seconds=level.hours * 3600)

    async def _note_wrong_code(self, user: User) -> None:
        row = entry_by(user.email, "device-login.found", user.guid, at=self._clock(), outcome="refused")
        await self._store.write(lambda tx: tx.audit.append(row))

    def _open(self, tx: Transaction, user_code: str) -> DeviceLogin:
        letters = plain_user_code(user_code)
        login = tx.device_logins.by_user_code(_user_digest(letters)) if letters else None
        if login is None or not login.is_open(self._clock()):
            raise InvalidInput(
                "user_code",
                problem="no program waits under this code",
                rule="codes are eight letters and good for ten minutes: compare it, or begin anew",
            )
        return login


def _user_digest(user_code: str) -> bytes:
    return digest_of(plain_user_code(user_code))
