"""What Towline's objects in a cluster are called, and the labels by which they are found again.

Names follow from guid, generation and executable, so that applying twice makes nothing twice. The instance
label keeps two installations of Towline on one cluster apart.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from towline.domain.mirror import Mirror
    from towline.domain.workload import Workload
    from towline.engines.kubernetes.seen import Metadata

MANAGED_BY = "app.kubernetes.io/managed-by"
INSTANCE = "app.kubernetes.io/instance"
DEPLOYMENT = "towline/deployment"
GENERATION = "towline/generation"
PROJECT = "towline/project"
REPLICA = "towline/replica"
EXECUTABLES = "towline/executables"
"""Annotation: the executables by the names of their containers."""
WANTED = "towline/replicas"
"""Annotation on bare pods: how many there are of them."""
NUDGED = "towline/nudged-at"
"""Annotation of the pods' template: a new value makes new pods, which have no back-off."""
NAMED = "towline/name"
DISK = "towline/disk"
"""Label of a claim: the disk's guid."""
SERVED = "towline/served"
"""Annotation: the ports of the Service that leads to a generation."""
MIRROR = "towline/mirror"
"""Label of a Secret that is a mirror's copy: the mirror's guid."""
MIRRORED = "towline/secret-version"
"""Annotation of such a copy: guid and version of the secret."""
MIRRORED_AT = "towline/mirrored-at"
"""Annotation of such a copy: when it was written."""
SECURED = "towline/pod-security"
"""Annotation: pods ask for no more than this level of Pod Security gives, as more was refused."""
OWNER = "towline"
POD_SECURITY = "pod-security.kubernetes.io/enforce"
"""Label of a namespace: which pods are refused there."""
RESTRICTED = "restricted"

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_SERVICE = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Place:
    """One generation of one deployment."""

    deployment_guid: str
    generation: int

    @property
    def name(self) -> str:
        """What its objects' names begin with."""
        return f"{self.deployment_guid}-{self.generation}"

    @classmethod
    def of(cls, metadata: Metadata) -> Place | None:
        """Return what an object belongs to; None when its labels do not say."""
        guid, generation = metadata.label(DEPLOYMENT), metadata.label(GENERATION)
        return cls(guid, int(generation)) if guid and generation.isdigit() else None


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one installation: its label and the namespaces of its projects."""

    instance: str
    prefix: str = "towline-"
    namespace: str = ""
    mapped: Mapping[str, str] = field(default_factory=dict)
    """The namespaces of projects that have one of somebody else's making."""

    @property
    def watched(self) -> tuple[str | None, ...]:
        """The namespaces that are watched; None alone: the whole cluster."""
        return tuple(dict.fromkeys((self.namespace, *self.mapped.values()))) if self.namespace else (None,)

    @property
    def selector(self) -> str:
        """The labels that every object of this installation has."""
        return f"{MANAGED_BY}={OWNER},{INSTANCE}={self.instance}"

    def namespace_of(self, project_guid: str) -> str:
        """Return a project's namespace: the one that is set for it, or for all, or its own."""
        own = f"{self.prefix}{project_guid}".lower()[:63].rstrip("-")
        return self.mapped.get(project_guid) or self.namespace or own

    def makes_namespace_of(self, project_guid: str) -> bool:
        """Whether a project's namespace is Towline's to make."""
        return not self.namespace and project_guid not in self.mapped

    @property
    def mirror_manager(self) -> str:
        """The field manager of mirrors: of this installation alone."""
        return f"{OWNER}-mirror-{self.instance}"

    @property
    def mirror_annotation(self) -> str:
        """Where a service account tells which of its pull secrets this installation added, and when."""
        return f"{OWNER}/pull-secrets-of-{self.instance}"

    def mirror_labels(self, mirror: Mirror) -> dict[str, str]:
        """Return the labels of a mirror's copies."""
        return {
            MANAGED_BY: OWNER,
            INSTANCE: self.instance,
            PROJECT: mirror.project_guid,
            MIRROR: mirror.guid,
        }

    def disk_labels(self, project_guid: str, disk: str) -> dict[str, str]:
        """Return the labels of a disk's claim."""
        return {MANAGED_BY: OWNER, INSTANCE: self.instance, PROJECT: project_guid, DISK: disk}

    def labels(self, place: Place, project_guid: str) -> dict[str, str]:
        """Return the labels of everything that belongs to one generation."""
        return {
            MANAGED_BY: OWNER,
            INSTANCE: self.instance,
            PROJECT: project_guid,
            DEPLOYMENT: place.deployment_guid,
            GENERATION: str(place.generation),
        }


def service_name(deployment_name: str, guid: str) -> str:
    """Return the name under which a deployment is reached in its namespace: its own where DNS allows."""
    return deployment_name if _SERVICE.fullmatch(deployment_name) else guid


def containers(workload: Workload) -> Mapping[str, str]:
    """Return the executables' names by those of their containers, which are narrower."""
    names: dict[str, str] = {}
    for number, executable in enumerate(workload.executables):
        plain = re.sub(r"[^a-z0-9-]+", "-", executable.name.lower()).strip("-")[:50]
        name = plain if plain == executable.name and _LABEL.fullmatch(plain) else f"{plain or 'x'}-{number}"
        while name in names:
            name = f"{name}-{number}"
        names[name] = executable.name
    return names


def written(names: Mapping[str, str]) -> str:
    """Return the annotation that keeps the executables' names."""
    return json.dumps(names, separators=(",", ":"), sort_keys=True)


def read(metadata: Metadata) -> Mapping[str, str]:
    """Return the executables' names from an object's annotation; empty where somebody spoiled it."""
    try:
        found = json.loads(metadata.annotation(EXECUTABLES) or "{}")
    except ValueError:
        return {}
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}
