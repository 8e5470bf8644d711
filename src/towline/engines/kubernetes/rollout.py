"""What is judged, and what a judgement is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from towline.domain.findings import Finding
from towline.domain.workload import ReplicaState
from towline.engines.kubernetes.seen import SeenDeployment, SeenPod, SeenReplicaSet

End = tuple[str, str, str]
"""A pod's uid, a container, and when it ended: one end of one container."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """Everything seen of one Deployment, or of bare pods that no Deployment owns (``deployment`` None)."""

    deployment: SeenDeployment | None
    replica_sets: Sequence[SeenReplicaSet] = ()
    pods: Sequence[SeenPod] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one container of one pod is. Without a finding nothing is known to be wrong.

    ``awaits`` names an end that cannot be judged before its log's last words were read.
    """

    state: ReplicaState
    started_at: datetime | None = None
    exit_code: int | None = None
    restart_count: int = 0
    finding: Finding | None = None
    awaits: End | None = None
