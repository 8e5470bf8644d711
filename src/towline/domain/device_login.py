"""Signing in a program through a browser (RFC 8628): the login that waits, and its two codes.

The device code is the program's secret; the user code is what a person compares and types. Rules of
polling are plain functions of the login and the present time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self

from towline.domain.account import User
from towline.domain.errors import InvalidInput

LIFE = timedelta(minutes=10)
REMEMBERED = timedelta(minutes=10)
"""How long after its end a login is remembered, so that a late program hears the reason."""
INTERVAL = timedelta(seconds=2)
SLOWER = timedelta(seconds=5)
_EARLY = timedelta(milliseconds=500)
"""By how much a program may come early: its pause begins before our answer has reached it."""

LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""RFC 8628, 6.1: no vowels, so no words; nothing that looks like a digit."""
_LENGTH = 8
_CLIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class DeviceLoginState(StrEnum):
    """What the person has said so far."""

    WAITING = "waiting"
    APPROVED = "approved"
    DENIED = "denied"


class PollAnswer(StrEnum):
    """What a program hears that asks for its token: RFC 8628, 3.5, in its words."""

    PENDING = "authorization_pending"
    SLOW_DOWN = "slow_down"
    DENIED = "access_denied"
    EXPIRED = "expired_token"
    UNKNOWN = "invalid_grant"
    GRANTED = "granted"


@dataclass(frozen=True, slots=True)
class DeviceLogin:
    """A program that waits for a person. Both codes are kept as their SHA-256 alone.

    ``client_id`` is what the program calls itself, ``peer`` where it asked from.
    """

    device_digest: bytes
    user_digest: bytes
    client_id: str
    peer: str
    created_at: datetime
    expires_at: datetime
    interval: timedelta = INTERVAL
    polled_at: datetime | None = None
    state: DeviceLoginState = DeviceLoginState.WAITING
    user_guid: str = ""
    approver_guid: str = ""
    """The session that approved it: the program's own ends with that."""

    @classmethod
    def begun(
        cls, device_digest: bytes, user_digest: bytes, *, client_id: str, peer: str, at: datetime
    ) -> Self:
        """Return a login that begins now; raise InvalidInput for a name that no program has."""
        if not _CLIENT.fullmatch(client_id):
            raise InvalidInput(
                "client_id",
                problem="is missing" if not client_id else f"{client_id[:60]!a} is not a program's name",
                rule="use at most 64 letters, digits, '.', '_' and '-'",
            )
        return cls(device_digest, user_digest, client_id, peer, created_at=at, expires_at=at + LIFE)

    def is_open(self, now: datetime) -> bool:
        """Whether a person can still answer."""
        return self.state is DeviceLoginState.WAITING and now < self.expires_at

    def answered(self, state: DeviceLoginState, *, user_guid: str, approver_guid: str) -> Self:
        """Return the login as this user has answered it in the session ``approver_guid``."""
        return replace(self, state=state, user_guid=user_guid, approver_guid=approver_guid)

    def polled(self, now: datetime) -> tuple[PollAnswer, Self]:
        """Return what the program hears, and the login as it is afterwards.

        One that comes too early must wait five seconds longer from then on (RFC 8628, 3.5).
        """
        if now >= self.expires_at:
            return PollAnswer.EXPIRED, self
        if self.state is DeviceLoginState.DENIED:
            return PollAnswer.DENIED, self
        after = replace(self, polled_at=now)
        if self.polled_at is not None and now - self.polled_at < self.interval - _EARLY:
            return PollAnswer.SLOW_DOWN, replace(after, interval=self.interval + SLOWER)
        approved = self.state is DeviceLoginState.APPROVED
        return PollAnswer.GRANTED if approved else PollAnswer.PENDING, after


@dataclass(frozen=True, slots=True, repr=False)
class Granted:
    """What a program gets that a person has approved: a token that lives ``seconds`` from ``at``."""

    token: str
    user: User
    at: datetime
    seconds: int


def new_user_code(below: Callable[[int], int]) -> str:
    """Return a fresh user code, one of 20**8, as people read it: ``WDJB-MJHT``."""
    letters = "".join(LETTERS[below(len(LETTERS))] for _ in range(_LENGTH))
    return shown_user_code(letters)


def plain_user_code(text: str) -> str:
    """Return what somebody typed as the bare letters of a user code; empty when it cannot be one."""
    letters = re.sub(r"[\s-]", "", text).upper()
    return letters if len(letters) == _LENGTH and set(letters) <= set(LETTERS) else ""


def shown_user_code(letters: str) -> str:
    """Return the letters of a user code in two groups."""
    return f"{letters[: _LENGTH // 2]}-{letters[_LENGTH // 2 :]}"
