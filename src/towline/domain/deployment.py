"""Deployments: a package that was asked to run, and how far that has come.

A deployment is two halves with two writers: the *wish* (what people asked for; services write it) and
the *status* (what is so; the reconciler writes it). Phases, statuses and codes are rapyuta.io's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Self

from towline.domain.disk import Volume
from towline.domain.findings import Finding
from towline.domain.package import EnvVar, Executable, PackageSpec, RestartPolicy


class Phase(StrEnum):
    """How far a deployment has come."""

    IN_PROGRESS = "InProgress"
    PROVISIONING = "Provisioning"
    SUCCEEDED = "Succeeded"
    FAILED_TO_UPDATE = "FailedToUpdate"
    FAILED_TO_START = "FailedToStart"
    STOPPED = "Stopped"


class Status(StrEnum):
    """How a deployment is."""

    RUNNING = "Running"
    PENDING = "Pending"
    ERROR = "Error"
    UNKNOWN = "Unknown"
    STOPPED = "Stopped"


class ExecutableState(StrEnum):
    """How one executable is, in the words of the wire."""

    ERROR = "error"
    RUNNING = "running"
    PENDING = "pending"
    TERMINATING = "terminating"
    TERMINATED = "terminated"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class LayerProgress:
    """How far one layer's download and unpacking has come; sizes in bytes."""

    digest: str
    size: int
    received: int = 0
    unpacked: bool = False


@dataclass(frozen=True, slots=True)
class ExecutableStatus:
    """What is known about one executable, over all its replicas."""

    name: str
    image: str
    state: ExecutableState = ExecutableState.PENDING
    error_code: str = ""
    reason: str = ""
    restart_count: int = 0
    exit_code: int = 0
    digest: str = ""
    replicas_running: int = 0
    layers: tuple[LayerProgress, ...] = ()


@dataclass(frozen=True, slots=True)
class Dependency:
    """Another deployment that this one needs, by name or guid; ``wait`` delays the start."""

    deployment: str
    wait: bool = False


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for, fixed for one generation.

    ``plan`` is the package's spec at the time of asking, so that a deleted package keeps its
    deployments. ``document`` is the wire ``spec`` as sent (JSON, nulls removed).
    """

    package_guid: str
    package_name: str
    package_version: str
    plan: PackageSpec
    document: bytes
    environment: tuple[EnvVar, ...] = ()
    dependencies: tuple[Dependency, ...] = ()
    restart: RestartPolicy = RestartPolicy.ALWAYS
    volumes: tuple[Volume, ...] = ()

    def merged_environment(self) -> tuple[EnvVar, ...]:
        """Return the package's variables, each replaced by the deployment's of the same name."""
        merged = {variable.name: variable for variable in self.plan.environment}
        merged.update({variable.name: variable for variable in self.environment})
        return tuple(merged.values())

    def secrets_named(self) -> frozenset[str]:
        """Return every secret, by the name or guid used, that this wish depends on."""
        pulls = {run.pull_secret for run in self.plan.executables if run.pull_secret}
        refs = {variable.secret_ref.secret for variable in self.merged_environment() if variable.secret_ref}
        return frozenset(pulls | refs)


@dataclass(frozen=True, slots=True)
class DeploymentStatus:
    """What is so. ``generation`` is the one that the status speaks of; 0 before the first look.

    ``serving`` is the newest generation that reached Running, 0 before any did: it tells a failed
    start from a failed update. ``attempts`` counts failures in a row, for backing off. ``credentials`` names
    the versions of the secrets that the engine was given last.
    """

    phase: Phase = Phase.IN_PROGRESS
    status: Status = Status.PENDING
    error_codes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    executables: tuple[ExecutableStatus, ...] = ()
    generation: int = 0
    serving: int = 0
    attempts: int = 0
    credentials: str = ""
    changed_at: datetime | None = None

    def failed(self, findings: tuple[Finding, ...], *, at: datetime) -> Self:
        """Return the status once ``findings`` keep the deployment from running.

        A deployment whose present generation had been running stays Succeeded with status Error;
        otherwise it is Provisioning with status Error, the one failure that ``rio`` sees at once.
        """
        had_run = self.serving != 0 and self.serving == self.generation
        codes = tuple(dict.fromkeys(finding.error_code for finding in findings))
        return replace(
            self,
            phase=Phase.SUCCEEDED if had_run else Phase.PROVISIONING,
            status=Status.ERROR,
            error_codes=codes,
            findings=findings,
            attempts=self.attempts + 1,
            changed_at=at,
        )


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployment: identity, wish and status. ``engine`` is where it lives for as long as it does."""

    guid: str
    name: str
    project_guid: str
    creator_guid: str
    created_at: datetime
    updated_at: datetime
    wish: Wish
    generation: int = 1
    labels: Mapping[str, str] = field(default_factory=dict)
    deleted_at: datetime | None = None
    status: DeploymentStatus = field(default_factory=DeploymentStatus)
    engine: str = ""

    @property
    def executables(self) -> tuple[Executable, ...]:
        """What the wish runs."""
        return self.wish.plan.executables

    @property
    def is_exclusive(self) -> bool:
        """Whether two generations cannot run side by side: both would want the same ports, or disks."""
        return bool(self.wish.plan.ports or self.wish.volumes)

    def wished_again(self, wish: Wish, *, labels: Mapping[str, str], at: datetime) -> Self:
        """Return the next generation; guid, name and status stay."""
        return replace(
            self,
            wish=wish,
            labels=labels,
            generation=self.generation + 1,
            updated_at=at,
        )

    def stopped(self, *, at: datetime) -> Self:
        """Return the deployment as a record of something that is to be removed, its name free at once."""
        ended = tuple(
            replace(run, state=ExecutableState.TERMINATED, layers=()) for run in self.status.executables
        )
        status = replace(
            self.status,
            phase=Phase.STOPPED,
            status=Status.STOPPED,
            executables=ended,
            error_codes=(),
            findings=(),
            changed_at=at,
        )
        return replace(self, deleted_at=at, updated_at=at, status=status)


@dataclass(frozen=True, slots=True)
class DeploymentDraft:
    """A deployment as somebody asks for it, already checked, before its package was looked up."""

    name: str
    package: str
    package_version: str
    document: bytes
    labels: Mapping[str, str] = field(default_factory=dict)
    environment: tuple[EnvVar, ...] = ()
    dependencies: tuple[Dependency, ...] = ()
    restart: RestartPolicy = RestartPolicy.ALWAYS
    volumes: tuple[Volume, ...] = ()
    engine: str = ""
    """The engine that is asked for by name; empty takes the default, or the one that the deployment has."""
