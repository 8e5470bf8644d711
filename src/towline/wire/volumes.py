"""``spec.volumes`` of a deployment: where it mounts disks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from towline.domain.disk import MOST_VOLUMES, Volume, mount_path, sub_path
from towline.domain.errors import InvalidInput
from towline.wire.metadata import referred
from towline.wire.problems import required

if TYPE_CHECKING:
    from towline.wire.deployment_spec import Volume as VolumeWire


def volumes_of(listed: Sequence[VolumeWire] | None) -> tuple[Volume, ...]:
    """Return the volumes; whether disks and executables are there is found out later."""
    if len(listed or ()) > MOST_VOLUMES:
        raise InvalidInput("spec.volumes", problem="is too long", rule=f"use at most {MOST_VOLUMES}")
    return tuple(_volume(each, f"spec.volumes[{at}]") for at, each in enumerate(listed or ()))


def _volume(given: VolumeWire, field: str) -> Volume:
    if given.perm is not None:
        raise InvalidInput(
            f"{field}.perm",
            problem="is for devices",
            rule="leave it out; uid and gid say who owns the folder",
        )
    disk = referred(given.depends, "Disk", field=f"{field}.depends")
    if disk is None:
        raise InvalidInput(
            f"{field}.depends", problem="names no disk", rule="give kind 'disk' and nameOrGUID"
        )
    return Volume(
        disk,
        given.exec_name or "",
        mount_path=mount_path(
            required(given.mount_path, field=f"{field}.mountPath"), field=f"{field}.mountPath"
        ),
        sub_path=sub_path(given.sub_path or "", field=f"{field}.subPath"),
        uid=given.uid,
        gid=given.gid,
    )
