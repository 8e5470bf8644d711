"""When an update is taken back, and what the status says then."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from towline.domain import progress, rollbacks
from towline.domain.causes import FindingCode
from towline.domain.deployment import Deployment, DeploymentStatus, Phase, Status, Wish
from towline.domain.findings import Finding
from towline.domain.package import Executable, PackageSpec, Runtime
from towline.domain.workload import Fact, ReplicaState

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
CAUSE = Finding(FindingCode.EXITED, "exit code 0", executable="app", wire_code="DEP_E154")


def deployment(*, serving: int, ports: tuple[int, ...] = (8080,)) -> Deployment:
    plan = PackageSpec(Runtime.CLOUD, (Executable("app", "reg.example/app:2"),), ports=ports)
    wish = Wish("pkg-a", "talker", package_version="2", plan=plan, document=b"{}")
    return Deployment(
        "dep-a", "talker", project_guid="project-a", creator_guid="u", created_at=NOW, updated_at=NOW,
        wish=wish, generation=2, status=DeploymentStatus(generation=2, serving=serving),
    )  # fmt: skip


def is_due(asked: Deployment, state: ReplicaState, *, executable: str = "app") -> bool:
    fact = Fact("dep-a", 2, executable=executable, replica=0, state=state, at=NOW)
    return rollbacks.is_due(asked, {(executable, 0): fact})


@pytest.mark.parametrize("state", [ReplicaState.BACKING_OFF, ReplicaState.EXITED])
def test_an_update_whose_process_ended_before_it_was_stable_is_taken_back(state):
    assert is_due(deployment(serving=1), state)


@pytest.mark.parametrize("state", [ReplicaState.RUNNING, ReplicaState.STARTING, ReplicaState.FAILED])
def test_one_that_runs_or_was_ended_from_outside_is_not(state):
    assert not is_due(deployment(serving=1), state)


def test_a_first_start_a_stable_generation_and_one_without_ports_are_not():
    assert not is_due(deployment(serving=0), ReplicaState.EXITED)
    assert not is_due(deployment(serving=2), ReplicaState.EXITED)
    assert not is_due(deployment(serving=1, ports=()), ReplicaState.EXITED)


def test_what_the_wish_does_not_ask_for_does_not_count():
    assert not is_due(deployment(serving=1), ReplicaState.EXITED, executable="somebody-elses")


def failed() -> DeploymentStatus:
    return deployment(serving=1).status.failed((CAUSE,), at=NOW)


def test_the_status_says_why_what_runs_and_that_only_a_person_can_go_on():
    status = rollbacks.done(failed(), 1, also=(), at=NOW)
    assert [each.code for each in status.findings] == [FindingCode.EXITED, FindingCode.UPDATE_ROLLED_BACK]
    assert status.findings[1].detail == "generation 2 ended before it was stable; generation 1 runs again"
    assert status.findings[1].executable == "app"
    assert (status.phase, status.status) == (Phase.PROVISIONING, Status.ERROR)
    assert status.error_codes == ("DEP_E154",)
    assert rollbacks.is_done(status)
    assert progress.retry_at(status, now=NOW, jitter=0) is None


def test_what_is_wrong_with_the_generation_that_runs_again_comes_and_goes():
    also = Finding(FindingCode.OUT_OF_MEMORY, executable="app")
    status = rollbacks.done(rollbacks.done(failed(), 1, also=(also,), at=NOW), 1, also=(also,), at=NOW)
    assert [each.code for each in status.findings] == [
        FindingCode.EXITED, FindingCode.UPDATE_ROLLED_BACK, FindingCode.OUT_OF_MEMORY,
    ]  # fmt: skip
    assert status.error_codes == ("DEP_E154", "DEP_E155")
    assert rollbacks.done(status, 1, also=(), at=NOW) == rollbacks.done(failed(), 1, also=(), at=NOW)


def test_an_engine_that_hinders_is_told_and_forgotten():
    away = Finding(FindingCode.ENGINE_UNREACHABLE)
    first = rollbacks.hindered(failed(), away)
    assert not rollbacks.is_done(first)
    assert first.error_codes == ("DEP_E154", "DEP_E201")
    done = rollbacks.done(failed(), 1, also=(), at=NOW)
    later = rollbacks.hindered(done, away)
    assert rollbacks.is_done(later)
    assert rollbacks.done(later, 1, also=(), at=NOW) == done


def test_a_next_wish_begins_without_it():
    asked = replace(deployment(serving=1), generation=3, status=rollbacks.done(failed(), 1, also=(), at=NOW))
    assert not rollbacks.is_done(progress.begun(asked, at=NOW))
