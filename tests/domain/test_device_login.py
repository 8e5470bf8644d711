from datetime import UTC, datetime, timedelta
from itertools import cycle

import pytest

from towline.domain.device_login import (
    INTERVAL,
    LETTERS,
    LIFE,
    SLOWER,
    DeviceLogin,
    DeviceLoginState,
    PollAnswer,
    new_user_code,
    plain_user_code,
)
from towline.domain.errors import InvalidInput

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def login(client_id: str = "rio-cli") -> DeviceLogin:
    return DeviceLogin.begun(b"device", b"user", client_id=client_id, peer="127.0.0.1", at=NOW)


def polled(one: DeviceLogin, after: timedelta) -> tuple[PollAnswer, DeviceLogin]:
    return one.polled(NOW + after)


def test_a_program_waits_until_a_person_has_answered():
    heard, after = polled(login(), INTERVAL)
    assert heard is PollAnswer.PENDING
    approved = after.answered(DeviceLoginState.APPROVED, user_guid="jane", approver_guid="token-jane")
    assert polled(approved, 2 * INTERVAL)[0] is PollAnswer.GRANTED
    denied = after.answered(DeviceLoginState.DENIED, user_guid="jane", approver_guid="token-jane")
    assert polled(denied, 2 * INTERVAL)[0] is PollAnswer.DENIED


def test_a_program_that_comes_too_early_must_wait_five_seconds_longer_from_then_on():
    _, first = polled(login(), INTERVAL)
    heard, slowed = polled(first, INTERVAL + timedelta(seconds=1))
    assert heard is PollAnswer.SLOW_DOWN
    assert slowed.interval == INTERVAL + SLOWER
    again, slower = polled(slowed, INTERVAL + timedelta(seconds=4))
    assert again is PollAnswer.SLOW_DOWN
    patient = INTERVAL + timedelta(seconds=4) + slower.interval
    assert polled(slower, patient)[0] is PollAnswer.PENDING


def test_too_early_holds_for_an_approved_login_too():
    _, first = polled(login(), INTERVAL)
    approved = first.answered(DeviceLoginState.APPROVED, user_guid="jane", approver_guid="token-jane")
    assert polled(approved, INTERVAL + timedelta(seconds=1))[0] is PollAnswer.SLOW_DOWN


def test_a_pause_that_began_before_the_answer_arrived_is_no_hurry():
    _, first = polled(login(), INTERVAL)
    assert polled(first, 2 * INTERVAL - timedelta(milliseconds=300))[0] is PollAnswer.PENDING


def test_after_ten_minutes_it_is_over_whatever_was_said():
    for state in DeviceLoginState:
        late = login().answered(state, user_guid="jane", approver_guid="token-jane")
        assert polled(late, LIFE)[0] is PollAnswer.EXPIRED
        assert not late.is_open(NOW + LIFE)


def test_an_answer_is_given_once():
    assert login().is_open(NOW)
    assert (
        not login()
        .answered(DeviceLoginState.DENIED, user_guid="jane", approver_guid="token-jane")
        .is_open(NOW)
    )


@pytest.mark.parametrize("name", ["", "-rio", "rio cli", "r" * 65, "rio\n", "<b>rio</b>", "rïo"])
def test_a_program_has_a_plain_name(name):
    with pytest.raises(InvalidInput, match="client_id"):
        login(name)


def test_a_user_code_is_read_however_people_type_it():
    numbers = cycle(range(8))
    code = new_user_code(lambda limit: next(numbers) % limit)
    assert code == "BCDF-GHJK"
    for typed in ("BCDF-GHJK", "bcdfghjk", " bcdf ghjk ", "B-C-D-F-G-H-J-K"):
        assert plain_user_code(typed) == "BCDFGHJK"
    for typed in ("", "BCDF-GHJ", "BCDF-GHJKL", "BCDF-GHJA", "BCDF-GHJ1", "\u212aCDF-GHJK"):
        assert plain_user_code(typed) == ""


def test_user_codes_are_too_many_to_guess():
    guesses = 10 * LIFE / timedelta(minutes=5)
    assert len(set(LETTERS)) ** 8 / guesses > 1e9
