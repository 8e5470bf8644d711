"""When an update is taken back, and what a deployment's status says then: pure.

Only an *exclusive* update is: its start ended the generation that served, or shares its address, as on
Kubernetes. Any other runs beside it, which simply goes on. A deployment whose update was taken back says so
by a finding, and is left alone until its wish or a secret changes: each further try would interrupt it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import takewhile

from towline.domain.causes import FindingCode
from towline.domain.deployment import Deployment, DeploymentStatus
from towline.domain.findings import Finding
from towline.domain.progress import Place, places
from towline.domain.workload import Fact, ReplicaState

_ENDED = frozenset({ReplicaState.BACKING_OFF, ReplicaState.EXITED})


def is_due(deployment: Deployment, facts: Mapping[Place, Fact]) -> bool:
    """Whether a process ended of an update that is not stable yet and that another was ended for."""
    is_on_trial = deployment.status.serving not in (0, deployment.generation)
    ended = (place in facts and facts[place].state in _ENDED for place in places(deployment))
    return deployment.is_exclusive and is_on_trial and any(ended)


def is_done(status: DeploymentStatus) -> bool:
    """Whether the update that ``status`` speaks of was taken back."""
    return any(finding.code is FindingCode.UPDATE_ROLLED_BACK for finding in status.findings)


def done(status: DeploymentStatus, serves: int, *, also: Sequence[Finding], at: datetime) -> DeploymentStatus:
    """Return the status once generation ``serves`` runs again; ``also`` is what is wrong with that one."""
    causes = _causes(status)
    said = f"generation {status.generation} ended before it was stable; generation {serves} runs again"
    mark = Finding(
        FindingCode.UPDATE_ROLLED_BACK,
        said,
        executable=causes[0].executable,
        wire_code=causes[0].error_code,
        checked_at=at,
    )
    known = next((each for each in status.findings if each.code is mark.code), mark)
    return _with(status, (*causes, known, *also))


def hindered(status: DeploymentStatus, trouble: Finding) -> DeploymentStatus:
    """Return the status while the engine cannot let the earlier generation run again."""
    mark = tuple(each for each in status.findings if each.code is FindingCode.UPDATE_ROLLED_BACK)
    return _with(status, (*_causes(status), *mark, trouble))


def _causes(status: DeploymentStatus) -> tuple[Finding, ...]:
    """Return why the update ended; what stands behind the mark is about the earlier generation."""
    return tuple(takewhile(lambda each: each.code is not FindingCode.UPDATE_ROLLED_BACK, status.findings))


def _with(status: DeploymentStatus, findings: tuple[Finding, ...]) -> DeploymentStatus:
    codes = tuple(dict.fromkeys(finding.error_code for finding in findings))
    return replace(status, findings=findings, error_codes=codes)
