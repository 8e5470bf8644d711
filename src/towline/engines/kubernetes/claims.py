"""Disks of a cluster: a PersistentVolumeClaim each, which no generation owns, and how pods mount it.

A claim is of the cluster's default class and for one node at a time (ReadWriteOnce). Its content belongs to a
group: a pod has one ``fsGroup``, whose members may write, and no way to give a volume to a user.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightkube.models import core_v1 as core
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import PersistentVolumeClaim

from towline.domain.causes import FindingCode
from towline.domain.errors import EngineFailed
from towline.domain.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towline.domain.workload import Mount, Workload, WorkloadExecutable
    from towline.engines.kubernetes.naming import Names


def claims(workload: Workload, names: Names) -> list[PersistentVolumeClaim]:
    """Return the claim of each disk that a workload mounts."""
    namespace = names.namespace_of(workload.project_guid)
    return [
        PersistentVolumeClaim(
            apiVersion="v1",
            kind="PersistentVolumeClaim",
            metadata=ObjectMeta(
                name=disk, namespace=namespace, labels=names.disk_labels(workload.project_guid, disk)
            ),
            spec=core.PersistentVolumeClaimSpec(
                accessModes=["ReadWriteOnce"],
                resources=core.VolumeResourceRequirements(requests={"storage": f"{capacity}Gi"}),
            ),
        )
        for disk, capacity in workload.disks.items()
    ]


def volumes(workload: Workload) -> list[core.Volume] | None:
    """Return the volumes of a workload's pod, None where it has none."""
    return [
        core.Volume(name=disk, persistentVolumeClaim=core.PersistentVolumeClaimVolumeSource(claimName=disk))
        for disk in workload.disks
    ] or None


def mounts(executable: WorkloadExecutable) -> list[core.VolumeMount] | None:
    """Return where a container mounts them, None where it does not."""
    return [
        core.VolumeMount(name=mount.disk, mountPath=mount.path, subPath=mount.sub_path or None)
        for mount in executable.mounts
    ] or None


def security(workload: Workload) -> core.PodSecurityContext | None:
    """Return the group that a pod's volumes belong to; raise EngineFailed where several are asked for."""
    asked = {_group(run, mount) for run in workload.executables for mount in run.mounts} - {None}
    if len(asked) > 1:
        raise EngineFailed(_several(sorted(group for group in asked if group is not None)))
    if not asked:
        return None
    return core.PodSecurityContext(fsGroup=asked.pop(), fsGroupChangePolicy="OnRootMismatch")


def _group(executable: WorkloadExecutable, mount: Mount) -> int | None:
    """Return the group that is to write: what the volume says, else as what the container runs."""
    ids = (mount.gid, mount.uid, executable.gid, executable.uid)
    return next((each for each in ids if each is not None), None)


def _several(groups: Sequence[int]) -> Finding:
    return Finding(
        FindingCode.ENGINE_ERROR,
        f"a pod's volumes belong to one group, and {', '.join(map(str, groups))} are asked for",
        fix_hint="Give all volumes of the deployment the same gid.",
    )
