"""Waiting until an installed Towline runs, and saying what keeps it from that."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from towline.domain.errors import Conflict
from towline.engines.kubernetes.installation.options import INSTANCE
from towline.engines.kubernetes.seen import Metadata, SeenPod

if TYPE_CHECKING:
    from collections.abc import Callable

    from towline.engines.kubernetes.cluster import Cluster
    from towline.engines.kubernetes.installation.options import Options

LOOK_AGAIN = 1.0


class _Spec(msgspec.Struct, frozen=True):
    replicas: int = 1


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    available_replicas: int = 0


class _Deployment(msgspec.Struct, frozen=True):
    PATH: ClassVar[str] = "apis/apps/v1"
    PLURAL: ClassVar[str] = "deployments"

    metadata: Metadata
    spec: _Spec = _Spec()
    status: _Status = _Status()

    @property
    def is_rolled_out(self) -> bool:
        """Whether all its pods are of its newest form, and serve."""
        status, wanted = self.status, self.spec.replicas
        return (
            status.observed_generation >= self.metadata.generation
            and status.updated_replicas == status.replicas == wanted
            and status.available_replicas >= wanted
        )


async def trouble(cluster: Cluster, options: Options, *, seconds: float, tell: Callable[[str], Any]) -> str:
    """Return once every replica serves: empty, or what held it up when that took longer than ``seconds``.

    ``tell`` hears what changes meanwhile.
    """
    said = ""
    try:
        async with asyncio.timeout(seconds):
            while (news := await _state(cluster, options)) is not None:
                if news != said:
                    tell(news)
                    said = news
                await asyncio.sleep(LOOK_AGAIN)
    except TimeoutError:
        return said or "the cluster did not answer in time"
    return ""


async def _state(cluster: Cluster, options: Options) -> str | None:
    """Return how far the rollout is and what holds it up; None when it is done."""
    found = await cluster.get(_Deployment, options.name, namespace=options.namespace)
    if found is None:
        raise Conflict(f"Deployment {options.namespace}/{options.name} was deleted by somebody else")
    if found.is_rolled_out:
        return None
    pods = await cluster.list(SeenPod, namespace=options.namespace, labels=f"{INSTANCE}={options.instance}")
    troubles = sorted({trouble for pod in pods.items if not pod.is_leaving for trouble in _troubles(pod)})
    progress = f"{found.status.available_replicas} of {found.spec.replicas} replicas serve"
    return "; ".join([progress, *troubles])


def _troubles(pod: SeenPod) -> list[str]:
    """Return what a pod waits for, in the cluster's own words."""
    scheduled = pod.condition("PodScheduled")
    if scheduled is not None and scheduled.status == "False":
        return [f"no node takes it: {scheduled.message}"]
    waits = [each.state.waiting for each in pod.status.container_statuses or () if each.state.waiting]
    ended = [each.last_state.terminated for each in pod.status.container_statuses or ()]
    said = [f"{each.reason}: {each.message}".rstrip(": ") for each in waits]
    return [*said, *(f"it ended with exit code {each.exit_code}" for each in ended if each is not None)]
