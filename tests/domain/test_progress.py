from datetime import UTC, datetime, timedelta

import pytest

from towline.domain import progress
from towline.domain.causes import FindingCode
from towline.domain.deployment import (
    Deployment,
    DeploymentStatus,
    ExecutableState,
    ExecutableStatus,
    Phase,
    Status,
    Wish,
)
from towline.domain.findings import Finding
from towline.domain.package import Executable, PackageSpec, Runtime
from towline.domain.workload import Fact, ReplicaState

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
STABLE = timedelta(seconds=2)


def deployment(
    *, replicas: int = 1, generation: int = 1, status: DeploymentStatus | None = None
) -> Deployment:
    plan = PackageSpec(Runtime.CLOUD, (Executable("app", "reg.example/app:1"),), replicas=replicas)
    wish = Wish("pkg-a", "talker", package_version="1", plan=plan, document=b"{}")
    asked = Deployment(
        "dep-a", "talker", project_guid="project-a", creator_guid="u", created_at=NOW, updated_at=NOW,
        wish=wish, generation=generation, status=status or DeploymentStatus(),
    )  # fmt: skip
    if status is None:
        return Deployment(**{**_fields(asked), "status": progress.begun(asked, at=NOW)})
    return asked


def _fields(value: Deployment) -> dict[str, object]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def fact(
    state: ReplicaState, *, up_for: float = 0, replica: int = 0, exit_code: int | None = None, finding=None
):
    started = NOW - timedelta(seconds=up_for)
    return Fact(
        "dep-a", 1, executable="app", replica=replica, state=state, at=NOW,
        started_at=started, exit_code=exit_code, finding=finding,
    )  # fmt: skip


def assess(asked: Deployment, *facts: Fact) -> progress.Assessment:
    return progress.assess(
        asked, {(each.executable, each.replica): each for each in facts}, now=NOW, stable=STABLE
    )


def test_a_new_deployment_begins_in_progress():
    status = deployment().status
    assert (status.phase, status.status, status.generation) == (Phase.IN_PROGRESS, Status.PENDING, 1)
    assert [run.name for run in status.executables] == ["app"]


def test_it_is_running_only_after_the_stable_window():
    young = assess(deployment(), fact(ReplicaState.RUNNING, up_for=1))
    assert (young.status.phase, young.status.status) == (Phase.PROVISIONING, Status.PENDING)
    assert young.look_again == NOW + timedelta(seconds=1)
    old = assess(deployment(), fact(ReplicaState.RUNNING, up_for=2))
    assert (old.status.phase, old.status.status, old.status.serving) == (Phase.SUCCEEDED, Status.RUNNING, 1)
    assert old.look_again is None


def test_every_replica_must_be_up():
    asked = deployment(replicas=2)
    half = assess(asked, fact(ReplicaState.RUNNING, up_for=9))
    assert half.status.status is Status.PENDING
    assert half.look_again is not None
    both = assess(
        asked, fact(ReplicaState.RUNNING, up_for=9), fact(ReplicaState.RUNNING, up_for=9, replica=1)
    )
    assert both.status.status is Status.RUNNING
    assert both.status.executables[0].replicas_running == 2


@pytest.mark.parametrize(("exit_code", "code"), [(0, "DEP_E154"), (1, "DEP_E155"), (137, "DEP_E155")])
def test_a_process_that_ends_too_early_has_the_code_of_its_exit(exit_code, code):
    status = assess(deployment(), fact(ReplicaState.BACKING_OFF, exit_code=exit_code)).status
    assert (status.phase, status.status, status.error_codes) == (Phase.PROVISIONING, Status.ERROR, (code,))
    assert status.executables[0].state is ExecutableState.ERROR
    assert status.executables[0].error_code == code
    assert status.findings[0].executable == "app"


def test_one_that_had_run_stays_succeeded_with_status_error():
    ran = DeploymentStatus(
        Phase.SUCCEEDED, Status.RUNNING, executables=(ExecutableStatus("app", "i"),), generation=1, serving=1
    )
    status = assess(deployment(status=ran), fact(ReplicaState.BACKING_OFF, exit_code=1)).status
    assert (status.phase, status.status) == (Phase.SUCCEEDED, Status.ERROR)


def test_a_refused_pull_is_provisioning_error_with_dep_e153():
    finding = Finding(FindingCode.WRONG_CREDENTIALS, executable="app")
    status = progress.refused(deployment(), (finding,), now=NOW)
    assert (status.phase, status.status, status.error_codes) == (
        Phase.PROVISIONING,
        Status.ERROR,
        ("DEP_E153",),
    )
    assert status.executables[0].error_code == "DEP_E153"


def test_what_only_a_person_can_mend_is_not_retried_by_the_clock():
    findings = (Finding(FindingCode.REGISTRY_TIMEOUT), Finding(FindingCode.WRONG_CREDENTIALS))
    status = progress.refused(deployment(), findings, now=NOW)
    assert progress.retry_at(status, now=NOW, jitter=0) is None


def test_other_causes_back_off_from_five_seconds_to_five_minutes():
    asked = deployment()
    pauses = []
    for _ in range(12):
        status = progress.refused(asked, (Finding(FindingCode.REGISTRY_TIMEOUT),), now=NOW)
        due = progress.retry_at(status, now=NOW, jitter=0)
        assert due is not None
        pauses.append((due - NOW).total_seconds())
        asked = Deployment(**{**_fields(asked), "status": status})
    assert pauses[:4] == [5, 10, 20, 40]
    assert pauses[-1] == 300
    due = progress.retry_at(status, now=NOW, jitter=1)
    assert due == NOW + timedelta(seconds=375)
