"""A server has room for more connections than the limit that most systems begin with."""

import resource
import subprocess
import sys

import pytest

from towline.listening import MOST_OPEN

PROGRAM = """
import resource
from towline.listening import room_for_connections
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, min({hard}, hard)))
room_for_connections()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(("soft", "hard"), [(256, 2048), (2048, 2048), (256, 1 << 40)])
def test_the_limit_of_open_files_is_raised_as_far_as_one_may(soft, hard):
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    program = PROGRAM.format(soft=soft, hard=hard)
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout.split()
    expected = min(hard, most)
    assert [int(each) for each in said] == [min(expected, MOST_OPEN), expected]
