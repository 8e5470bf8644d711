"""What the engine may do in a cluster, each right with its reason: the one table of them.

``towline kubernetes doctor`` asks for these, ``towline kubernetes install`` and the Helm chart grant them,
the how-to lists them. Nothing but the standard library is needed to read it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Right:
    """Verbs on one resource and what they are for. ``is_clusterwide`` ones have no namespace."""

    group: str
    resource: str
    verbs: tuple[str, ...]
    why: str
    is_clusterwide: bool = False


NEEDED = (
    Right(
        "",
        "namespaces",
        ("get", "create", "patch"),
        "a namespace for each project",
        is_clusterwide=True,
    ),
    Right(
        "",
        "secrets",
        ("get", "list", "watch", "create", "patch", "delete"),
        "pull secrets and values of environments: written, watched, deleted",
    ),
    Right(
        "apps",
        "deployments",
        ("get", "list", "watch", "create", "patch", "delete"),
        "what is to be kept running",
    ),
    Right(
        "",
        "services",
        ("get", "create", "patch", "delete"),
        "the endpoints of packages; delete, as some clusters want it of whoever says what one ends with",
    ),
    Right("", "persistentvolumeclaims", ("list", "create", "patch", "delete"), "the disks of deployments"),
    Right("apps", "replicasets", ("list", "watch"), "which revision a pod belongs to"),
    Right(
        "",
        "pods",
        ("get", "list", "watch", "create", "patch", "delete"),
        "what becomes of it; what may end runs as bare pods",
    ),
    Right("", "events", ("list", "watch"), "why a pod does not start"),
    Right("", "pods/log", ("get",), "logs, and the last words of what ended"),
)
MIRRORING = (
    Right("", "namespaces", ("list", "watch"), "where secrets are to be kept", is_clusterwide=True),
    Right(
        "",
        "serviceaccounts",
        ("get", "list", "watch", "patch"),
        "whose pods use them",
    ),
)
"""What mirrors need beside those."""
