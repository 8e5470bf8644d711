"""What is known of runtimes, their words and signals."""

from __future__ import annotations

import signal

import pytest

from towline.engines.embedded.containers import Place
from towline.engines.embedded.monitor import oci
from towline.engines.embedded.plan import stop_signal
from towline.engines.embedded.runtime import ADVISORIES, Patched, patched
from towline.engines.wording import cleaned


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("1.1.5+ds1", Patched.UNKNOWN),
        ("1.2.7", Patched.UNKNOWN),
        ("1.2.8", Patched.YES),
        ("1.3.2", Patched.UNKNOWN),
        ("1.3.3", Patched.YES),
        ("1.4.0-rc.2", Patched.UNKNOWN),
        ("1.4.0-rc.3", Patched.YES),
        ("1.4.0", Patched.YES),
        ("2.0.0", Patched.YES),
        ("unknown", Patched.UNKNOWN),
    ],
)
def test_a_runtime_is_judged_by_its_version(version: str, expected: Patched) -> None:
    assert patched("runc", version, changelog="") is expected


def test_a_distributions_changelog_speaks_for_an_old_version() -> None:
    assert patched("runc", "1.1.5", changelog="  * " + ", ".join(ADVISORIES)) is Patched.YES
    assert patched("runc", "1.1.5", changelog=f"  * {ADVISORIES[0]}") is Patched.NO


def test_nothing_is_assumed_of_another_runtime() -> None:
    assert patched("crun", "1.99.0", changelog="") is Patched.UNKNOWN


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("SIGQUIT", signal.SIGQUIT),
        ("int", signal.SIGINT),
        ("9", 9),
        ("SIGRTMIN+3", signal.SIGRTMIN + 3),
        ("RTMAX-1", signal.SIGRTMAX - 1),
        ("", signal.SIGTERM),
        ("nonsense", signal.SIGTERM),
        ("4711", signal.SIGTERM),
        ("SIGRTMAX+9", signal.SIGTERM),
    ],
)
def test_a_stop_signal_is_a_name_or_a_number(text: str, number: int) -> None:
    assert stop_signal(text) == number


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('exec: "nosuch": executable file not found in $PATH', oci.COMMAND_NOT_FOUND),
        ('exec: "/nosuch": stat /nosuch: no such file or directory', oci.COMMAND_NOT_FOUND),
        ('exec: "/etc/passwd": permission denied', oci.COMMAND_NOT_FOUND),
        ("error during container init: mkdir /x: not a directory", oci.ENGINE_ERROR),
        ("", oci.ENGINE_ERROR),
    ],
)
def test_a_runtimes_words_become_a_problem(text: str, problem: str) -> None:
    said = f"runc create failed: unable to start container process: {text}\n"
    assert oci.refused(said, command="x").problem == problem


def test_a_failed_execution_is_told_from_a_program_that_failed() -> None:
    refusal = oci.ended_before_it_began("exec /bin/x: exec format error")
    assert refusal is not None
    assert refusal.problem == oci.WRONG_ARCHITECTURE
    assert oci.ended_before_it_began("sh: no such file or directory") is None


def test_names_of_containers_are_safe_for_folders() -> None:
    assert Place("dep-a", 3, executable="web.1", replica=2).container == "dep-a.3.web.1.2"
    hostile = Place("../../etc", 1, executable="x" * 300, replica=0).container
    assert "/" not in hostile
    assert len(hostile) < 200


def test_foreign_text_is_shown_in_one_short_printable_line() -> None:
    assert cleaned(b"\x1b[31mred\x1b[0m \xff\n") == "[31mred [0m \ufffd"
    assert len(cleaned(b"x" * 1000)) == 200
