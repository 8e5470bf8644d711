"""Packages: named, versioned declarations of executables. They are immutable.

``document`` keeps the whole ``spec`` as the client sent it (JSON, nulls removed), as answers return
it; the typed fields are what Towline itself acts on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Runtime(StrEnum):
    """Where a package is meant to run."""

    CLOUD = "cloud"
    DEVICE = "device"


class PullPolicy(StrEnum):
    """When the engine asks the registry."""

    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


class RestartPolicy(StrEnum):
    """What happens when a process ends."""

    ALWAYS = "always"
    ON_FAILURE = "onfailure"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Limits:
    """The most an executable may use: ``cpu`` in processors, ``memory`` in MiB; None = no limit."""

    cpu: float | None = None
    memory: int | None = None


@dataclass(frozen=True, slots=True)
class LivenessProbe:
    """How to ask an executable whether it still works: a ``command`` inside it, else HTTP where there is a
    ``path``, else a connection to ``port``. Times are seconds; so many ``failures`` in a row end it, so
    many ``successes`` make earlier ones forgotten. An empty ``host`` is the executable's own.
    """

    command: tuple[str, ...] = ()
    host: str = ""
    port: int = 0
    path: str = ""
    https: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    initial_delay: int = 0
    period: int = 10
    timeout: int = 10
    failures: int = 3
    successes: int = 1


@dataclass(frozen=True, slots=True)
class SecretKeyRef:
    """One key of an opaque secret, named by the secret's name or guid."""

    secret: str
    key: str


@dataclass(frozen=True, slots=True)
class EnvVar:
    """An environment variable: a plain ``value`` or a reference to a secret's key, or neither (unset)."""

    name: str
    value: str | None = None
    secret_ref: SecretKeyRef | None = None


@dataclass(frozen=True, slots=True)
class Executable:
    """An image and how to run it. ``image`` is the text as given: it may be malformed, see findings.

    Empty ``entrypoint`` and ``command`` leave the image's own in force, as in Kubernetes: a given
    entrypoint also drops the image's command.
    """

    name: str
    image: str
    pull_secret: str | None = None
    pull_policy: PullPolicy = PullPolicy.IF_NOT_PRESENT
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    uid: int | None = None
    gid: int | None = None
    probe: LivenessProbe | None = None


@dataclass(frozen=True, slots=True)
class ServedPort:
    """One port of an endpoint: under which it is asked for, and where an executable listens."""

    port: int
    target: int
    is_udp: bool = False


@dataclass(frozen=True, slots=True)
class PackageSpec:
    """What Towline acts on when a package is deployed. ``ports`` are the endpoints' target ports; ``served``
    tells of each also the endpoint's own, for engines that have addresses to give.
    """

    runtime: Runtime
    executables: tuple[Executable, ...]
    replicas: int = 1
    environment: tuple[EnvVar, ...] = ()
    ports: tuple[int, ...] = ()
    served: tuple[ServedPort, ...] = ()
    host_pid: bool = False


@dataclass(frozen=True, slots=True)
class Package:
    """A package; (project, name, version) is its identity."""

    guid: str
    name: str
    version: str
    project_guid: str
    creator_guid: str
    created_at: datetime
    spec: PackageSpec
    document: bytes
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PackageDraft:
    """A package as somebody asks for it, already checked."""

    name: str
    version: str
    spec: PackageSpec
    document: bytes
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
