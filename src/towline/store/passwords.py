"""People's passwords, hashed with Argon2id as OWASP's least: 19 MiB, two passes, one lane.

https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html, RFC 9106
"""

from __future__ import annotations

import asyncio

from argon2 import PasswordHasher, Type
from argon2.exceptions import Argon2Error, InvalidHashError, VerifyMismatchError

from towline.domain.credential import Password
from towline.domain.errors import StoreFailed

AT_ONCE = 2
MEMORY_KIB = 19 * 1024
PASSES = 2
LANES = 1


class Argon2Hasher:
    """The port ``PasswordHasher``: in threads, at most two at once, so that logins cannot starve the rest."""

    def __init__(self) -> None:
        self._argon2 = PasswordHasher(
            time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES, type=Type.ID
        )
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def hash(self, password: Password) -> str:
        """Return a salted hash with its parameters in it."""
        async with self._turns:
            return await asyncio.to_thread(self._hash, password)

    async def matches(self, password: Password, password_hash: str) -> bool:
        """Whether ``password`` has that hash; takes as long for an unknown user's empty hash."""
        async with self._turns:
            return await asyncio.to_thread(self._matches, password, password_hash)

    def _hash(self, password: Password) -> str:
        try:
            return self._argon2.hash(_bytes(password))
        except Argon2Error as error:
            raise StoreFailed(f"a password could not be hashed: {error}") from error

    def _matches(self, password: Password, password_hash: str) -> bool:
        if not password_hash:
            self._hash(password)
            return False
        try:
            return self._argon2.verify(password_hash, _bytes(password))
        except VerifyMismatchError:
            return False
        except (InvalidHashError, Argon2Error) as error:
            raise StoreFailed(f"a stored password hash cannot be compared: {error}") from error


def _bytes(password: Password) -> bytes:
    return password.reveal().encode(errors="surrogatepass")
