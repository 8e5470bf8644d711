"""What an engine is asked to run, and what it reports back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from towline.domain.credential import Credential, Password
from towline.domain.deployment import LayerProgress
from towline.domain.findings import Finding
from towline.domain.image import ImageReference
from towline.domain.package import Limits, LivenessProbe, PullPolicy, RestartPolicy, ServedPort
from towline.domain.registry import RegistrySettings


@dataclass(frozen=True, slots=True)
class PullAccess:
    """With what a registry is asked: a credential, or none for anonymous, and the registry's settings.

    ``plain_http`` comes from the secret's declared address or the settings.
    """

    settings: RegistrySettings
    credential: Credential | None = None
    plain_http: bool = False


@dataclass(frozen=True, slots=True)
class Mount:
    """A disk by its guid, or the folder ``sub_path`` of it, at ``path`` in a container; ``capacity`` in GiB.

    ``uid`` and ``gid`` own the folder at each start; without them whoever the container runs as owns a new
    one.
    """

    disk: str
    path: str
    sub_path: str = ""
    uid: int | None = None
    gid: int | None = None
    capacity: int = 0


@dataclass(frozen=True, slots=True)
class WorkloadExecutable:
    """One executable, ready to run: the image pinned by the digest that was proved."""

    name: str
    image: ImageReference
    access: PullAccess
    pull_policy: PullPolicy = PullPolicy.IF_NOT_PRESENT
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: Mapping[str, Password] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    uid: int | None = None
    gid: int | None = None
    probe: LivenessProbe | None = None
    mounts: tuple[Mount, ...] = ()
    """Outer paths first."""


@dataclass(frozen=True, slots=True)
class Workload:
    """A deployment's one generation. ``exclusive`` asks that the old generation ends before this one
    starts, because both would want the same ``ports`` of the host, or the same disks.
    """

    deployment_guid: str
    deployment_name: str
    project_guid: str
    generation: int
    executables: tuple[WorkloadExecutable, ...]
    replicas: int = 1
    restart: RestartPolicy = RestartPolicy.ALWAYS
    exclusive: bool = False
    stop_seconds: int = 10
    ports: tuple[int, ...] = ()
    served: tuple[ServedPort, ...] = ()

    @property
    def disks(self) -> Mapping[str, int]:
        """The disks that are mounted, by guid with their capacities in GiB."""
        return {mount.disk: mount.capacity for run in self.executables for mount in run.mounts}


class ReplicaState(StrEnum):
    """Where one container is in its life."""

    PULLING = "pulling"
    STARTING = "starting"
    RUNNING = "running"
    BACKING_OFF = "backing-off"
    """It ended and will be started again after a pause."""
    EXITED = "exited"
    """It ended and stays so."""
    FAILED = "failed"
    """It could not be started."""


@dataclass(frozen=True, slots=True)
class Fact:
    """What an engine observed about one container, named by deployment, generation, executable, replica.

    ``started_at`` is when the present process started. ``finding`` is set when the container did not
    start, ended or was killed. While pulling, ``layers`` tells how far it is. ``outdated`` says that the
    engine no longer holds what was applied, so that it must be applied again.
    """

    deployment_guid: str
    generation: int
    executable: str
    replica: int
    state: ReplicaState
    at: datetime
    started_at: datetime | None = None
    exit_code: int | None = None
    restart_count: int = 0
    finding: Finding | None = None
    layers: tuple[LayerProgress, ...] = ()
    outdated: bool = False


@dataclass(frozen=True, slots=True)
class Drift:
    """Somebody else changed or deleted what an engine holds for a deployment: which object of it, how
    (``changed`` or ``deleted``), and who is said to have done it, empty where nobody can tell.
    """

    deployment_guid: str
    project_guid: str
    subject: str
    change: str
    culprit: str
    at: datetime
