"""Reading what a cluster has of pull secrets, and the pods that use them; nothing is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

import msgspec

from towline.domain.cluster_scan import ImageUse, KeyedEntry, PodUse, PullSecret, Surveyed
from towline.domain.errors import InvalidInput
from towline.domain.findings import Finding
from towline.domain.json_text import NotJson, read_json
from towline.domain.kubernetes_secret import TYPES, secrets_in
from towline.domain.pasted import PastedEntry, entries_of_config
from towline.engines.kubernetes import refusals, texts
from towline.engines.kubernetes.cluster import Cluster, ClusterRefused, ClusterUnreachable
from towline.engines.kubernetes.seen import ContainerStatus, Metadata

_IGNORED = "it holds an identity token, which kubelets ignore: they read username, password and auth"
_WAITS = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "RegistryUnavailable"})


class _Named(msgspec.Struct, frozen=True):
    name: str = ""


class _Secret(msgspec.Struct, frozen=True):
    PATH: ClassVar[str] = "api/v1"
    PLURAL: ClassVar[str] = "secrets"

    metadata: Metadata
    type: str = ""
    data: Mapping[str, str] | None = None


class _Account(msgspec.Struct, frozen=True, rename="camel"):
    PATH: ClassVar[str] = "api/v1"
    PLURAL: ClassVar[str] = "serviceaccounts"

    metadata: Metadata
    image_pull_secrets: tuple[_Named, ...] | None = None


class _Container(msgspec.Struct, frozen=True):
    name: str
    image: str = ""


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    containers: tuple[_Container, ...] | None = None
    init_containers: tuple[_Container, ...] | None = None
    image_pull_secrets: tuple[_Named, ...] | None = None


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    container_statuses: tuple[ContainerStatus, ...] | None = None
    init_container_statuses: tuple[ContainerStatus, ...] | None = None


class _Pod(msgspec.Struct, frozen=True):
    PATH: ClassVar[str] = "api/v1"
    PLURAL: ClassVar[str] = "pods"

    metadata: Metadata
    spec: _Spec = _Spec()
    status: _Status = _Status()


async def survey(cluster: Cluster, *, namespace: str = "") -> Surveyed:
    """Read all pull secrets, service accounts and pods of the cluster or of one namespace.

    Raises EngineFailed when the cluster is out of reach or does not allow it.
    """
    where = namespace or None
    try:
        secrets = [
            secret
            for kind in TYPES
            for secret in (await cluster.list(_Secret, namespace=where, fields=f"type={kind}")).items
        ]
        accounts = (await cluster.list(_Account, namespace=where)).items
        pods = (await cluster.list(_Pod, namespace=where)).items
    except (ClusterRefused, ClusterUnreachable) as trouble:
        raise refusals.engine_failed(trouble) from trouble
    handed = frozenset(
        (account.metadata.namespace, named.name)
        for account in accounts
        for named in account.image_pull_secrets or ()
    )
    return Surveyed(
        [_pull_secret(secret) for secret in secrets],
        [_pod(pod) for pod in pods if pod.metadata.deletion_timestamp is None],
        handed,
    )


def _pull_secret(secret: _Secret) -> PullSecret:
    metadata = secret.metadata
    (found,) = secrets_in({"kind": "Secret", "type": secret.type, "data": secret.data})
    try:
        config = read_json(found.text).value
        entries = tuple(_keyed({"auths": config} if found.is_flat else config))
    except (ValueError, InvalidInput):
        return PullSecret(metadata.namespace, metadata.name, problem="it holds no docker configuration")
    problem = "" if entries else "it names no registry under `auths`"
    return PullSecret(metadata.namespace, metadata.name, entries, problem)


def _keyed(config: object) -> Iterator[KeyedEntry]:
    if not isinstance(config, dict):
        raise NotJson("is not a JSON object")
    auths = config.get("auths")
    if not isinstance(auths, dict):
        return
    for key in auths:
        if isinstance(auths[key], dict) and auths[key].get("identitytoken"):
            yield KeyedEntry(str(key), PastedEntry(str(key), problem=_IGNORED))
            continue
        (entry,) = entries_of_config({"auths": {key: auths[key]}})
        yield KeyedEntry(str(key), entry)


def _pod(pod: _Pod) -> PodUse:
    metadata = pod.metadata
    containers: Sequence[_Container] = (*(pod.spec.init_containers or ()), *(pod.spec.containers or ()))
    statuses = {
        status.name: status
        for status in (*(pod.status.init_container_statuses or ()), *(pod.status.container_statuses or ()))
    }
    return PodUse(
        metadata.namespace,
        metadata.name,
        owner=_owner(metadata),
        secrets=tuple(named.name for named in pod.spec.image_pull_secrets or ()),
        images=tuple(_use(container, statuses.get(container.name)) for container in containers),
    )


def _use(container: _Container, status: ContainerStatus | None) -> ImageUse:
    waiting = status.state.waiting if status is not None else None
    if waiting is None or waiting.reason not in _WAITS:
        return ImageUse(container.name, container.image)
    said = Finding(texts.of_pull(waiting.message), texts.bare_pull(waiting.message), image=container.image)
    return ImageUse(container.name, container.image, waits=waiting.reason, finding=said)


def _owner(metadata: Metadata) -> str:
    """Return what a pod is a copy of: the Deployment behind a ReplicaSet, by its name."""
    owner = next(iter(metadata.owner_references or ()), None)
    if owner is None:
        return f"pod {metadata.name}"
    if owner.kind == "ReplicaSet" and (digest := metadata.label("pod-template-hash")):
        return f"deployment {owner.name.removesuffix(f'-{digest}')}"
    return f"{owner.kind.lower()} {owner.name}"
