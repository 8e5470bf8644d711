"""What the reconciler tells of: a deployment that turned into another phase or status, an update that was
taken back.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from towline.domain.events import Event, EventKind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from towline.domain.deployment import Deployment, DeploymentStatus


def phase_changed(deployment: Deployment, status: DeploymentStatus, *, at: datetime) -> Event:
    """Return the event of ``deployment`` turning into ``status``; its id follows from what it says."""
    finding = status.findings[0] if status.findings else None
    facts = {
        "before": f"{deployment.status.phase.value}, {deployment.status.status.value}",
        "after": f"{status.phase.value}, {status.status.value}",
        "generation": str(deployment.generation),
        "error_codes": " ".join(status.error_codes),
        "finding": finding.code.value if finding else "",
        "image": finding.image if finding else "",
        "fix": finding.fix if finding else "",
    }
    return _event(EventKind.PHASE_CHANGED, deployment, facts, at=at)


def rolled_back(deployment: Deployment, status: DeploymentStatus, *, at: datetime) -> Event:
    """Return the event of an update being taken back, as ``status`` says."""
    cause = status.findings[0]
    facts = {
        "before": f"generation {deployment.generation}",
        "after": f"generation {status.serving}",
        "generation": str(deployment.generation),
        "error_codes": " ".join(status.error_codes),
        "finding": cause.code.value,
        "image": cause.image,
        "fix": cause.fix,
    }
    return _event(EventKind.ROLLED_BACK, deployment, facts, at=at)


def _event(kind: EventKind, deployment: Deployment, facts: Mapping[str, str], *, at: datetime) -> Event:
    said = f"{deployment.guid} {at.isoformat()} {kind.value} {facts['after']}"
    return Event(
        f"event-{hashlib.sha256(said.encode()).hexdigest()[:24]}",
        deployment.project_guid,
        kind,
        at=at,
        subject_guid=deployment.guid,
        subject_name=deployment.name,
        facts={name: text for name, text in facts.items() if text},
    )
