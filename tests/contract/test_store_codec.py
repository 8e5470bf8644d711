from datetime import datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from towline.store.rows.codec import micros, moment

ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2900, 1, 1), timezones=ZONES)  # noqa: DTZ001  (zones come beside)


@given(MOMENTS)
def test_any_moment_comes_back_to_the_microsecond(at):
    assert moment(micros(at)) == at


@given(MOMENTS, MOMENTS)
def test_moments_are_ordered_as_their_numbers(one, other):
    assert (one < other) == (micros(one) < micros(other))
