"""Disks on a swarm: a volume on the node that the manager's Engine is, to which the tasks are bound.

A swarm moves no volumes. Which node has which disk is written down in the swarm itself, as a config without
content, so that every manager knows it and no other node is ever given an empty volume of the same name.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from towline.domain.causes import FindingCode
from towline.domain.errors import EngineFailed, PullRefused
from towline.domain.findings import Finding
from towline.engines.docker import places, refusals
from towline.engines.docker.containers import Containers
from towline.engines.docker.daemon import Refused
from towline.engines.docker.document import volume_name
from towline.engines.docker.pulls import pulled
from towline.engines.docker.volumes import Volumes

if TYPE_CHECKING:
    from towline.domain.workload import Workload, WorkloadExecutable
    from towline.engines.docker.daemon import Daemon

NODE = f"{places.PREFIX}node"
_NOTHING = base64.b64encode(b"-").decode()
_GONE, _THERE = 404, 409


class Disks:
    """The disks of one Towline on a swarm. Methods raise Refused and EngineFailed."""

    def __init__(self, daemon: Daemon, installation: str) -> None:
        self._daemon = daemon
        self._installation = installation
        self._volumes = Volumes(daemon, Containers(daemon, installation), installation)

    async def node_for(self, workload: Workload, *, here: str) -> str:
        """Return the node on which a workload must run, empty where it has no disks.

        A disk that is nowhere yet comes to ``here``, the node that is talked to.
        """
        await self._volumes.check(workload)
        nodes = {await self._node(disk) or await self._pinned(disk, here) for disk in workload.disks}
        if len(nodes) > 1:
            raise _failed(f"its disks are on different nodes of the swarm: {', '.join(sorted(nodes))}")
        return next(iter(nodes), "")

    async def have_image(self, executable: WorkloadExecutable) -> None:
        """Pull the image of an executable with disks, which a volume is prepared with; raise PullRefused."""
        image, login = executable.image, executable.access.credential
        if said := await pulled(self._daemon, image, login):
            finding = refusals.pull_finding(said, image, with_login=login is not None)
            raise PullRefused(finding.about(image=str(image), executable=executable.name))

    async def prepare(self, executable: WorkloadExecutable, *, node: str, here: str) -> None:
        """Make an executable's volumes with folders and owners; raise EngineFailed where that must be done on
        another node than the one that is talked to.
        """
        if node == here:
            await self._volumes.prepare(executable)
        elif any(mount.sub_path or (mount.uid, mount.gid) != (None, None) for mount in executable.mounts):
            raise _failed(
                f"its disk is on the node {node}: reach the swarm through that one, or leave subPath, uid and"
                " gid out"
            )

    async def used(self, disk: str) -> int | None:
        """Return how many bytes a disk takes; None where it is on another node than is talked to."""
        return await self._volumes.used(disk)

    async def delete(self, disk: str, *, here: str) -> None:
        """Delete a disk; raise EngineFailed where it is on another node than the one that is talked to."""
        name, node = volume_name(self._installation, disk), await self._node(disk)
        if node and node != here:
            raise _failed(
                f"the disk is on the node {node}: reach the swarm through that one, or delete the volume"
                f" {name} there and the config of that name"
            )
        await self._volumes.delete(disk)
        if node:
            await self._daemon.ask("DELETE", f"/configs/{name}")

    async def _node(self, disk: str) -> str:
        """Return on which node a disk is, empty where it is nowhere yet."""
        try:
            found = await self._daemon.ask("GET", f"/configs/{volume_name(self._installation, disk)}")
        except Refused as refused:
            if refused.status != _GONE:
                raise
            return ""
        return str(found["Spec"]["Labels"][NODE])

    async def _pinned(self, disk: str, node: str) -> str:
        """Write down that a disk is on a node; return where it is, as another server may have been first."""
        labels = {**places.volume_labels(self._installation, disk), NODE: node}
        body = {"Name": volume_name(self._installation, disk), "Labels": labels, "Data": _NOTHING}
        try:
            await self._daemon.ask("POST", "/configs/create", body=body)
        except Refused as refused:
            if refused.status != _THERE:
                raise
        return await self._node(disk)


def _failed(detail: str) -> EngineFailed:
    return EngineFailed(Finding(FindingCode.ENGINE_ERROR, detail))
