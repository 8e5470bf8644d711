"""One walk: a claimed deployment is moved as far as it goes now, and settled."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from towline.domain import progress, rollbacks
from towline.domain.deployment import Phase, Status
from towline.domain.errors import EngineFailed, InvalidInput, PullRefused
from towline.domain.image import ImageReference
from towline.reconciler.prepare import NotReady, as_entered
from towline.reconciler.rollback import Rollback
from towline.reconciler.told import phase_changed, rolled_back
from towline.services.tally import OTHER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from towline.domain.deployment import DeploymentStatus
    from towline.domain.findings import Finding
    from towline.domain.workload import Fact, Workload
    from towline.ports import Bell, Claim, Clock, Store, Transaction
    from towline.reconciler.prepare import Preparation
    from towline.reconciler.tending import Tended
    from towline.services.tally import Tally

log = structlog.get_logger("towline.reconciler")

NOT_YET = timedelta(seconds=0.5)
"""The pause of a deployment whose engine was not asked yet what it holds; that look wakes it."""
_PULL_FAILED = "DEP_E153"


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things take, in seconds: the stable window, a lease, and between two progress reports."""

    stable: float = 2.0
    lease: float = 30.0
    progress: float = 0.5


class LeaseLost(Exception):
    """Another process has taken the deployment over; this one must not write about it any more."""


class Superseded(Exception):
    """The wish changed while this generation was being applied."""


class Walk:
    """Moves one claimed deployment; made for each claim anew."""

    def __init__(  # noqa: PLR0913  (what it is made of, by name)
        self,
        claim: Claim,
        *,
        store: Store,
        tended: Tended,
        preparation: Preparation,
        bell: Bell,
        clock: Clock,
        jitter: Callable[[], float],
        pace: Pace,
        tally: Tally,
    ) -> None:
        self._claim = claim
        self._store = store
        self._tended = tended
        self._engine = tended.engine
        self._observed = tended.observed
        self._preparation = preparation
        self._rollback = Rollback(tended.engine, tended.observed, clock)
        self._bell = bell
        self._clock = clock
        self._jitter = jitter
        self._pace = pace
        self._tally = tally
        self._deployment = claim.deployment
        self._lease_until = claim.expires_at
        self._try_again: datetime | None = None

    async def go(self) -> None:
        """Take the deployment as far as it goes now, then give the lease back."""
        try:
            await self._go()
        except LeaseLost:
            self._tally.count("lease_changes", change="lost")
            log.warning("lease.lost", deployment=self._deployment.guid)
        except Superseded:
            log.info("deployment.superseded", deployment=self._deployment.guid)
            await self._release(self._deployment.status, due=self._clock())

    async def _go(self) -> None:
        deployment = self._deployment
        if not self._tended.looked.is_set() or await self._comes_later():
            await self._release(deployment.status, due=self._clock() + NOT_YET)
            return
        if deployment.deleted_at is not None:
            await self._remove()
            return
        if deployment.status.generation != deployment.generation:
            await self._keep(progress.begun(deployment, at=self._clock()))
        if await self._stays_taken_back():
            return
        lost = self._tended.trouble or progress.out_of_reach(self._facts())
        if lost is not None:  # nothing can be started: spare the registries the questions
            await self._refuse((lost.about(at=self._clock()),))
            return
        if not self._is_started():
            if not await self._start():
                return
        elif await self._is_outdated():
            await self._renew()
        await self._assess()

    async def _comes_later(self) -> bool:
        """Whether the engine was added by another server, and is not in use here yet."""
        if not self._tended.is_gone:
            return False
        rows = await self._store.read(lambda tx: tx.engines.all())
        return any(record.name == self._deployment.engine for record, _ in rows)

    def _is_started(self) -> bool:
        """Whether nothing is to be started now; an update that is to be taken back is not."""
        facts = self._facts()
        return progress.is_started(self._deployment, facts) or rollbacks.is_due(self._deployment, facts)

    async def _remove(self) -> None:
        guid = self._deployment.guid
        if self._tended.is_gone:
            log.warning("deployment.left_behind", deployment=guid, engine=self._deployment.engine)
            await self._release(self._deployment.status, due=None)
            return
        try:
            await self._engine.remove(guid)
        except EngineFailed as failure:
            log.warning("deployment.remove_failed", deployment=guid, finding=failure.finding.code.value)
            now = self._clock()
            held = replace(self._deployment.status, findings=(failure.finding.about(at=now),))
            await self._release(held, due=now + progress.FIRST_PAUSE)
            return
        self._observed.forget(guid)
        log.info("deployment.removed", deployment=guid)
        await self._release(replace(self._deployment.status, findings=()), due=None)
        if self._deployment.wish.volumes:
            await self._wake_others_with_its_disks()

    async def _wake_others_with_its_disks(self) -> None:
        """Let go on at once what waited for the disks, and what clears them away where they were deleted."""
        guids = [volume.disk_guid for volume in self._deployment.wish.volumes]
        project = self._deployment.project_guid

        def change(tx: Transaction) -> None:
            found = (tx.disks.get(project, guid) for guid in guids)
            waiting = [user.guid for disk in found if disk is not None for user in disk.users]
            tx.deployments.wake(now=self._clock(), guids=waiting)

        await self._store.write(change)
        self._bell.ring()

    async def _start(self) -> bool:
        """Prove, pull and start the generation; return whether it was started, settled if not."""
        credentials = await self._preparation.credentials(self._deployment)
        try:
            workload, executables = await self._preparation.workload(self._deployment, self._engine.platform)
            await self._keep(
                replace(
                    self._deployment.status,
                    phase=Phase.PROVISIONING,
                    status=Status.PENDING,
                    executables=executables,
                    error_codes=(),
                    findings=(),
                    changed_at=self._clock(),
                )
            )
            await self._apply(workload)
        except NotReady as reason:
            await self._refuse(reason.findings)
            return False
        except (PullRefused, EngineFailed) as failure:
            await self._refuse((failure.finding.about(at=self._clock()),))
            return False
        for run in workload.executables:
            self._tally.pulled(run.image.registry)
        self._note_credentials(credentials)
        return True

    async def _is_outdated(self) -> bool:
        """Whether what runs was given other secrets than it would be now, or is not what was applied."""
        if any(fact.outdated for fact in self._facts().values()):
            return True
        return self._engine.keeps_credentials and await self._has_other_credentials()

    async def _has_other_credentials(self) -> bool:
        """Whether a secret that the deployment names was changed since it was started."""
        return await self._preparation.credentials(self._deployment) != self._deployment.status.credentials

    async def _renew(self) -> None:
        """Apply again what runs. A credential that does not prove stays out: what runs has a good one."""
        credentials = await self._preparation.credentials(self._deployment)
        try:
            workload, _ = await self._preparation.workload(self._deployment, self._engine.platform)
            await self._apply(workload)
        except (NotReady, PullRefused) as reason:
            log.warning("deployment.not_renewed", deployment=self._deployment.guid, reason=str(reason))
        except EngineFailed as failure:
            log.warning(
                "deployment.not_renewed",
                deployment=self._deployment.guid,
                finding=failure.finding.code.value,
            )
            self._try_again = self._clock() + progress.FIRST_PAUSE
        else:
            self._note_credentials(credentials)

    def _note_credentials(self, credentials: str) -> None:
        status = replace(self._deployment.status, credentials=credentials)
        self._deployment = replace(self._deployment, status=status)

    async def _apply(self, workload: Workload) -> None:
        """Let the engine work, meanwhile renewing the lease, reporting progress and minding the wish."""
        applying = asyncio.create_task(self._engine.apply(workload))
        try:
            while not applying.done():
                await asyncio.wait({applying}, timeout=self._pace.progress)
                if not applying.done():
                    await self._report_progress()
                    await self._mind_the_wish()
            await applying
        finally:
            if not applying.done():
                applying.cancel()
                with contextlib.suppress(asyncio.CancelledError, PullRefused, EngineFailed):
                    await applying

    async def _report_progress(self) -> None:
        """Write what changed; renew the lease when nothing did and half of it is over."""
        seen = progress.progressing(self._deployment, self._facts())
        if seen != self._deployment.status.executables:
            await self._keep(replace(self._deployment.status, executables=seen))
        elif self._clock() > self._lease_until - timedelta(seconds=self._pace.lease / 2):
            await self._keep(self._deployment.status)

    async def _mind_the_wish(self) -> None:
        deployment = self._deployment
        now = await self._store.read(
            lambda tx: tx.deployments.get(deployment.project_guid, deployment.name, guid=deployment.guid)
        )
        if now is None or now.deleted_at is not None or now.generation != deployment.generation:
            raise Superseded

    async def _refuse(self, findings: tuple[Finding, ...]) -> None:
        now = self._clock()
        status = progress.refused(self._deployment, findings, now=now)
        for finding in findings:
            if finding.error_code == _PULL_FAILED:
                self._tally.pulled(_registry_of(finding), finding.code.value)
            log.info(
                "deployment.refused",
                deployment=self._deployment.guid,
                executable=finding.executable,
                finding=finding.code.value,
                image=finding.image,
            )
        await self._release(status, due=progress.retry_at(status, now=now, jitter=self._jitter()))

    async def _assess(self) -> None:
        stable = timedelta(seconds=self._pace.stable)
        assessment = progress.assess(self._deployment, self._facts(), now=self._clock(), stable=stable)
        if rollbacks.is_due(self._deployment, self._facts()) and await self._take_back(assessment.status):
            return
        if assessment.status.status is Status.RUNNING:
            try:
                await self._retire_older()
            except EngineFailed as failure:
                await self._refuse((failure.finding.about(at=self._clock()),))
                return
        if assessment.status.status is not self._deployment.status.status:
            log.info(
                "deployment.status",
                deployment=self._deployment.guid,
                phase=assessment.status.phase.value,
                status=assessment.status.status.value,
            )
        moments = [moment for moment in (assessment.look_again, self._try_again) if moment is not None]
        await self._release(assessment.status, due=min(moments, default=None))

    async def _stays_taken_back(self) -> bool:
        """See that what runs in place of an update taken back still does; False where the update is tried
        again, as somebody changed a secret, or where there is none.
        """
        status = self._deployment.status
        if not rollbacks.is_done(status):
            return False
        known = as_entered(await self._preparation.credentials(self._deployment))
        if known != as_entered(status.credentials):
            return False
        return await self._take_back(status)

    async def _take_back(self, failed: DeploymentStatus) -> bool:
        """Let the generation run again that was ended for this one, and settle; False where none was kept."""
        settled = await self._rollback.take_back(self._deployment, failed)
        if settled is not None:
            status, again = settled
            await self._release(status, due=again)
        return settled is not None

    async def _retire_older(self) -> None:
        """Remove what this generation replaces; what was kept, ended, may be known to the engine alone."""
        guid, generation = self._deployment.guid, self._deployment.generation
        is_update = self._deployment.status.serving not in (0, generation)
        if is_update or self._observed.has_older(guid, generation):
            await self._engine.remove(guid, below=generation)
            self._observed.forget(guid, below=generation)

    def _facts(self) -> Mapping[progress.Place, Fact]:
        return self._observed.of(self._deployment.guid, self._deployment.generation)

    async def _keep(self, status: DeploymentStatus) -> None:
        """Save ``status`` and hold on to the lease; due now, so that a successor goes on if we die."""
        await self._settle(status, due=self._clock(), release=False)

    async def _release(self, status: DeploymentStatus, *, due: datetime | None) -> None:
        """Save ``status`` and give the lease back."""
        await self._settle(status, due=due, release=True)

    async def _settle(self, status: DeploymentStatus, *, due: datetime | None, release: bool) -> None:
        until = self._clock() + timedelta(seconds=self._pace.lease)
        before = self._deployment.status

        turned = (status.phase, status.status) != (before.phase, before.status)
        events = [phase_changed(self._deployment, status, at=self._clock())] if turned else []
        if rollbacks.is_done(status) and not rollbacks.is_done(before):
            events.append(rolled_back(self._deployment, status, at=self._clock()))

        def change(tx: Transaction) -> bool:
            held = tx.deployments.settle(self._claim, status, due=due, release=release, until=until)
            for event in events if held else ():
                tx.events.add(event)
            return held

        if not await self._store.write(change):
            raise LeaseLost
        if release:
            self._tally.count("lease_changes", change="released")
        if events:
            self._bell.ring()
        self._lease_until = until
        self._deployment = replace(self._deployment, status=status)


def _registry_of(finding: Finding) -> str:
    """Return the registry that a finding is about, as metrics name it."""
    try:
        return ImageReference.parse(finding.image).registry
    except InvalidInput:
        return OTHER
