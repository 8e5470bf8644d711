"""Letting the generation run again that was ended for an update which then ended itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.domain import progress, rollbacks
from towline.domain.errors import EngineFailed

if TYPE_CHECKING:
    from datetime import datetime

    from towline.domain.deployment import Deployment, DeploymentStatus
    from towline.ports import Clock, Engine
    from towline.reconciler.observed import Observed


class Rollback:
    """Takes updates back on one engine."""

    def __init__(self, engine: Engine, observed: Observed, clock: Clock) -> None:
        self._engine = engine
        self._observed = observed
        self._clock = clock

    async def take_back(
        self, deployment: Deployment, failed: DeploymentStatus
    ) -> tuple[DeploymentStatus, datetime | None] | None:
        """Return what is so then and when to look again; None when nothing was kept that could run.

        ``failed`` says why the update ended. May be repeated: what runs is left alone, what somebody
        stopped meanwhile is started.
        """
        now = self._clock()
        try:
            serves = await self._engine.roll_back(deployment.guid, generation=deployment.generation)
        except EngineFailed as failure:
            return rollbacks.hindered(failed, failure.finding.about(at=now)), now + progress.FIRST_PAUSE
        if not serves:
            return None
        self._observed.forget_generation(deployment.guid, deployment.generation)
        wrong = progress.troubles(self._observed.of(deployment.guid, serves), at=now)
        return rollbacks.done(failed, serves, also=wrong, at=now), None
