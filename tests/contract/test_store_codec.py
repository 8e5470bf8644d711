import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

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


def test_threads_that_meet_a_kind_together_end_no_process():
    """msgspec 0.22 reads past the end there (a segmentation fault), where it is let."""
    program = Path(__file__).with_name("threads_that_meet_a_kind.py")
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
