"""From a monitor's status to the fact that the control plane hears."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from towline.domain.causes import FindingCode
from towline.domain.findings import Finding
from towline.domain.workload import Fact, ReplicaState
from towline.engines.embedded.monitor import status as words
from towline.engines.wording import cleaned, ending

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towline.engines.embedded.containers import Place
    from towline.engines.embedded.monitor.status import Status

_STATES = {
    words.STARTING: ReplicaState.STARTING,
    words.RUNNING: ReplicaState.RUNNING,
    words.BACKING_OFF: ReplicaState.BACKING_OFF,
    words.EXITED: ReplicaState.EXITED,
    words.FAILED: ReplicaState.FAILED,
    words.STOPPED: ReplicaState.FAILED,
    words.LOST: ReplicaState.FAILED,
}
_ENDED = frozenset({words.BACKING_OFF, words.EXITED})


def fact(place: Place, status: Status, *, last_lines: Sequence[bytes]) -> Fact:
    """Return what a status means; ``last_lines`` are the end of the log, for those who ended."""
    state = _STATES[status.state]
    return Fact(
        place.deployment_guid,
        place.generation,
        executable=place.executable,
        replica=place.replica,
        state=state,
        at=_time(status.at),
        started_at=_time(status.started_at) if status.started_at is not None else None,
        exit_code=status.exit_code if status.state in _ENDED else None,
        restart_count=status.restarts,
        finding=finding(status, executable=place.executable, last_lines=last_lines),
    )


def finding(status: Status, *, executable: str, last_lines: Sequence[bytes] = ()) -> Finding | None:
    """Return why a container is not up; None for one that is."""
    at = _time(status.at)
    if status.state in _ENDED:
        if status.problem == FindingCode.PROBE_FAILED:
            said = cleaned(status.detail.encode())
            return Finding(FindingCode.PROBE_FAILED, detail=said, executable=executable, checked_at=at)
        code = FindingCode.OUT_OF_MEMORY if status.out_of_memory else FindingCode.EXITED
        return Finding(code, detail=_ending(status, last_lines), executable=executable, checked_at=at)
    if status.state == words.FAILED:
        code = FindingCode(status.problem or FindingCode.ENGINE_ERROR)
        return Finding(code, detail=cleaned(status.detail.encode()), executable=executable, checked_at=at)
    if status.state in (words.LOST, words.STOPPED):
        detail = status.detail or "the container was ended from outside; it is started again"
        return Finding(FindingCode.ENGINE_ERROR, detail=detail, executable=executable, checked_at=at)
    return None


def _ending(status: Status, last_lines: Sequence[bytes]) -> str:
    return ending(status.exit_code, status.signal, last_lines=last_lines)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
