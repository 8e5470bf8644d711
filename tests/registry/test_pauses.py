"""Registries that said when to come back, and who is told of it."""

from datetime import timedelta
from email.utils import format_datetime

import pytest
from yarl import URL

from parts.fakes import ManualClock
from towline.registry import Pauses
from towline.registry.pauses import LONGEST

HUB = URL("https://registry-1.docker.io/v2/library/nginx/manifests/1")


def noted(pauses, after, *, status=429, account="jane"):
    pauses.note(HUB, account, status=status, headers={"retry-after": after} if after else {})


@pytest.mark.parametrize(
    ("after", "left"), [("30", 30), ("", None), ("0", None), ("soon", None), ("99999", LONGEST), ("-5", None)]
)
def test_a_registry_is_left_alone_for_as_long_as_it_says_and_no_longer_than_we_wait_anyway(after, left):
    pauses = Pauses(clock=ManualClock())
    noted(pauses, after)
    assert pauses.left(HUB, "jane") == left


def test_a_date_is_a_time_to_come_back_too():
    clock = ManualClock()
    pauses = Pauses(clock=clock)
    noted(pauses, format_datetime(clock() + timedelta(seconds=90), usegmt=True))
    assert pauses.left(HUB, "jane") == 90
    clock.advance(seconds=90)
    assert pauses.left(HUB, "jane") is None


def test_only_that_place_and_account_are_paused_and_only_by_a_429():
    pauses = Pauses(clock=ManualClock())
    noted(pauses, "30", status=503)
    assert pauses.left(HUB, "jane") is None
    noted(pauses, "30")
    assert pauses.left(HUB.with_path("/v2/other/manifests/2"), "jane") == 30
    assert pauses.left(HUB, "joe") is None
    assert pauses.left(HUB, "") is None
    assert pauses.left(URL("https://ghcr.io/v2/"), "jane") is None


def test_what_one_is_told_the_other_knows_without_the_account_s_name():
    clock, told = ManualClock(), []
    here, there = Pauses(clock=clock, told=told.append), Pauses(clock=clock)
    noted(here, "30", account="jane@example.com")
    [text] = told
    assert "jane" not in text
    there.heard(text)
    assert there.left(HUB, "jane@example.com") == 30
    there.heard("what an other version might tell")
    assert there.left(HUB, "jane") is None
