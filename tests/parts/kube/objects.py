"""What the API server keeps: objects with versions and managers, and the history that watches read."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from parts.kube.fields import Path, document, fields_v1, leaves

Key = tuple[str, str, str]
"""Plural, namespace (empty for none), name."""

_KINDS = {
    "clusterrolebindings": ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
    "clusterroles": ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    "ingresses": ("networking.k8s.io/v1", "Ingress"),
    "limitranges": ("v1", "LimitRange"),
    "mutatingwebhookconfigurations": ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"),
    "namespaces": ("v1", "Namespace"),
    "networkpolicies": ("networking.k8s.io/v1", "NetworkPolicy"),
    "persistentvolumeclaims": ("v1", "PersistentVolumeClaim"),
    "poddisruptionbudgets": ("policy/v1", "PodDisruptionBudget"),
    "rolebindings": ("rbac.authorization.k8s.io/v1", "RoleBinding"),
    "roles": ("rbac.authorization.k8s.io/v1", "Role"),
    "secrets": ("v1", "Secret"),
    "services": ("v1", "Service"),
    "serviceaccounts": ("v1", "ServiceAccount"),
    "resourcequotas": ("v1", "ResourceQuota"),
    "pods": ("v1", "Pod"),
    "events": ("v1", "Event"),
    "deployments": ("apps/v1", "Deployment"),
    "validatingwebhookconfigurations": ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
    "replicasets": ("apps/v1", "ReplicaSet"),
    "validatingadmissionpolicies": ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy"),
    "validatingadmissionpolicybindings": (
        "admissionregistration.k8s.io/v1",
        "ValidatingAdmissionPolicyBinding",
    ),
}


_NAMING = ("f:name", "f:namespace", "f:uid", "f:resourceVersion")


def now() -> str:
    """Return the time as the API writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Kept:
    """One object: its leaves with their managers, and what only the system writes."""

    key: Key
    uid: str = field(default_factory=lambda: str(uuid.uuid4()))
    leaves: dict[Path, Any] = field(default_factory=dict)
    managers: dict[tuple[str, str], set[Path]] = field(default_factory=dict)
    generation: int = 1
    created: str = field(default_factory=now)
    deleted: str = ""
    finalizers: list[str] = field(default_factory=list)
    system: dict[str, Any] = field(default_factory=dict)
    version: int = 0

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels, for selectors."""
        return {
            path[2].removeprefix("f:"): str(value)
            for path, value in self.leaves.items()
            if path[:2] == ("f:metadata", "f:labels") and len(path) == 3
        }

    def shown(self) -> dict[str, Any]:
        """Return the object as clients see it."""
        plural, namespace, name = self.key
        version, kind = _KINDS[plural]
        body = document(self.leaves)
        metadata = body.setdefault("metadata", {})
        metadata |= {
            "name": name,
            "uid": self.uid,
            "resourceVersion": str(self.version),
            "generation": self.generation,
            "creationTimestamp": self.created,
            "managedFields": [
                {
                    "manager": manager,
                    "operation": operation,
                    "apiVersion": version,
                    "time": self.created,
                    "fieldsType": "FieldsV1",
                    "fieldsV1": fields_v1(paths),
                }
                for (manager, operation), paths in self.managers.items()
            ],
        }
        if namespace:
            metadata["namespace"] = namespace
        if self.deleted:
            metadata["deletionTimestamp"] = self.deleted
        if self.finalizers:
            metadata["finalizers"] = list(self.finalizers)
        return {"kind": kind, "apiVersion": version} | body | self.system


class Objects:
    """Every object, and what changed since when."""

    def __init__(self) -> None:
        self.kept: dict[Key, Kept] = {}
        self.version = 1000
        self.history: list[tuple[int, str, str, dict[str, Any], Mapping[str, str]]] = []
        self.oldest = 0
        self.listeners: set[Callable[[str, str, Kept], None]] = set()

    def of(self, plural: str, namespace: str = "") -> list[Kept]:
        """Return the objects of a kind."""
        return [
            kept for key, kept in list(self.kept.items()) if key[0] == plural and namespace in ("", key[1])
        ]

    def get(self, plural: str, namespace: str, name: str) -> Kept | None:
        """Return one object."""
        return self.kept.get((plural, namespace, name))

    def apply(
        self, key: Key, body: Mapping[str, Any], *, manager: str, force: bool
    ) -> tuple[Kept, bool] | str:
        """Apply server-side; return the object and whether it is new, or the name of who is in the way."""
        kept = self.kept.get(key)
        fresh = kept is None
        kept = kept or Kept(key)
        wanted = dict(_own_leaves(body))
        own = (manager, "Apply")
        for other, paths in kept.managers.items():
            clash = [path for path in paths & wanted.keys() if kept.leaves.get(path) != wanted[path]]
            if other != own and clash and not force:
                return other[0]
        before, held = dict(kept.leaves), dict(kept.managers)
        for path in kept.managers.get(own, set()) - wanted.keys():
            if not any(path in paths for other, paths in kept.managers.items() if other != own):
                kept.leaves.pop(path, None)
        kept.managers = {
            other: rest
            for other, paths in kept.managers.items()
            if other != own
            and (rest := {path for path in paths if path not in wanted or before.get(path) == wanted[path]})
        } | {own: set(wanted)}
        kept.leaves.update(wanted)
        if fresh or kept.leaves != before or kept.managers != held:
            self._bump(kept, before, fresh=fresh)
        return kept, fresh

    def edit(self, key: Key, changes: Mapping[Path, Any], *, manager: str) -> Kept:
        """Change leaves as a client's update does: the fields become this manager's."""
        kept = self.kept.get(key)
        fresh = kept is None
        kept = kept or Kept(key)
        before = dict(kept.leaves)
        for path, value in changes.items():
            kept.leaves[path] = value
            for paths in kept.managers.values():
                paths.discard(path)
            kept.managers.setdefault((manager, "Update"), set()).add(path)
        kept.managers = {who: paths for who, paths in kept.managers.items() if paths}
        self._bump(kept, before, fresh=fresh)
        return kept

    def merge(self, key: Key, patch: Mapping[str, Any], *, manager: str) -> Kept:
        """Change fields as a JSON merge patch says: what is null goes."""
        kept = self.kept[key]
        wanted = dict(_own_leaves(patch))
        for gone in [path for path, value in wanted.items() if value is None]:
            del wanted[gone]
            for path in [each for each in kept.leaves if each[: len(gone)] == gone]:
                self._drop(kept, path)
        return self.edit(key, wanted, manager=manager)

    def _drop(self, kept: Kept, path: Path) -> None:
        del kept.leaves[path]
        for paths in kept.managers.values():
            paths.discard(path)

    def create(self, key: Key, body: Mapping[str, Any], *, manager: str) -> Kept:
        """Make an object as a controller does; status included."""
        kept = self.edit(key, dict(_own_leaves(body)), manager=manager)
        if "status" in body:
            self.set_system(kept, {"status": body["status"]})
        return kept

    def set_system(self, kept: Kept, parts: Mapping[str, Any]) -> None:
        """Write what only the system writes, such as the status."""
        if kept.key in self.kept and any(kept.system.get(name) != part for name, part in parts.items()):
            kept.system |= json.loads(json.dumps(parts))
            self._bump(kept, kept.leaves, fresh=False)

    def begin_deletion(self, kept: Kept) -> None:
        """Mark an object as on its way out."""
        if not kept.deleted:
            kept.deleted = now()
            self._bump(kept, kept.leaves, fresh=False)

    def delete(self, kept: Kept) -> None:
        """Take an object away."""
        if self.kept.pop(kept.key, None) is not None:
            self.version += 1
            kept.version = self.version
            self._tell("DELETED", kept)

    def since(
        self, version: int, plural: str
    ) -> Iterator[tuple[int, str, dict[str, Any], Mapping[str, str]]]:
        """Yield what changed of a kind after a version."""
        for at, kind, change, body, labels in self.history:
            if at > version and kind == plural:
                yield at, change, body, labels

    def _bump(self, kept: Kept, before: Mapping[Path, Any], *, fresh: bool) -> None:
        self.version += 1
        kept.version = self.version
        if not fresh and _spec(kept.leaves) != _spec(before):
            kept.generation += 1
        self.kept[kept.key] = kept
        self._tell("ADDED" if fresh else "MODIFIED", kept)

    def _tell(self, change: str, kept: Kept) -> None:
        self.history.append((kept.version, kept.key[0], change, kept.shown(), kept.labels))
        for listener in list(self.listeners):
            listener(change, kept.key[0], kept)


def _own_leaves(body: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    """Yield the leaves that a manager can hold: neither what names the object nor its status."""
    for path, value in leaves(
        {name: part for name, part in body.items() if name not in ("kind", "apiVersion", "status")}
    ):
        if path[0] == "f:metadata" and (len(path) == 1 or path[1] in _NAMING):
            continue
        yield path, value


def _spec(held: Mapping[Path, Any]) -> dict[Path, Any]:
    return {path: value for path, value in held.items() if path[0] == "f:spec"}
