"""Whether an account has the rights that the engine needs in a cluster, and what else stands in its way."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from towline.engines.kubernetes import surroundings
from towline.engines.kubernetes.cluster import Cluster, ClusterRefused
from towline.engines.kubernetes.needs import MIRRORING, NEEDED, Right
from towline.engines.kubernetes.seen import SeenVersion
from towline.engines.kubernetes.surroundings import Note
from towline.engines.kubernetes.trial import tried

REVIEWS = "apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
OLDEST_MINOR = 25
"""Server-side apply, bookmarks and Pod Security's labels are all stable from there on."""
SELF = "apis/authentication.k8s.io/v1/selfsubjectreviews"
APIS = ("api/v1", "apis/apps/v1")
NEVER_KNOWN = (
    "whether the nodes reach the registries, and trust their certificates: only a pod on each can tell",
    "which Pod Security the API server enforces where a namespace has no label",
)


@dataclass(frozen=True, slots=True)
class Examined:
    """What a look at a cluster found: missing verbs by right, and what else stands in the way."""

    version: str
    account: str
    missing: Mapping[Right, Sequence[str]]
    notes: tuple[Note, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def is_well(self) -> bool:
        """Whether nothing is missing and nothing stands in the way."""
        return not self.missing and not any(note.is_problem for note in self.notes)


class _Allowed(msgspec.Struct, frozen=True):
    allowed: bool = False


class _Review(msgspec.Struct, frozen=True):
    status: _Allowed = _Allowed()


class _User(msgspec.Struct, frozen=True):
    username: str = ""


class _UserStatus(msgspec.Struct, frozen=True, rename="camel"):
    user_info: _User = _User()


class _SelfReview(msgspec.Struct, frozen=True):
    status: _UserStatus = _UserStatus()


async def examine(
    cluster: Cluster, *, namespace: str = "", mirrors: bool = False, trial: str = ""
) -> Examined:
    """Return what an account lacks, asked of the API server itself; nothing is changed.

    With a ``namespace`` that is set for all projects nothing beyond it is needed. In ``trial``, a namespace,
    the server is asked what it would say to each kind of object.
    """
    version = msgspec.json.decode(await cluster.ask("GET", "version", plural="version"), type=SeenVersion)
    everything = (*NEEDED, *(MIRRORING if mirrors else ()))
    wanted = [right for right in everything if not (namespace and right.is_clusterwide)]
    missing = await asyncio.gather(*(_missing(cluster, right, namespace) for right in wanted))
    found = await surroundings.looked_at(cluster, namespace=namespace)
    if trial:
        await tried(cluster, found, namespace=trial)
    account = await found.seen(_account(cluster), what="the account's name")
    notes = [*await _about_server(cluster, version), *found.notes]
    lacking = {right: verbs for right, verbs in zip(wanted, missing, strict=True) if verbs}
    return Examined(version.git_version, account or "", lacking, tuple(notes), (*found.unknown, *NEVER_KNOWN))


async def _account(cluster: Cluster) -> str:
    """Return as whom the cluster knows the account; servers before 1.28 do not tell."""
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = await cluster.ask("POST", SELF, document=review, plural="selfsubjectreviews")
    return msgspec.json.decode(answer, type=_SelfReview).status.user_info.username


async def _about_server(cluster: Cluster, version: SeenVersion) -> list[Note]:
    notes = []
    digits = "".join(letter for letter in version.minor if letter.isdigit())
    if digits and int(digits) < OLDEST_MINOR:
        text = f"the server is 1.{digits}; 1.{OLDEST_MINOR} is the oldest that the engine is made for"
        notes.append(Note(text, "upgrade the cluster"))
    for api in APIS:
        try:
            await cluster.ask("GET", api, plural=api)
        except ClusterRefused as refusal:
            if refusal.status != 404:
                raise
            notes.append(Note(f"the server has no {api}", "turn the API on, or use another cluster"))
    return notes


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
