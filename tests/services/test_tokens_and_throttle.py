import secrets
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parts.fakes import ManualClock
from towline.domain.errors import Throttled
from towline.services.throttle import MOST_PER_PEER, LoginThrottle
from towline.services.tokens import digest_of, is_well_formed, token_text

_SAFE = string.ascii_letters + string.digits + "-_"
_BODIES = st.text(alphabet=_SAFE, min_size=43, max_size=43)


@given(_BODIES)
def test_every_token_that_is_made_is_well_formed(body: str) -> None:
    token = token_text(body)
    assert is_well_formed(token)
    assert len(token) == 54
    assert len(digest_of(token)) == 32


@given(_BODIES, st.integers(4, 53), st.sampled_from(_SAFE))
def test_one_mistyped_letter_is_noticed_without_the_store(body: str, place: int, letter: str) -> None:
    token = token_text(body)
    mistyped = token[:place] + letter + token[place + 1 :]
    assert is_well_formed(mistyped) is (mistyped == token)


@given(st.text(max_size=80))
def test_any_other_text_is_no_token(text: str) -> None:
    assert not is_well_formed(text)


def test_the_random_source_of_production_fits_the_shape() -> None:
    assert is_well_formed(token_text(secrets.token_urlsafe(32)))


async def test_many_logins_at_once_do_not_slip_through() -> None:
    throttle = LoginThrottle(clock=ManualClock())
    for number in range(MOST_PER_PEER):
        await throttle.enter(f"u{number}@example.com", "192.0.2.1")
    with pytest.raises(Throttled):
        await throttle.enter("u99@example.com", "192.0.2.1")


async def test_a_success_forgives_the_failures_of_that_address_only() -> None:
    throttle = LoginThrottle(clock=ManualClock())
    for _ in range(9):
        await throttle.enter("a@example.com", "192.0.2.1")
        await throttle.enter("b@example.com", "192.0.2.1")
    await throttle.enter("a@example.com", "192.0.2.1")
    await throttle.forgive("a@example.com", "192.0.2.1")
    for _ in range(10):
        await throttle.enter("a@example.com", "192.0.2.1")
    await throttle.enter("b@example.com", "192.0.2.1")
    with pytest.raises(Throttled):
        await throttle.enter("b@example.com", "192.0.2.1")


async def test_the_wait_that_is_told_is_long_enough() -> None:
    clock = ManualClock()
    throttle = LoginThrottle(clock=clock)
    for _ in range(10):
        await throttle.enter("a@example.com", "192.0.2.1")
        clock.advance(seconds=7.3)
    with pytest.raises(Throttled) as caught:
        await throttle.enter("a@example.com", "192.0.2.1")
    clock.advance(seconds=caught.value.retry_after)
    await throttle.enter("a@example.com", "192.0.2.1")
