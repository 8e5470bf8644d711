"""Who killed a process, for every order in which an Engine's events may come."""

import pytest

from towline.engines.docker.kills import Kills, is_limited

KILLED = 137
BY_SIGNAL_9 = ("kill", {"signal": "9"})
BY_SIGNAL_15 = ("kill", {"signal": "15"})
OOM = ("oom", {})
START = ("start", {})


def judged(*events, exit_code=KILLED, marked=False, limited=True) -> bool:
    """Return whether an end after these events is for want of memory."""
    kills = Kills()
    for action, attributes in events:
        kills.heard("c", action, attributes)
    return kills.was_out_of_memory("c", exit_code, state={"OOMKilled": marked}, limited=limited)


def test_the_engines_word_before_the_end_is_enough():
    assert judged(OOM)
    assert judged(OOM, limited=False), "the machine's own memory may have been too little"


def test_a_word_that_comes_after_the_end_or_never_is_not_needed():
    assert judged()
    assert judged(marked=True, limited=False)


def test_a_kernel_that_kills_a_child_and_not_the_process_is_believed_too():
    assert judged(OOM, exit_code=1)


@pytest.mark.parametrize(
    "events",
    [
        (BY_SIGNAL_9,),
        (BY_SIGNAL_15, BY_SIGNAL_9),
        (("kill", {}),),  # podman names no signal
        (("stop", {}),),  # podman tells of a stop before the end, and of no kill
    ],
)
def test_a_kill_that_somebody_asked_for_is_no_want_of_memory(events):
    assert not judged(*events)


def test_a_signal_that_did_not_end_it_says_nothing_about_the_kill_that_did():
    assert judged(BY_SIGNAL_15)


def test_a_kill_of_what_has_no_limit_or_another_end_is_none():
    assert not judged(limited=False)
    assert not judged(exit_code=1)
    assert not judged(exit_code=0)


@pytest.mark.parametrize("event", ["start", "destroy", "remove"])
def test_what_was_told_of_one_run_says_nothing_about_the_next(event):
    assert judged(BY_SIGNAL_9, (event, {}))
    assert not judged(OOM, (event, {}), limited=False)


def test_dockers_stop_which_comes_after_the_end_is_forgotten_by_the_next_start():
    assert judged(BY_SIGNAL_15, ("die", {}), ("stop", {}), START)


def test_one_containers_events_are_not_anothers():
    kills = Kills()
    kills.heard("other", *OOM)
    kills.heard("another", *BY_SIGNAL_9)
    assert not kills.was_out_of_memory("c", 1, state={}, limited=True)
    assert kills.was_out_of_memory("c", KILLED, state={}, limited=True)


def test_what_was_asked_for_once_is_forgotten_when_told():
    kills = Kills()
    kills.heard("c", *OOM)
    kills.forget("c")
    assert not kills.was_out_of_memory("c", KILLED, state={}, limited=False)


@pytest.mark.parametrize(
    ("found", "limited"),
    [({"HostConfig": {"Memory": 20 << 20}}, True), ({"HostConfig": {"Memory": 0}}, False), ({}, False)],
)
def test_a_limit_is_read_as_the_engine_writes_it(found, limited):
    assert is_limited(found) is limited
