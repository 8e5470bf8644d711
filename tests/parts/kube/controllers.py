"""What the cluster's controllers do: revisions, pods and status of Deployments, and garbage collection."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from parts.kube.objects import Kept, Objects

REVISION = "deployment.kubernetes.io/revision"
HASH = "pod-template-hash"


class Controllers:
    """Acts on every change at once."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self.creation_failure = ""
        self.refuses: Callable[[Mapping[str, Any]], str] = lambda _: ""
        self._numbers = 0
        self._busy = False
        self._again = False
        objects.listeners.add(self._changed)

    def _changed(self, *_: object) -> None:
        self._again = True
        if self._busy:
            return
        self._busy = True
        try:
            while self._again:
                self._again = False
                for deployment in self.objects.of("deployments"):
                    self._reconcile(deployment)
                self._collect()
        finally:
            self._busy = False

    def _reconcile(self, deployment: Kept) -> None:
        if deployment.deleted:
            for dependent in self._owned("replicasets", deployment.uid):
                for pod in self._owned("pods", dependent.uid):
                    self.objects.begin_deletion(pod)
            return
        body = deployment.shown()
        template = body["spec"]["template"]
        digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]
        newest = self._revision(deployment, body, template, digest)
        pods = [pod for pod in self._owned("pods", newest.uid) if not pod.deleted]
        wanted = body["spec"].get("replicas", 1)
        failure = self.creation_failure or self.refuses(template["spec"])
        if not failure:
            missing = range(len(pods), wanted)
            pods += [self._pod(newest, template, deployment.key[1], digest) for _ in missing]
        for surplus in pods[wanted:]:
            self.objects.begin_deletion(surplus)
        ready = sum(_is_ready(pod) for pod in pods)
        self._retire(deployment, newest, all_ready=ready >= wanted)
        self._tell(deployment, ready=ready, updated=len(pods[:wanted]), wanted=wanted, failure=failure)

    def _retire(self, deployment: Kept, newest: Kept, *, all_ready: bool) -> None:
        for older in self._owned("replicasets", deployment.uid):
            if older.uid != newest.uid:
                for pod in self._owned("pods", older.uid):
                    if all_ready or not _is_ready(pod):
                        self.objects.begin_deletion(pod)

    def _revision(
        self, deployment: Kept, body: dict[str, Any], template: dict[str, Any], digest: str
    ) -> Kept:
        name = f"{deployment.key[2]}-{digest}"
        known = self.objects.get("replicasets", deployment.key[1], name)
        revisions = self._owned("replicasets", deployment.uid)
        number = str(len(revisions) + (known is None))
        current = body["metadata"].get("annotations", {}).get(REVISION)
        if known is None:
            metadata = {
                "labels": {**template["metadata"]["labels"], HASH: digest},
                "annotations": {REVISION: number},
                "ownerReferences": [_owner(deployment, "Deployment")],
            }
            known = self.objects.create(
                ("replicasets", deployment.key[1], name),
                {"metadata": metadata},
                manager="kube-controller-manager",
            )
        own = known.shown()["metadata"]["annotations"][REVISION]
        if current != own:
            path = ("f:metadata", "f:annotations", f"f:{REVISION}")
            self.objects.edit(deployment.key, {path: own}, manager="kube-controller-manager")
        return known

    def _pod(self, owner: Kept, template: dict[str, Any], namespace: str, digest: str) -> Kept:
        self._numbers += 1
        metadata = {
            **template["metadata"],
            "labels": {**template["metadata"]["labels"], HASH: digest},
            "ownerReferences": [_owner(owner, "ReplicaSet")],
        }
        return self.objects.create(
            ("pods", namespace, f"{owner.key[2]}-{self._numbers:05}"),
            {"metadata": metadata, "spec": admitted(self.objects, template["spec"], namespace)},
            manager="kube-controller-manager",
        )

    def _tell(self, deployment: Kept, *, ready: int, updated: int, wanted: int, failure: str) -> None:
        revisions = self._owned("replicasets", deployment.uid)
        pods = [pod for each in revisions for pod in self._owned("pods", each.uid) if not pod.deleted]
        conditions = [
            {
                "type": "Available",
                "status": "True" if ready >= wanted else "False",
                "reason": "MinimumReplicasAvailable" if ready >= wanted else "MinimumReplicasUnavailable",
            },
            {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"},
        ]
        if failure:
            told = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate"}
            conditions.append(told | {"message": failure})
        status = {
            "observedGeneration": deployment.generation,
            "replicas": len(pods),
            "updatedReplicas": updated,
            "availableReplicas": ready,
            "conditions": conditions,
        }
        self.objects.set_system(deployment, {"status": status})

    def _collect(self) -> None:
        """Take away what all owners of are gone, and what was waiting for that."""
        for deployment in self.objects.of("deployments"):
            revisions = self._owned("replicasets", deployment.uid)
            if deployment.deleted and not any(self._owned("pods", each.uid) for each in revisions):
                for revision in revisions:
                    self.objects.delete(revision)
                self.objects.delete(deployment)
        living = {kept.uid for kept in self.objects.kept.values()}
        for kept in list(self.objects.kept.values()):
            owners = kept.shown()["metadata"].get("ownerReferences", [])
            if owners and not any(owner["uid"] in living for owner in owners):
                if kept.key[0] == "pods":
                    self.objects.begin_deletion(kept)
                else:
                    self.objects.delete(kept)

    def _owned(self, plural: str, uid: str) -> list[Kept]:
        wanted = json.dumps({"uid": uid}, separators=(",", ":"))
        path = ("f:metadata", "f:ownerReferences", f"k:{wanted}", "f:uid")
        return [kept for kept in self.objects.of(plural) if kept.leaves.get(path) == uid]


def admitted(objects: Objects, spec: Mapping[str, Any], namespace: str) -> dict[str, Any]:
    """Return a pod's spec as it is kept: with its service account's pull secrets where it names none."""
    name = spec.get("serviceAccountName", "default")
    account = objects.get("serviceaccounts", namespace, name)
    given = account.leaves.get(("f:imagePullSecrets",), []) if account is not None else []
    pulls = spec.get("imagePullSecrets") or given
    return {**spec, "serviceAccountName": name} | ({"imagePullSecrets": pulls} if pulls else {})


def _owner(kept: Kept, kind: str) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "name": kept.key[2],
        "uid": kept.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _is_ready(pod: Kept) -> bool:
    statuses = pod.system.get("status", {}).get("containerStatuses", [])
    return bool(statuses) and all(status["ready"] for status in statuses)
