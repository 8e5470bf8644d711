import asyncio
import threading

import argon2
import pytest

from towline.domain.credential import Password
from towline.domain.errors import StoreFailed
from towline.store.passwords import Argon2Hasher


async def test_a_password_matches_its_own_hash_only():
    hasher = Argon2Hasher()
    kept = await hasher.hash(Password("open sesame"))
    assert await hasher.matches(Password("open sesame"), kept)
    assert not await hasher.matches(Password("open sesame "), kept)
    assert not await hasher.matches(Password(""), kept)


async def test_a_hash_says_how_it_was_made_and_never_comes_twice():
    hasher = Argon2Hasher()
    hashes = {await hasher.hash(Password("open sesame")) for _ in range(2)}
    assert len(hashes) == 2
    for kept in hashes:
        assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.parametrize("text", ["ä\u2028", "\ud800", "x" * 10_000, "a\x00b"])
async def test_any_text_can_be_a_password(text):
    hasher = Argon2Hasher()
    assert await hasher.matches(Password(text), await hasher.hash(Password(text)))


class Counted(argon2.PasswordHasher):
    """Counts the work, and how much of it goes on at once."""

    def __init__(self):
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.hashed, self.now, self.most = 0, 0, 0
        self._lock = threading.Lock()
        self._meet = threading.Barrier(2)

    def hash(self, password, *, salt=None):
        with self._lock:
            self.hashed += 1
            self.now += 1
            self.most = max(self.most, self.now)
        self._meet.wait(timeout=10)
        try:
            return super().hash(password, salt=salt)
        finally:
            with self._lock:
                self.now -= 1


async def test_an_unknown_user_costs_the_same_work_and_at_most_two_are_at_it_at_once():
    hasher = Argon2Hasher()
    hasher._argon2 = counted = Counted()
    answers = await asyncio.gather(*(hasher.matches(Password("x"), "") for _ in range(8)))
    assert (answers, counted.hashed, counted.most) == ([False] * 8, 8, 2)


async def test_a_stored_hash_that_is_none_is_an_error_and_not_a_refusal():
    with pytest.raises(StoreFailed):
        await Argon2Hasher().matches(Password("x"), "$argon2id$nonsense")
