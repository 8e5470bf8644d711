"""Rows of disks, and of which deployments have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from towline.domain.disk import Disk
    from towline.domain.listing import LabelSelector, Listing, Page
    from towline.ports.deployment_rows import Part


class DiskRows(Protocol):
    """Disks of all projects. One that was deleted is *doomed* until its data are gone."""

    def add(self, disk: Disk) -> None:
        """Insert a disk; raise Conflict if its project has one of that name."""

    def get(self, project_guid: str, name: str) -> Disk | None:
        """Return the disk of that name or guid, with the deployments that have it."""

    def page(
        self, project_guid: str, page: Page, *, selector: LabelSelector, names: Sequence[str] = ()
    ) -> Listing[Disk]:
        """Return a page in order of creation."""

    def place(self, guid: str, *, engine: str, machine: str) -> None:
        """Let a disk live on an engine from now on."""

    def on_engine(self, engine: str) -> int:
        """Return how many disks an engine has, the doomed ones too."""

    def of_deployment(self, deployment_guid: str) -> Sequence[Disk]:
        """Return the disks that a deployment has, by name."""

    def doom(self, guid: str, *, at: datetime) -> None:
        """Delete a disk: its name is free, its data are to go."""

    def doomed(self, part: Part) -> Sequence[Disk]:
        """Return the disks of a part whose data are to go and that no container has any more."""

    def forget(self, guid: str) -> None:
        """Drop a doomed disk, whose data are gone."""
