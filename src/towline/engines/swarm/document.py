"""The service that a swarm is asked for, as a pure function.

It holds the environment's secret values, as a container's does (decision 24). The swarm expands templates
in an environment, so braces that a value brings along are written as what expands to them.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from towline.domain.package import PullPolicy, RestartPolicy
from towline.engines.docker import document, places
from towline.engines.docker.document import HOST_NETWORK, Document
from towline.engines.docker.pulls import called
from towline.engines.wording import hostname

if TYPE_CHECKING:
    from towline.domain.package import Limits
    from towline.domain.proof import Platform
    from towline.domain.workload import Workload, WorkloadExecutable

REPLICAS = f"{places.PREFIX}replicas"
"""The label that says how many replicas a service has when it does not rest."""

_CONDITIONS = {
    RestartPolicy.ALWAYS: "any",
    RestartPolicy.ON_FAILURE: "on-failure",
    RestartPolicy.NEVER: "none",
}
_SECOND = 1_000_000_000
_LEGAL_NAME = re.compile(r"[A-Za-z0-9]([-_]?[A-Za-z0-9]+)*")
_LONGEST_NAME = 63


def prefix(installation: str) -> str:
    """Return what the names of an installation's services begin with."""
    return f"towline-{installation}_"


def name_of(installation: str, place: places.Place) -> str:
    """Return the service's name, the same for everyone who makes it: a swarm has it once."""
    own = f"{place.deployment_guid}_{place.generation}_{place.executable}"
    name = prefix(installation) + own
    if len(name) <= _LONGEST_NAME and _LEGAL_NAME.fullmatch(name):
        return name
    return prefix(installation) + hashlib.sha256(own.encode()).hexdigest()[:32]


def place_of(workload: Workload, executable: WorkloadExecutable) -> places.Place:
    """Return the first of the places that a service fills."""
    return places.Place(workload.deployment_guid, workload.generation, executable=executable.name, replica=0)


def service(
    installation: str,
    workload: Workload,
    executable: WorkloadExecutable,
    *,
    network: str,
    pause: float,
    platform: Platform,
    node: str,
    disks_on: str = "",
) -> Document:
    """Return the body of ``POST /services/create``; ``node`` is the one that Towline talks to, ``disks_on``
    the one that has the disks.
    """
    place = place_of(workload, executable)
    image = called(executable.image)
    published = workload.ports if network not in (HOST_NETWORK, "none") else ()
    return {
        "Name": name_of(installation, place),
        "Labels": {
            **places.labels(installation, place, workload=workload, executable=executable, image=image),
            REPLICAS: str(workload.replicas),
        },
        "Mode": {"Replicated": {"Replicas": workload.replicas}},
        "EndpointSpec": {
            "Mode": "dnsrr",
            "Ports": [
                {"Protocol": "tcp", "TargetPort": port, "PublishedPort": port, "PublishMode": "host"}
                for port in published
            ],
        },
        "TaskTemplate": {
            "ContainerSpec": _container(installation, workload, executable, image=image),
            "Resources": {"Limits": _limits(executable.limits)},
            "RestartPolicy": {"Condition": _CONDITIONS[workload.restart], "Delay": int(pause * _SECOND)},
            "Placement": _placement(executable, platform=platform, node=node, disks_on=disks_on),
            "Networks": [{"Target": network}] if network not in ("", "bridge") else [],
            "LogDriver": {"Name": "json-file", "Options": document.LOG_OPTIONS},
        },
    }


def _container(
    installation: str, workload: Workload, executable: WorkloadExecutable, *, image: str
) -> Document:
    return {
        "Image": image,
        "Hostname": hostname(workload.deployment_name, 0).removesuffix("0") + "{{.Task.Slot}}",
        "Env": [f"{name}={_literal(value.reveal())}" for name, value in executable.environment.items()],
        "User": document.user(executable),
        "StopGracePeriod": workload.stop_seconds * _SECOND,
        "HealthCheck": document.healthcheck(executable.probe),
        "CapabilityDrop": ["NET_RAW"],
        "Privileges": {"NoNewPrivileges": True},
        "Ulimits": [{"Name": "core", "Soft": 0, "Hard": 0}],
        **({"Mounts": document.mounts(installation, executable)} if executable.mounts else {}),
        **({"Command": list(executable.entrypoint)} if executable.entrypoint else {}),
        **({"Args": list(executable.command)} if executable.command else {}),
    }


def _placement(executable: WorkloadExecutable, *, platform: Platform, node: str, disks_on: str) -> Document:
    """Return where tasks may go: the image was proved and pinned for one platform, and disks do not move."""
    bound = {disks_on, node if _stays_here(executable) else ""} - {""}
    return {
        "Platforms": [{"OS": platform.os, "Architecture": platform.architecture}],
        "Constraints": [f"node.id=={each}" for each in sorted(bound)],
    }


def _stays_here(executable: WorkloadExecutable) -> bool:
    """Whether tasks must run on the manager's own machine: to be asked from outside and ended there, or
    because nobody may pull the image.
    """
    asked_from_outside = executable.probe is not None and not executable.probe.command
    return asked_from_outside or executable.pull_policy is PullPolicy.NEVER


def _literal(text: str) -> str:
    """Return what a template must say to become ``text``."""
    return text.replace("{{", '{{"{{"}}')


def _limits(limits: Limits) -> Document:
    found: dict[str, object] = {"Pids": document.MOST_PROCESSES}
    if limits.memory is not None:
        found["MemoryBytes"] = limits.memory << 20
    if limits.cpu is not None:
        found["NanoCPUs"] = max(int(limits.cpu * _SECOND), 10_000_000)
    return found
