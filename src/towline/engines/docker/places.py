"""What a container stands for, and how that is written on it: its name and its labels.

Everything here is in the labels, so that a Towline that starts finds what an earlier one left; nothing
secret ever is. ``installation`` keeps several Towlines on one Engine apart.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from towline.domain.package import LivenessProbe, RestartPolicy

if TYPE_CHECKING:
    from towline.domain.workload import Workload, WorkloadExecutable

PREFIX = "io.towline."
INSTALLATION = PREFIX + "installation"
DEPLOYMENT = PREFIX + "deployment"

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """The one container that a generation's executable has under a replica number."""

    deployment_guid: str
    generation: int
    executable: str
    replica: int

    def container(self, installation: str) -> str:
        """Return the container's name, the same for everyone who starts it: an Engine has it once."""
        own = f"{_safe(self.deployment_guid)}.{self.generation}.{_safe(self.executable)}.{self.replica}"
        return f"towline-{installation}.{own}"


@dataclass(frozen=True, slots=True)
class Kept:
    """What must be known about a container for as long as it lives."""

    place: Place
    restart: RestartPolicy
    probe: LivenessProbe | None = None

    def rests(self, exit_code: int) -> bool:
        """Whether a process that ended so is not started again."""
        if self.restart is RestartPolicy.ON_FAILURE:
            return exit_code == 0
        return self.restart is RestartPolicy.NEVER


def places(workload: Workload) -> list[Place]:
    """Return the place of every container that a workload asks for."""
    return [
        Place(workload.deployment_guid, workload.generation, executable=run.name, replica=replica)
        for run in workload.executables
        for replica in range(workload.replicas)
    ]


def labels(
    installation: str, place: Place, *, workload: Workload, executable: WorkloadExecutable, image: str
) -> Mapping[str, str]:
    """Return what is written on a container."""
    written = {
        "installation": installation,
        "project": workload.project_guid,
        "deployment": place.deployment_guid,
        "name": workload.deployment_name,
        "generation": str(place.generation),
        "executable": place.executable,
        "replica": str(place.replica),
        "restart": workload.restart.value,
        "image": image,
    }
    if executable.probe is not None:
        written["probe"] = json.dumps(asdict(executable.probe))
    return {PREFIX + name: text for name, text in written.items()}


def volume_labels(installation: str, disk: str) -> Mapping[str, str]:
    """Return what is written on the volume of a disk."""
    return {INSTALLATION: installation, f"{PREFIX}disk": disk}


def image_of(written: Mapping[str, str]) -> str:
    """Return the reference of the image that a container was made from."""
    return written.get(f"{PREFIX}image", "")


def read(written: Mapping[str, str]) -> Kept | None:
    """Return what labels (or the attributes of an event) say; None when they are not ours."""
    found = {name.removeprefix(PREFIX): text for name, text in written.items() if name.startswith(PREFIX)}
    try:
        place = Place(
            found["deployment"],
            int(found["generation"]),
            executable=found["executable"],
            replica=int(found["replica"]),
        )
        return Kept(place, RestartPolicy(found["restart"]), _probe(found.get("probe", "")))
    except (KeyError, ValueError, TypeError):
        return None


def _probe(text: str) -> LivenessProbe | None:
    if not text:
        return None
    found: dict[str, Any] = json.loads(text)
    headers = tuple((str(name), str(value)) for name, value in found.pop("headers"))
    return LivenessProbe(**{**found, "command": tuple(found["command"]), "headers": headers})


def _safe(text: str) -> str:
    """Return ``text``, or its hash if a container's name cannot be made of it."""
    return text if _SAFE.fullmatch(text) else hashlib.sha256(text.encode()).hexdigest()[:32]
