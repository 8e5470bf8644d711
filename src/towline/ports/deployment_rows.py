"""Rows of deployments: wishes, leases, statuses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from towline.domain.listing import LabelSelector, Listing, Page

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from towline.domain.deployment import Deployment, DeploymentStatus, Phase, Status


@dataclass(frozen=True, slots=True)
class DeploymentQuery:
    """Which deployments a list wants; empty means all. Deleted ones only when ``phases`` names Stopped."""

    names: Sequence[str] = ()
    guids: Sequence[str] = ()
    phases: Sequence[Phase] = ()
    package_name: str = ""
    package_version: str = ""
    selector: LabelSelector = field(default_factory=LabelSelector)


@dataclass(frozen=True, slots=True)
class Claim:
    """A deployment that this process alone may move until ``expires_at``; ``epoch`` fences late writers."""

    deployment: Deployment
    epoch: int
    expires_at: datetime
    wakes: int = 0
    """How often the deployment had been woken when it was claimed: the store's own mark."""


@dataclass(frozen=True, slots=True)
class Part:
    """Which deployments one reconciler moves: those on ``machine``, empty for what no machine has alone.

    Of these only those on ``engine``, where one is named, and none on the engines ``but``.
    """

    machine: str = ""
    engine: str = ""
    but: tuple[str, ...] = ()


EVERYWHERE = Part()
"""All that is on no machine's own engine."""


class DeploymentRows(Protocol):
    """Deployments of all projects: people's wishes, and the reconciler's leases and statuses."""

    def add(self, deployment: Deployment, *, due: datetime, machine: str = "") -> None:
        """Insert a deployment; raise Conflict if a live one of that name exists in its project.

        ``machine`` is where it lives when its engine is that machine's own.
        """

    def get(self, project_guid: str, name: str, *, guid: str = "") -> Deployment | None:
        """Return the live deployment of that name or guid, or any one by ``guid``."""

    def wish(self, deployment: Deployment, *, due: datetime) -> None:
        """Save wish, labels, generation, deleted_at and, when deleted, the status; make it due."""

    def page(self, project_guid: str, page: Page, *, query: DeploymentQuery) -> Listing[Deployment]:
        """Return a page in order of creation."""

    def claim(
        self, owner: str, *, now: datetime, until: datetime, most: int, part: Part = EVERYWHERE
    ) -> Sequence[Claim]:
        """Take up to ``most`` deployments of a part that are due and free, oldest due first."""

    def machine_of(self, guid: str) -> str:
        """Return on which machine a deployment lives; empty for engines that several servers reach."""

    def place_on(self, machine: str, *, engine: str) -> int:
        """Let deployments and disks on an engine that live nowhere live on ``machine``; return how many
        deployments did.
        """

    def settle(
        self, claim: Claim, status: DeploymentStatus, *, due: datetime | None, release: bool, until: datetime
    ) -> bool:
        """Save a status under a lease, due again at ``due`` (None: at rest until woken).

        ``release`` gives the lease back, else it is renewed to ``until``. Returns False, and saves
        nothing, when the lease was lost. A wake or wish that arrived since the claim keeps the
        deployment due now. A deployment deleted meanwhile stays Stopped, whatever an earlier walk says.
        """

    def wake(
        self, *, now: datetime, guids: Sequence[str] = (), project_guid: str = "", secrets: Sequence[str] = ()
    ) -> int:
        """Make deployments due now: ``guids``, or those of a project that name one of ``secrets``."""

    def outdated(self, before: datetime, *, most: int) -> Sequence[int]:
        """Return the numbers of deployments that ended before this and whose containers are gone."""

    def forget(self, seqs: Sequence[int]) -> int:
        """Delete ended deployments by number; return how many."""

    def waiting(self, now: datetime) -> int:
        """Return how many could be claimed now."""

    def next_due(self, part: Part = EVERYWHERE) -> datetime | None:
        """Return when the next deployment of a part can be claimed: due, and any lease on it run out."""

    def using_secret(self, project_guid: str, secrets: Sequence[str]) -> Sequence[Deployment]:
        """Return the live deployments that name one of ``secrets`` (names or guids)."""

    def users_of(self, project_guid: str, secrets: Sequence[str]) -> int:
        """Return how many live deployments name one of ``secrets`` (names or guids)."""

    def counts(self, project_guid: str) -> Mapping[Status, int]:
        """Return how many live deployments of a project have each status."""

    def in_status(self, project_guid: str, status: Status) -> Sequence[Deployment]:
        """Return the live deployments of a project with this status, in order of creation."""

    def live_guids(self, *, engine: str = "", machine: str = "") -> frozenset[str]:
        """Return the guids of all deployments that are not deleted, of all projects, or on one engine: of
        those that live on ``machine``.
        """

    def adopt(self, engine: str) -> None:
        """Let deployments without one, the work of an older program, live on ``engine``."""

    def on_engine(self, engine: str) -> int:
        """Return how many deployments an engine still has: live ones, and those that it is to end."""

    def by_engine(self) -> Mapping[str, int]:
        """Return how many live deployments each engine has, of all projects."""
