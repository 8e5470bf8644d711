"""A swarm's tasks as the Engine lists them, and what they mean. Pure.

A task is one attempt to run one replica: it goes through its states once, and another task follows it in
its slot. States: moby ``api/types/swarm/task.go``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from towline.domain.causes import FindingCode
from towline.domain.findings import Finding
from towline.engines.docker import facts, refusals
from towline.engines.wording import cleaned

if TYPE_CHECKING:
    from datetime import datetime

    from towline.engines.docker.daemon import Json
    from towline.engines.docker.places import Kept

_WAITING = frozenset({"new", "allocated", "pending"})
_PREPARING = frozenset({"assigned", "accepted", "preparing"})
_STARTING = frozenset({"ready", "starting"})
_NOT_STARTED = "starting container failed: "
_PORT_TAKEN = "host-mode port already in use"
_NO_IMAGE = "No such image"
_UNHEALTHY = "unhealthy container"
GONE = "the service is gone from the swarm; it is made again"
_SEE_THE_NODE = (
    "A swarm does not tell why a node cannot pull: try the secret (towline secret verify), and read the"
    " log of Docker on that node."
)


@dataclass(frozen=True, slots=True)
class Task:
    """One task."""

    ident: str
    service: str
    slot: int
    state: str
    wanted: str
    error: str
    node: str
    container: str
    exit_code: int
    created: str
    at: datetime | None

    @property
    def is_waiting(self) -> bool:
        """Whether no node was found for it yet."""
        return self.state in _WAITING

    @property
    def is_preparing(self) -> bool:
        """Whether its node pulls and makes the container."""
        return self.state in _PREPARING

    @property
    def is_starting(self) -> bool:
        """Whether its process is begun, or its first health check is waited for."""
        return self.state in _STARTING

    @property
    def is_running(self) -> bool:
        """Whether its process runs."""
        return self.state == "running"

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come of it."""
        return not (self.is_waiting or self.is_preparing or self.is_starting or self.is_running)

    @property
    def was_moved(self) -> bool:
        """Whether the swarm itself ended it: its node is drained or gone, or the service changed."""
        return self.state in ("shutdown", "orphaned", "remove")

    @property
    def never_ran(self) -> bool:
        """Whether it ended without its process ever having started."""
        return self.state == "rejected" or self.error.startswith(_NOT_STARTED) or not self.container

    @property
    def was_unhealthy(self) -> bool:
        """Whether the node ended it for its health check."""
        return _UNHEALTHY in self.error


def read(listed: Json) -> Task:
    """Return a task as the Engine lists it."""
    status = listed["Status"]
    container = status.get("ContainerStatus") or {}
    return Task(
        str(listed["ID"]),
        str(listed.get("ServiceID", "")),
        slot=int(listed.get("Slot") or 0),
        state=str(status.get("State", "")),
        wanted=str(listed.get("DesiredState", "")),
        error=str(status.get("Err") or ""),
        node=str(listed.get("NodeID") or ""),
        container=str(container.get("ContainerID") or ""),
        exit_code=int(container.get("ExitCode") or 0),
        created=str(listed.get("CreatedAt", "")),
        at=facts.moment(str(status.get("Timestamp", ""))),
    )


def kept_of(kept: Kept, task: Task) -> Kept:
    """Return what is known about a task's place, from what is written on its service."""
    return replace(kept, place=replace(kept.place, replica=max(task.slot - 1, 0)))


def unscheduled(task: Task) -> Finding | None:
    """Return why the swarm finds no node; None where it does not say so."""
    if not task.is_waiting or not task.error:
        return None
    code = FindingCode.PORT_TAKEN if _PORT_TAKEN in task.error else FindingCode.UNSCHEDULABLE
    return Finding(code, cleaned(task.error.encode()))


def not_started(task: Task) -> Finding:
    """Return why a task's process never started."""
    if is_about_image(task):
        return Finding(
            FindingCode.ENGINE_ERROR,
            f"node {task.node} says: {cleaned(task.error.encode())}",
            fix_hint=_SEE_THE_NODE,
            wire_code=refusals.NOT_PULLED,
        )
    return refusals.start_finding(task.error.removeprefix(_NOT_STARTED) or "the task ended without a word")


def is_about_image(task: Task) -> bool:
    """Whether the node had no image: a swarm tells no more of a pull that failed."""
    return _NO_IMAGE in task.error
