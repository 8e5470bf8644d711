"""The volumes of a deployment: which disks it is given, and what speaks against that."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from towline.domain.engine import ENGINE_LABEL
from towline.domain.errors import Conflict, InvalidInput
from towline.services.disks import found

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towline.domain.account import Access
    from towline.domain.deployment import Deployment, DeploymentDraft
    from towline.domain.disk import Disk, Volume
    from towline.domain.package import PackageSpec
    from towline.ports import Transaction

Mounted = tuple["Volume", "Disk"]


def asked_for(
    tx: Transaction, access: Access, draft: DeploymentDraft, *, own_guid: str = ""
) -> Sequence[Mounted]:
    """Return each volume of a draft with its disk.

    ``own_guid`` is the deployment that is updated. Raises NotFound for a disk, Conflict where another
    deployment has it.
    """
    mounted = []
    for volume in draft.volumes:
        disk = found(tx, access, volume.disk)
        if (holder := disk.holder) is not None and holder.guid != own_guid:
            raise Conflict(
                f"disk {disk.name!r} is used by deployment {holder.name!r}:"
                " a disk serves one deployment at a time"
            )
        mounted.append((replace(volume, disk_guid=disk.guid), disk))
    return mounted


def fitted(mounted: Sequence[Mounted], plan: PackageSpec) -> tuple[Volume, ...]:
    """Return the volumes as the package's executables mount them; raise InvalidInput where they cannot."""
    if mounted and plan.replicas > 1:
        raise InvalidInput(
            "spec.volumes",
            problem=f"mounts disks, and the package asks for {plan.replicas} replicas",
            rule="deploy a package with one replica: a disk is written by one container's replica alone",
        )
    names = [run.name for run in plan.executables]
    volumes = tuple(_of_executable(volume, names, at=at) for at, (volume, _) in enumerate(mounted))
    taken: set[tuple[str, str]] = set()
    for at, volume in enumerate(volumes):
        place = volume.executable, volume.mount_path
        if place in taken:
            raise InvalidInput(
                f"spec.volumes[{at}].mountPath",
                problem=f"{volume.mount_path!r} of {volume.executable!r} is there twice",
                rule="give each volume of an executable a path of its own",
            )
        taken.add(place)
    return volumes


def engine_asked(mounted: Sequence[Mounted], draft: DeploymentDraft) -> str:
    """Return the engine on which a new deployment is to live: the one that it names, else its disks' own."""
    return draft.engine or next((disk.engine for _, disk in mounted if disk.engine), "")


def machine_asked(mounted: Sequence[Mounted], *, here: str) -> str:
    """Return the machine on which a new deployment on the own engine is to live: its disks', else here."""
    return next((disk.machine for _, disk in mounted if disk.machine), here)


def bind(tx: Transaction, mounted: Sequence[Mounted], deployment: Deployment, *, machine: str) -> None:
    """Let the disks live where the deployment does, those that live nowhere yet.

    Raises InvalidInput for a disk that is on another engine, or on another machine than ``machine``.
    """
    for at, (_, disk) in enumerate(mounted):
        if disk.engine and (disk.engine, disk.machine) != (deployment.engine, machine):
            raise _elsewhere(disk, deployment, at=at)
        if not disk.engine:
            tx.disks.place(disk.guid, engine=deployment.engine, machine=machine)


def _of_executable(volume: Volume, names: Sequence[str], *, at: int) -> Volume:
    field = f"spec.volumes[{at}].execName"
    if volume.executable in names:
        return volume
    if volume.executable:
        raise InvalidInput(
            field,
            problem=f"{volume.executable!r} is no executable of the package",
            rule=f"use one of {', '.join(names)}",
        )
    if len(names) > 1:
        raise InvalidInput(field, problem="is empty", rule=f"name one of {', '.join(names)}")
    return replace(volume, executable=names[0])


def _elsewhere(disk: Disk, deployment: Deployment, *, at: int) -> InvalidInput:
    field = f"spec.volumes[{at}].depends"
    if disk.engine == deployment.engine:
        return InvalidInput(
            field,
            problem=f"disk {disk.name!r} is on the machine {disk.machine!r}, where the deployment is not",
            rule="mount disks of one machine; a disk never moves",
        )
    return InvalidInput(
        field,
        problem=f"disk {disk.name!r} is on the engine {disk.engine!r}, and the deployment lives on"
        f" {deployment.engine!r}",
        rule=f"deploy where the disk is (label {ENGINE_LABEL}={disk.engine}), or mount a disk that is here;"
        " a disk never moves",
    )
