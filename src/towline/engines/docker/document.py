"""What the Engine is asked to create, as a pure function.

Command and entrypoint follow Kubernetes' rules, which are the Engine's own. As on the embedded engine a
container gets no raw sockets and no new privileges. The result holds the environment's secret values: it
goes into the one request and nowhere else (decision 24 says what the Engine does with them).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from towline.domain.package import RestartPolicy
from towline.engines.docker import places
from towline.engines.wording import hostname

if TYPE_CHECKING:
    from towline.domain.package import Limits, LivenessProbe
    from towline.domain.workload import Workload, WorkloadExecutable
    from towline.engines.docker.places import Place

Document = Mapping[str, object]

HOST_NETWORK = "host"
LONGEST_GRACE = 600.0
"""Seconds that a container may take to end; its own grace is written on it."""
MOST_PROCESSES = 4096
LOG_MEGABYTES = 10
LOG_PARTS = 3
LOG_OPTIONS = {"max-size": f"{LOG_MEGABYTES}m", "max-file": str(LOG_PARTS)}

RESTART = {
    RestartPolicy.ALWAYS: "always",
    RestartPolicy.ON_FAILURE: "on-failure",
    RestartPolicy.NEVER: "no",
}
_SECOND = 1_000_000_000


def container(
    installation: str,
    place: Place,
    *,
    workload: Workload,
    executable: WorkloadExecutable,
    image: str,
    network: str,
    checked: bool = True,
) -> Document:
    """Return the body of ``POST /containers/create``; ``image`` is what the Engine calls it, ``checked`` says
    whether the Engine is to ask a probe that is a command.
    """
    published = workload.ports if network not in (HOST_NETWORK, "none") else ()
    return {
        "Image": image,
        "Hostname": hostname(workload.deployment_name, place.replica),
        "Labels": places.labels(installation, place, workload=workload, executable=executable, image=image),
        "Env": [f"{name}={value.reveal()}" for name, value in executable.environment.items()],
        "User": user(executable),
        "StopTimeout": workload.stop_seconds,
        "Healthcheck": healthcheck(executable.probe if checked else None),
        "ExposedPorts": {f"{port}/tcp": {} for port in published},
        **({"Entrypoint": list(executable.entrypoint)} if executable.entrypoint else {}),
        **({"Cmd": list(executable.command)} if executable.command else {}),
        "HostConfig": {
            "NetworkMode": network,
            "PortBindings": {f"{port}/tcp": [{"HostPort": str(port)}] for port in published},
            "RestartPolicy": {"Name": RESTART[workload.restart]},
            "CapDrop": ["NET_RAW"],
            "SecurityOpt": ["no-new-privileges:true"],
            "PidsLimit": MOST_PROCESSES,
            "Ulimits": [{"Name": "core", "Soft": 0, "Hard": 0}],
            "LogConfig": {"Type": "json-file", "Config": LOG_OPTIONS},
            **({"Mounts": mounts(installation, executable)} if executable.mounts else {}),
            **_limits(executable.limits),
        },
    }


def volume_name(installation: str, disk: str) -> str:
    """Return what the volume of a disk is called; an Engine has it once."""
    return f"towline-{installation}.{disk}"


def mounts(installation: str, executable: WorkloadExecutable) -> Sequence[Document]:
    """Return the disks of an executable; an empty one stays so, whatever the image has there."""
    return [
        {
            "Type": "volume",
            "Source": volume_name(installation, mount.disk),
            "Target": mount.path,
            "VolumeOptions": {
                "NoCopy": True,
                "Labels": places.volume_labels(installation, mount.disk),
                **({"Subpath": mount.sub_path} if mount.sub_path else {}),
            },
        }
        for mount in executable.mounts
    ]


def user(executable: WorkloadExecutable) -> str:
    """Return the user to run as, empty for the image's own. A group alone goes with root."""
    if executable.gid is not None:
        return f"{executable.uid or 0}:{executable.gid}"
    return "" if executable.uid is None else str(executable.uid)


def _limits(limits: Limits) -> Document:
    """Swap is no way round the limit of memory."""
    found: dict[str, object] = {}
    if limits.memory is not None:
        found |= {"Memory": limits.memory << 20, "MemorySwap": limits.memory << 20}
    if limits.cpu is not None:
        found["NanoCpus"] = max(int(limits.cpu * _SECOND), 10_000_000)
    return found


def healthcheck(probe: LivenessProbe | None) -> Document:
    """Return how the Engine asks a command inside; what is asked from outside is our own affair.

    An image's own health check is switched off: only the package's probe may end a container.
    """
    if probe is None or not probe.command:
        return {"Test": ["NONE"]}
    return {
        "Test": ["CMD", *probe.command],
        "Interval": probe.period * _SECOND,
        "Timeout": probe.timeout * _SECOND,
        "StartPeriod": probe.initial_delay * _SECOND,
        "Retries": probe.failures,
    }
