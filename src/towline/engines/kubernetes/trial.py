"""Trying what the API server says to every kind of object that the engine sends: it keeps nothing of them.

Rights, quotas, Pod Security, admission policies and webhooks all have their say in such a trial
(``dryRun=All``), in the server's own words, whatever is installed in the cluster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from towline.domain.credential import Credential, Password
from towline.domain.image import ImageReference
from towline.domain.package import RestartPolicy
from towline.domain.registry import RegistrySettings
from towline.domain.workload import PullAccess, Workload, WorkloadExecutable
from towline.engines.kubernetes import objects, texts
from towline.engines.kubernetes.cluster import FIELD_MANAGER, ClusterRefused
from towline.engines.kubernetes.naming import Names
from towline.engines.kubernetes.paths import object_path
from towline.engines.kubernetes.surroundings import Note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from towline.engines.kubernetes.cluster import Cluster
    from towline.engines.kubernetes.surroundings import Surroundings

_REGISTRY = "registry.example.com"
_IMAGE = ImageReference.parse(f"{_REGISTRY}/towline/trial:1").pinned(f"sha256:{'0' * 64}")
_FIX = "change the rule that says so, or have Towline use another namespace"


async def tried(cluster: Cluster, found: Surroundings, *, namespace: str) -> None:
    """Note what a namespace refuses of what the engine sends there."""
    refused = 0
    for plural, document, other in _documents(namespace):
        kind = str(document.kind)
        said = await _refusal(cluster, document, plural=plural)
        if said is not None and other is not None and objects.is_for_restricted(said.message):
            said = await _refusal(cluster, other, plural=plural)
        if said is None:
            continue
        if _is_no_trial(said):
            found.unknown.append(f"whether {namespace} takes a {kind}: {texts.shown(said.message)}")
            continue
        refused += 1
        found.notes.append(Note(f"a {kind} is refused in {namespace}: {texts.shown(said.message)}", _FIX))
    if not refused:
        found.notes.append(Note(f"a trial of every kind of object was not refused in {namespace}"))


async def _refusal(cluster: Cluster, document: Any, *, plural: str) -> ClusterRefused | None:  # noqa: ANN401
    metadata = document.metadata
    path = object_path(document.apiVersion, plural, metadata.namespace, metadata.name)
    params = {"fieldManager": FIELD_MANAGER, "force": "true", "dryRun": "All"}
    try:
        await cluster.ask("PATCH", path, document=document, plural=plural, params=params)
    except ClusterRefused as refusal:
        return refusal
    return None


def _is_no_trial(refusal: ClusterRefused) -> bool:
    """Whether that says nothing of the object: a right is missing, or a webhook cannot be tried."""
    is_right = refusal.status == 403 and "User " in refusal.message and "cannot " in refusal.message
    return is_right or "does not support dry run" in refusal.message


def _documents(namespace: str) -> Iterator[tuple[str, Any, Any]]:
    """Yield plural and document of each kind; for what runs also the form for restricted namespaces."""
    names = Names("trial", namespace=namespace)
    kept, ending = _workload(RestartPolicy.ALWAYS), _workload(RestartPolicy.NEVER)
    whole = objects.documents(kept, names)
    for secret in whole.secrets:
        yield "secrets", secret, None
    for plural, workload in (("deployments", kept), ("pods", ending)):
        (plain,) = objects.documents(workload, names).owners
        (narrow,) = objects.documents(workload, names, restricted=True).owners
        yield plural, plain, narrow
    yield "services", whole.service, None


def _workload(restart: RestartPolicy) -> Workload:
    login = Credential("trial", Password("trial"))
    executable = WorkloadExecutable(
        "app",
        _IMAGE,
        PullAccess(RegistrySettings.default(_REGISTRY), login),
        environment={"TRIAL": Password("yes")},
    )
    return Workload(
        "dep-trial",
        "towline-trial",
        "trial",
        generation=1,
        executables=(executable,),
        restart=restart,
        ports=(8080,),
    )
