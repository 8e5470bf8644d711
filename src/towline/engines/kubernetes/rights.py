"""Whether an account has the rights that the engine needs in a cluster, and what else stands in its way."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import msgspec

from towline.engines.kubernetes.cluster import Cluster, ClusterRefused
from towline.engines.kubernetes.needs import NEEDED, Right
from towline.engines.kubernetes.seen import Metadata, SeenVersion

REVIEWS = "apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
OLDEST_MINOR = 25
"""Server-side apply, bookmarks and Pod Security's labels are all stable from there on."""
POD_SECURITY = "pod-security.kubernetes.io/enforce"


@dataclass(frozen=True, slots=True)
class Examined:
    """What a look at a cluster found: missing verbs by right, and what else stands in the way."""

    version: str
    missing: Mapping[Right, Sequence[str]]
    notes: tuple[str, ...] = ()


class _Allowed(msgspec.Struct, frozen=True):
    allowed: bool = False


class _Review(msgspec.Struct, frozen=True):
    status: _Allowed = _Allowed()


class _QuotaStatus(msgspec.Struct, frozen=True):
    hard: Mapping[str, str] | None = None
    used: Mapping[str, str] | None = None


class _Quota(msgspec.Struct, frozen=True):
    PATH: ClassVar[str] = "api/v1"
    PLURAL: ClassVar[str] = "resourcequotas"

    metadata: Metadata
    status: _QuotaStatus = _QuotaStatus()


class _Namespace(msgspec.Struct, frozen=True):
    PATH: ClassVar[str] = "api/v1"
    PLURAL: ClassVar[str] = "namespaces"

    metadata: Metadata


async def examine(cluster: Cluster, *, namespace: str = "") -> Examined:
    """Return what an account lacks, asked of the API server itself: nothing is tried out.

    With a ``namespace`` that is set for all projects nothing beyond it is needed.
    """
    version = msgspec.json.decode(await cluster.ask("GET", "version", plural="version"), type=SeenVersion)
    wanted = [right for right in NEEDED if not (namespace and right.is_clusterwide)]
    missing = await asyncio.gather(*(_missing(cluster, right, namespace) for right in wanted))
    notes = await _notes(cluster, namespace) if namespace else []
    digits = "".join(letter for letter in version.minor if letter.isdigit())
    if digits and int(digits) < OLDEST_MINOR:
        notes.append(f"the server is 1.{digits}; 1.{OLDEST_MINOR} is the oldest that the engine is made for")
    found = {right: verbs for right, verbs in zip(wanted, missing, strict=True) if verbs}
    return Examined(version.git_version, found, tuple(notes))


def rule(right: Right) -> str:
    """Return a right as the line of a role."""
    verbs = ", ".join(right.verbs)
    group = right.group or '""'
    return f"- {{apiGroups: [{group}], resources: [{right.resource}], verbs: [{verbs}]}}"


async def _missing(cluster: Cluster, right: Right, namespace: str) -> Sequence[str]:
    return [verb for verb in right.verbs if not await _is_allowed(cluster, right, verb, namespace)]


async def _is_allowed(cluster: Cluster, right: Right, verb: str, namespace: str) -> bool:
    resource, _, subresource = right.resource.partition("/")
    attributes = {"group": right.group, "resource": resource, "verb": verb}
    if subresource:
        attributes["subresource"] = subresource
    if namespace:
        attributes["namespace"] = namespace
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    answer = await cluster.ask("POST", REVIEWS, document=review, plural="selfsubjectaccessreviews")
    return msgspec.json.decode(answer, type=_Review).status.allowed


async def _notes(cluster: Cluster, namespace: str) -> list[str]:
    """Return what the namespace itself forbids, as far as the account may see it."""
    try:
        found = await cluster.get(_Namespace, namespace)
        quotas = (await cluster.list(_Quota, namespace=namespace)).items
    except ClusterRefused as refusal:
        return [f"quotas and Pod Security of {namespace} cannot be seen: {refusal.message}"]
    if found is None:
        return [f"namespace {namespace} does not exist"]
    notes = [
        f"quota {quota.metadata.name} is used up: {name} {used} of {(quota.status.hard or {}).get(name)}"
        for quota in quotas
        for name, used in (quota.status.used or {}).items()
        if used == (quota.status.hard or {}).get(name)
    ]
    if found.metadata.label(POD_SECURITY) == "restricted":
        notes.append(
            f"namespace {namespace} enforces Pod Security `restricted`, which refuses pods of packages: "
            "they do not say runAsNonRoot"
        )
    return notes
