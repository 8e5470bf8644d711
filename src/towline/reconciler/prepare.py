"""Everything that must be known before an engine is asked: proofs of pull, digests, environment."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from towline.domain.audit import Door
from towline.domain.causes import FindingCode
from towline.domain.credential import Password
from towline.domain.deployment import Deployment, ExecutableStatus, Phase, Status
from towline.domain.disk import not_ready
from towline.domain.errors import KeysUnreachable, PullRefused, SealBroken
from towline.domain.findings import Finding
from towline.domain.secret import DockerSecret
from towline.domain.workload import Mount, Workload, WorkloadExecutable

if TYPE_CHECKING:
    from towline.domain.disk import Disk
    from towline.domain.image import ImageReference
    from towline.domain.package import EnvVar, Executable
    from towline.domain.proof import Platform
    from towline.domain.secret import Secret
    from towline.domain.workload import PullAccess
    from towline.ports import Clock, Keychain, Store, Transaction
    from towline.services.proofs import Proofs


class NotReady(Exception):
    """The deployment cannot be started now; the findings say why."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__(", ".join(finding.code.value for finding in findings))


@dataclass(frozen=True, slots=True)
class _Pullable:
    """An image that may be pulled: pinned, with what to pull it."""

    image: ImageReference
    access: PullAccess


class Preparation:
    """Turns a deployment's wish into a workload, or into the findings that stand in its way."""

    def __init__(self, *, store: Store, proofs: Proofs, keychain: Keychain, clock: Clock) -> None:
        self._store = store
        self._proofs = proofs
        self._keychain = keychain
        self._clock = clock

    async def workload(
        self, deployment: Deployment, platform: Platform
    ) -> tuple[Workload, tuple[ExecutableStatus, ...]]:
        """Return the workload, all images proved and pinned for its engine, with the first status of each.

        Raises NotReady with every finding at once, so that people need not mend them one by one.
        """
        waiting = await self._missing_dependencies(deployment)
        disks, unready = await self._disks(deployment)
        environment, unset = await self._environment(deployment)
        pullable = await self._prove(deployment, platform, also=(*waiting, *unready, *unset))
        executables = tuple(
            _executable(run, pullable[run.name], environment, mounts=_mounts(deployment, run.name, disks))
            for run in deployment.executables
        )
        statuses = tuple(
            ExecutableStatus(run.name, run.image, digest=pullable[run.name].image.digest or "")
            for run in deployment.executables
        )
        return _workload(deployment, executables), statuses

    async def credentials(self, deployment: Deployment) -> str:
        """Return which versions of which secrets the deployment would be given now."""
        named = sorted(deployment.wish.secrets_named())

        def versions(tx: Transaction) -> list[str]:
            found = (tx.secrets.get(deployment.project_guid, name) for name in named)
            return [_version_of(record.secret) for record in found if record is not None]

        return " ".join(await self._store.read(versions))

    async def _prove(
        self, deployment: Deployment, platform: Platform, *, also: Sequence[Finding]
    ) -> Mapping[str, _Pullable]:
        proved = await asyncio.gather(
            *(self._pullable(deployment, run, platform) for run in deployment.executables)
        )
        findings = [*also, *(answer for answer in proved if isinstance(answer, Finding))]
        if findings:
            raise NotReady(findings)
        named = zip(deployment.executables, proved, strict=True)
        return {run.name: answer for run, answer in named if isinstance(answer, _Pullable)}

    async def _pullable(
        self, deployment: Deployment, run: Executable, platform: Platform
    ) -> _Pullable | Finding:
        try:
            proved = await self._proofs.image(
                deployment.project_guid,
                run,
                actor=f"deployment:{deployment.guid}",
                door=Door.ENGINE_PULL,
                wished_at=deployment.updated_at,
                platform=platform,
            )
        except PullRefused as refusal:
            return refusal.finding.about(executable=run.name, at=self._clock())
        return _Pullable(proved.image, proved.access)

    async def _environment(self, deployment: Deployment) -> tuple[Mapping[str, Password], Sequence[Finding]]:
        """Return all variables with their values, and a finding for each secret key that is not there."""
        values: dict[str, Password] = {}
        missing: list[Finding] = []
        for variable in deployment.wish.merged_environment():
            value = await self._value(deployment, variable)
            if isinstance(value, Finding):
                missing.append(value)
            elif value is not None:
                values[variable.name] = value
        return values, missing

    async def _value(self, deployment: Deployment, variable: EnvVar) -> Password | Finding | None:
        ref = variable.secret_ref
        if ref is None:
            return None if variable.value is None else Password(variable.value)
        actor = f"deployment:{deployment.guid}"
        detail = f"{variable.name} wants key {ref.key!r} of secret {ref.secret!r}"
        try:
            value = await self._keychain.value(deployment.project_guid, ref, actor=actor)
        except SealBroken:
            detail = f"{detail}, which does not open with any key of this server"
            return Finding(FindingCode.SECRET_UNREADABLE, detail, secret=ref.secret, checked_at=self._clock())
        except KeysUnreachable as away:
            return Finding(FindingCode.KEYS_UNREACHABLE, str(away), checked_at=self._clock())
        if value is not None:
            return value
        return Finding(FindingCode.ENV_SECRET_MISSING, detail, checked_at=self._clock())

    async def _disks(self, deployment: Deployment) -> tuple[Mapping[str, Disk], Sequence[Finding]]:
        """Return the disks that the deployment mounts, by guid, and a finding for each that is not ready."""
        wanted = {volume.disk_guid: volume.disk for volume in deployment.wish.volumes}
        if not wanted:
            return {}, ()
        disks = await self._store.read(lambda tx: tx.disks.of_deployment(deployment.guid))
        known = {disk.guid: disk for disk in disks}
        problems = [
            not_ready(name, problem).about(at=self._clock())
            for guid, name in wanted.items()
            if (problem := _problem_with_disk(known.get(guid)))
        ]
        return known, problems

    async def _missing_dependencies(self, deployment: Deployment) -> Sequence[Finding]:
        findings = []
        for dependency in deployment.wish.dependencies:
            other = await self._store.read(
                lambda tx, name=dependency.deployment: tx.deployments.get(deployment.project_guid, name)  # type: ignore[misc]
            )
            if problem := _problem_with(other, dependency.deployment, must_run=dependency.wait):
                findings.append(Finding(FindingCode.DEPENDENCY_FAILED, problem, checked_at=self._clock()))
        return findings


def _version_of(secret: Secret) -> str:
    """Return which version of which secret this is; one that only a renewal made says which it renewed."""
    guid, version = secret.metadata.guid, secret.metadata.version
    entered = secret.mint.entered if isinstance(secret, DockerSecret) and secret.mint else version
    return f"{guid}:{version}" if entered == version else f"{guid}:{entered}+{version}"


def as_entered(credentials: str) -> str:
    """Return which versions people entered, of what ``Preparation.credentials`` told: without renewals."""
    return " ".join(each.partition("+")[0] for each in credentials.split())


def _problem_with_disk(disk: Disk | None) -> str:
    if disk is None:
        return "does not exist any more"
    ending = next((user.name for user in disk.users if user.is_ending), "")
    return f"is still mounted by deployment {ending!r}, which is ending" if ending else ""


def _mounts(deployment: Deployment, executable: str, disks: Mapping[str, Disk]) -> tuple[Mount, ...]:
    """Return an executable's mounts, outer paths first."""
    volumes = (volume for volume in deployment.wish.volumes if volume.executable == executable)
    return tuple(
        Mount(
            volume.disk_guid,
            volume.mount_path,
            sub_path=volume.sub_path,
            uid=volume.uid,
            gid=volume.gid,
            capacity=disks[volume.disk_guid].capacity,
        )
        for volume in sorted(volumes, key=lambda volume: volume.mount_path.split("/"))
    )


def _problem_with(other: Deployment | None, name: str, *, must_run: bool) -> str:
    if other is None:
        return f"deployment {name!r} does not exist"
    running = other.status.phase is Phase.SUCCEEDED and other.status.status is Status.RUNNING
    if must_run and not running:
        return f"deployment {name!r} is {other.status.phase.value}/{other.status.status.value}"
    return ""


def _executable(
    run: Executable,
    pullable: _Pullable,
    environment: Mapping[str, Password],
    *,
    mounts: tuple[Mount, ...],
) -> WorkloadExecutable:
    return WorkloadExecutable(
        run.name,
        pullable.image,
        access=pullable.access,
        pull_policy=run.pull_policy,
        entrypoint=run.entrypoint,
        command=run.command,
        environment=environment,
        limits=run.limits,
        uid=run.uid,
        gid=run.gid,
        probe=run.probe,
        mounts=mounts,
    )


def _workload(deployment: Deployment, executables: tuple[WorkloadExecutable, ...]) -> Workload:
    plan = deployment.wish.plan
    return Workload(
        deployment.guid,
        deployment.name,
        project_guid=deployment.project_guid,
        generation=deployment.generation,
        executables=executables,
        replicas=plan.replicas,
        exclusive=deployment.is_exclusive,
        ports=plan.ports,
        served=plan.served,
    )
