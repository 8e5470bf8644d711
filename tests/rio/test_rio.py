"""The real ``rio`` 10.11 at a live server with a real registry and engine: every command, typed once or more.

The steps are played once; what each printed and ended with is looked at one by one.
"""

from __future__ import annotations

import subprocess

import pytest

from parts.rio import RIO, leaves, require_rio
from rio import absent, journey, record
from rio.stage import play, running_stage
from rio.steps import Step

STEPS = (*journey.LANE, *absent.LANE)
NAMES = [f"{at}: {step.command}" for at, step in enumerate(STEPS, start=1)]


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    with running_stage(tmp_path_factory.mktemp("rio")) as stage:
        ran = play(stage, journey.LANE, absent.LANE)
        for name in ("old", "refreshed"):
            stage.facts[f"status of the {name} token"] = stage.asked(str(stage.facts[name]))
        yield stage, ran


@pytest.mark.parametrize("at", range(len(STEPS)), ids=NAMES)
def test_a_command_ends_and_prints_as_it_must(played, at):
    step, ended = played[1][at]
    assert ended.code == step.code, ended.text
    assert [words for words in step.says if words not in ended.text] == [], ended.text
    assert [words for words in step.hides if words in ended.text] == [], ended.text
    assert "Traceback" not in ended.text


def test_the_page_tells_what_this_run_gave(played):
    given, told = record.record(played[1]), record.kept()
    assert given["commands"] == told["commands"], "run make rio-table"
    assert given["elsewhere"] == told["elsewhere"], "run make rio-table"


def test_a_refreshed_token_replaces_the_old_one(played):
    assert played[0].facts["status of the old token"] == 401
    assert played[0].facts["status of the refreshed token"] == 200


def test_a_restart_is_the_next_generation(played):
    assert played[0].facts["generation"] == 2


def test_a_refused_pull_is_noticed_at_once(played):
    """Any other failure keeps ``rio`` waiting for five minutes, asking every six seconds."""
    assert played[0].facts["seconds to notice DEP_E153"] < 6


def test_a_device_login_is_in_the_audit_trail(played):
    stage, _ = played
    database = stage.server.data / "towline.db"
    shown = subprocess.run(
        ["python3", "-c", _ROWS, str(database)], capture_output=True, text=True, check=True
    ).stdout
    assert "device-login.denied" in shown
    assert "device-login.approved" in shown
    assert "device rio-cli" in shown


_ROWS = """
import sqlite3, sys
for row in sqlite3.connect(sys.argv[1]).execute("SELECT body FROM audit"):
    print(*row)
"""


def test_every_command_of_rio_is_typed_or_said_to_be_elsewhere():
    require_rio()
    typed = {leaf for leaf in leaves() for step in STEPS if _is(step, leaf)}
    elsewhere = {
        leaf for leaf in leaves() for first in absent.NOT_ASKED if f"{leaf} ".startswith(f"{first} ")
    }
    assert leaves() - typed - elsewhere == set()
    assert typed & elsewhere == set()


def test_the_script_itself_does_what_its_forks_do(played, tmp_path):
    [version] = [ended for step, ended in played[1] if step.command == "version"]
    alone = subprocess.run([str(RIO), "version"], capture_output=True, text=True, check=False)
    assert (alone.returncode, alone.stdout) == (version.code, version.text)


def _is(step: Step, leaf: str) -> bool:
    return f"{step.command} ".startswith(f"{leaf} ")
