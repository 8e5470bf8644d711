"""From what an engine observed to a deployment's status: the rules of the life cycle, pure.

A generation is *running* once every replica of every executable has stayed up for the stable window.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from towline.domain.causes import FindingCode, Remedy
from towline.domain.deployment import (
    Deployment,
    DeploymentStatus,
    ExecutableState,
    ExecutableStatus,
    Phase,
    Status,
)
from towline.domain.findings import Finding
from towline.domain.workload import Fact, ReplicaState

ENDED_EARLY = "DEP_E154"

FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=5)

Place = tuple[str, int]
"""Executable name and replica number."""

_STARTED = frozenset({ReplicaState.STARTING, ReplicaState.RUNNING, ReplicaState.BACKING_OFF})
_DOWN = frozenset({ReplicaState.BACKING_OFF, ReplicaState.EXITED, ReplicaState.FAILED})


@dataclass(frozen=True, slots=True)
class Assessment:
    """A status, and when to look again by the clock (None: when something changes)."""

    status: DeploymentStatus
    look_again: datetime | None


def is_started(deployment: Deployment, facts: Mapping[Place, Fact]) -> bool:
    """Whether the engine holds every container of the present generation, be it up or backing off."""
    return all(place in facts and facts[place].state in _STARTED for place in places(deployment))


def out_of_reach(facts: Mapping[Place, Fact]) -> Finding | None:
    """Return that the engine which holds the containers does not answer; None when it does."""
    findings = (fact.finding for fact in facts.values() if fact.finding is not None)
    return next((each for each in findings if each.code is FindingCode.ENGINE_UNREACHABLE), None)


def places(deployment: Deployment) -> tuple[Place, ...]:
    """Return the name of every container that the wish asks for."""
    plan = deployment.wish.plan
    return tuple((run.name, replica) for run in plan.executables for replica in range(plan.replicas))


def begun(deployment: Deployment, *, at: datetime) -> DeploymentStatus:
    """Return the status with which a new generation sets out: InProgress, or Provisioning on an update."""
    known = {run.name: run for run in deployment.status.executables}
    waiting = tuple(
        ExecutableStatus(
            run.name, run.image, restart_count=known[run.name].restart_count if run.name in known else 0
        )
        for run in deployment.executables
    )
    return replace(
        deployment.status,
        phase=Phase.IN_PROGRESS,
        status=Status.PENDING,
        error_codes=(),
        findings=(),
        executables=waiting,
        generation=deployment.generation,
        attempts=0,
        changed_at=at,
    )


def assess(
    deployment: Deployment, facts: Mapping[Place, Fact], *, now: datetime, stable: timedelta
) -> Assessment:
    """Return the status that ``facts`` of the present generation mean, and when to look again.

    Only the containers that the wish asks for count: somebody else may have asked an engine for more.
    """
    wished = places(deployment)
    facts = {place: facts[place] for place in wished if place in facts}
    status = replace(deployment.status, executables=_executables(deployment, facts.values()))
    if wrong := troubles(facts, at=now):
        failed = status.failed(wrong, at=now)
        is_lost = any(fact.state is ReplicaState.FAILED for fact in facts.values())
        again = retry_at(failed, now=now, jitter=0) if is_lost else None
        return Assessment(replace(failed, attempts=status.attempts), look_again=again)
    if any(place not in facts or facts[place].state is not ReplicaState.RUNNING for place in wished):
        return Assessment(_pending(status, at=now), look_again=now + stable)
    steady_at = max((fact.started_at or now for fact in facts.values()), default=now) + stable
    if now < steady_at:
        return Assessment(_pending(status, at=now), look_again=steady_at)
    return Assessment(_running(status, at=now), look_again=None)


def troubles(facts: Mapping[Place, Fact], *, at: datetime) -> tuple[Finding, ...]:
    """Return why each container that is down is so."""
    return tuple(_finding(fact, at=at) for fact in facts.values() if fact.state in _DOWN)


def progressing(deployment: Deployment, facts: Mapping[Place, Fact]) -> tuple[ExecutableStatus, ...]:
    """Return what the executables are like while the engine pulls and starts them."""
    return _executables(deployment, facts.values())


def refused(deployment: Deployment, findings: tuple[Finding, ...], *, now: datetime) -> DeploymentStatus:
    """Return the status when ``findings`` keep the present generation from starting."""
    status = deployment.status.failed(findings, at=now)
    by_name = {finding.executable: finding for finding in findings}
    marked = tuple(_blamed(run, by_name.get(run.name)) for run in status.executables)
    return replace(status, executables=marked)


def retry_at(status: DeploymentStatus, *, now: datetime, jitter: float) -> datetime | None:
    """Return when to try again by the clock; None when only a person's change can help.

    The pause doubles from 5 s to 5 min; ``jitter`` in 0..1 stretches it by up to a quarter.
    """
    if not status.findings or any(finding.cause.remedy is Remedy.PERSON for finding in status.findings):
        return None
    doublings = min(max(status.attempts - 1, 0), 10)
    pause = min(FIRST_PAUSE * (1 << doublings), LONGEST_PAUSE)
    return now + pause * (1 + jitter / 4)


def _executables(deployment: Deployment, facts: Iterable[Fact]) -> tuple[ExecutableStatus, ...]:
    by_name: dict[str, list[Fact]] = {run.name: [] for run in deployment.executables}
    for fact in facts:
        by_name.setdefault(fact.executable, []).append(fact)
    return tuple(_summed(run, by_name.get(run.name, [])) for run in deployment.status.executables)


def _summed(run: ExecutableStatus, facts: list[Fact]) -> ExecutableStatus:
    """Fold the replicas of one executable into one status: the worst replica speaks for all."""
    if not facts:
        return run
    running = sum(fact.state is ReplicaState.RUNNING for fact in facts)
    down = next((fact for fact in facts if fact.state is not ReplicaState.RUNNING), None)
    summed = replace(
        run,
        state=ExecutableState.RUNNING,
        error_code="",
        reason="",
        exit_code=0,
        restart_count=sum(fact.restart_count for fact in facts),
        replicas_running=running,
        layers=next((fact.layers for fact in facts if fact.layers), ()),
    )
    return _with_worst(summed, down) if down else summed


def _with_worst(run: ExecutableStatus, fact: Fact) -> ExecutableStatus:
    if fact.state in (ReplicaState.PULLING, ReplicaState.STARTING):
        return replace(run, state=ExecutableState.PENDING, reason=fact.state.value)
    finding = _finding(fact, at=fact.at)
    return replace(
        run,
        state=ExecutableState.ERROR,
        error_code=finding.error_code,
        reason=finding.title,
        exit_code=fact.exit_code or 0,
    )


def _finding(fact: Fact, *, at: datetime) -> Finding:
    """Return why a container is not up; DEP_E154 is for a process that ended well, but too early."""
    finding = fact.finding or Finding(FindingCode.EXITED)
    if finding.code is FindingCode.EXITED and fact.exit_code == 0:
        finding = replace(finding, wire_code=ENDED_EARLY)
    return finding.about(executable=fact.executable, at=finding.checked_at or at)


def _blamed(run: ExecutableStatus, finding: Finding | None) -> ExecutableStatus:
    if finding is None:
        return run
    return replace(run, state=ExecutableState.ERROR, error_code=finding.error_code, reason=finding.title)


def _pending(status: DeploymentStatus, *, at: datetime) -> DeploymentStatus:
    """Return the status of what was started, but not long enough ago to be called running."""
    if status.serving == status.generation and status.status is Status.ERROR:
        return status
    return replace(
        status,
        phase=Phase.PROVISIONING,
        status=Status.PENDING,
        error_codes=(),
        findings=(),
        changed_at=status.changed_at or at,
    )


def _running(status: DeploymentStatus, *, at: datetime) -> DeploymentStatus:
    was_running = status.phase is Phase.SUCCEEDED and status.status is Status.RUNNING
    return replace(
        status,
        phase=Phase.SUCCEEDED,
        status=Status.RUNNING,
        error_codes=(),
        findings=(),
        serving=status.generation,
        attempts=0,
        changed_at=status.changed_at if was_running else at,
    )
