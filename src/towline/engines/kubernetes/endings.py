"""How containers end: exit codes, kills and probes, with the log's last words.

The status says only "Error, exit code 1"; whether that was a program for another processor stands in the log
alone. So an end that nothing else explains waits until its last words were read.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from towline.domain.causes import FindingCode
from towline.domain.findings import Finding
from towline.domain.workload import ReplicaState
from towline.engines.kubernetes import texts
from towline.engines.kubernetes.rollout import End, Verdict

if TYPE_CHECKING:
    from towline.engines.kubernetes.seen import ContainerStatus, SeenPod, Terminated
    from towline.engines.kubernetes.signs import Signs

Words = Mapping[End, Sequence[str]]
"""The last lines of the log before each end, where they were read."""

_NOT_STARTED = frozenset({"StartError", "ContainerCannotRun"})
_A_SECOND = timedelta(seconds=1)


def of_end(
    pod: SeenPod, status: ContainerStatus, ended: Terminated, *, signs: Signs, words: Words
) -> Verdict:
    """Return what the end of a container's process means."""
    if ended.reason in _NOT_STARTED:
        finding = Finding(texts.of_start(ended.message), texts.shown(ended.message))
        return Verdict(ReplicaState.FAILED, restart_count=status.restart_count, finding=finding)
    end = end_of(pod, status, ended)
    cause = _cause(status, ended, signs=signs, words=words.get(end))
    return Verdict(
        ReplicaState.STARTING if cause is None else _rest(pod, ended),
        ended.started_at,
        exit_code=None if cause is None else ended.exit_code,
        restart_count=status.restart_count,
        finding=cause,
        awaits=end if cause is None else None,
    )


def end_of(pod: SeenPod, status: ContainerStatus, ended: Terminated) -> End:
    """Return the name of this end."""
    at = ended.finished_at.isoformat() if ended.finished_at else ""
    return (pod.metadata.uid, status.name, at)


def _cause(
    status: ContainerStatus, ended: Terminated, *, signs: Signs, words: Sequence[str] | None
) -> Finding | None:
    if ended.reason == "OOMKilled":
        return Finding(FindingCode.OUT_OF_MEMORY, _how(ended))
    kill = signs.kills.get(status.name)
    if kill is not None and _fell_into(kill.at, ended):
        return Finding(FindingCode.PROBE_FAILED, signs.said_of_probe(status.name) or kill.said)
    if words is None:
        return None
    if any("exec format error" in line for line in words):
        return Finding(FindingCode.WRONG_ARCHITECTURE, texts.shown(words[-1]))
    said = " | ".join(text for line in words if (text := texts.shown(line)))
    tail = f"last lines: {said}" if said else "it logged nothing"
    return Finding(FindingCode.EXITED, f"{_how(ended)}; {tail}")


def _fell_into(moment: datetime | None, ended: Terminated) -> bool:
    """Whether a kill belongs to the run that ended, and not to an earlier one."""
    if moment is None or ended.started_at is None or ended.finished_at is None:
        return True
    return ended.started_at <= moment <= ended.finished_at + _A_SECOND


def _rest(pod: SeenPod, ended: Terminated) -> ReplicaState:
    """Return whether the node starts it again."""
    policy = pod.spec.restart_policy
    if policy == "Never" or (policy == "OnFailure" and ended.exit_code == 0):
        return ReplicaState.EXITED
    return ReplicaState.BACKING_OFF


def _how(ended: Terminated) -> str:
    number = ended.signal or ended.exit_code - 128
    if number > 0:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(number).name} (exit code {ended.exit_code})"
    return f"exit code {ended.exit_code}"
