"""Whether somebody else took over what Towline had written, told from the field managers alone.

The API server keeps who holds which field. What Towline applied is Towline's until another manager writes
there: then the field leaves Towline's entry. Fields that others add, such as an annotation of ``kubectl
rollout restart``, are theirs and no drift. No content is compared, so no secret need be read back.
Facts: https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from towline.engines.kubernetes.cluster import FIELD_MANAGER
from towline.engines.kubernetes.seen import SeenDeployment, SeenSecret

if TYPE_CHECKING:
    from towline.engines.kubernetes.seen import ManagedFields, ManagedMetadata

Fingerprint = int

_CONTROLLERS = frozenset({"kube-controller-manager", "kube-scheduler", "kubelet"})
_CONTENT = {"deployments": ("f:spec",), "secrets": ("f:data", "f:stringData", "f:type")}


def fingerprint(metadata: ManagedMetadata) -> Fingerprint | None:
    """Return a number for the set of fields that Towline holds; None where it holds none."""
    own = _own(metadata)
    return hash(bytes(own.fields_v1)) if own is not None else None


def is_drifted(seen: SeenDeployment | SeenSecret, *, applied: Fingerprint | None) -> bool:
    """Whether Towline lost a field. ``applied`` is the fingerprint right after the last apply.

    Without it, after a restart, the fields without which nothing works are looked for.
    """
    own = _own(seen.metadata)
    if own is None:
        return bool(seen.metadata.managed_fields)
    if applied is not None:
        return hash(bytes(own.fields_v1)) != applied
    held: dict[str, Any] = json.loads(bytes(own.fields_v1) or b"{}")
    if isinstance(seen, SeenSecret):
        return "f:type" not in held or not held.get("f:data")
    spec = held.get("f:spec", {})
    containers = spec.get("f:template", {}).get("f:spec", {}).get("f:containers", {})
    return "f:replicas" not in spec or any(
        "f:image" not in fields for key, fields in containers.items() if key.startswith("k:")
    )


def culprits(seen: SeenDeployment | SeenSecret) -> tuple[str, ...]:
    """Return the other managers that hold fields of the content, in order."""
    wanted = _CONTENT[seen.PLURAL]
    return tuple(
        dict.fromkeys(
            entry.manager
            for entry in seen.metadata.managed_fields or ()
            if entry.manager not in _CONTROLLERS
            and not _is_own(entry)
            and entry.subresource != "status"
            and any(f'"{field}"'.encode() in bytes(entry.fields_v1) for field in wanted)
        )
    )


def _own(metadata: ManagedMetadata) -> ManagedFields | None:
    return next((entry for entry in metadata.managed_fields or () if _is_own(entry)), None)


def _is_own(entry: ManagedFields) -> bool:
    return entry.manager == FIELD_MANAGER and entry.operation == "Apply" and not entry.subresource
