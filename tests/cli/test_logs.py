from __future__ import annotations

from typing import TYPE_CHECKING

from parts.world import IMAGE
from towline.domain.image import ImageReference
from towline.domain.registry import RegistrySettings
from towline.domain.workload import PullAccess, Workload, WorkloadExecutable

if TYPE_CHECKING:
    from parts.live import Live
    from parts.shell import Shell


def test_a_log_is_printed_byte_for_byte_where_a_program_reads_it(live: Live, jane: Shell) -> None:
    guid = live.run(live.world.deployed("speaks"))
    run = WorkloadExecutable("app", ImageReference.parse(IMAGE), PullAccess(RegistrySettings.default("x")))
    live.run(
        live.world.engine.apply(Workload(guid, "speaks", live.project, generation=1, executables=(run,)))
    )
    live.world.engine.says(guid, "app", b"hello \x1b[31m world\n")
    done = jane.towline("deployment", "logs", "speaks")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "hello \x1b[31m world\n"


def test_a_log_comes_with_times_where_they_are_asked_for(live: Live, jane: Shell) -> None:
    done = jane.towline("deployment", "logs", "speaks", "--timestamps")
    assert done.stdout == "- hello \x1b[31m world\n", "the engine of this server knows no times"


def test_the_log_of_a_missing_deployment_has_its_exit_code(jane: Shell) -> None:
    assert jane.towline("deployment", "logs", "missing").returncode == 3


def test_an_engine_with_one_log_over_all_runs_says_so(live: Live, jane: Shell) -> None:
    done = jane.towline("deployment", "logs", "speaks", "--previous")
    assert done.returncode == 2
    assert "one log over all runs" in done.stderr
