"""The Kubernetes engine: what is wished becomes objects of a cluster, and the cluster's watch becomes facts.

Nothing is remembered that the cluster does not hold: an engine that starts lists and knows all. Passwords
pass through on their way into the Secrets and are not kept.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import msgspec

from towline.domain.causes import FindingCode
from towline.domain.engine import EngineAbout, Storage
from towline.domain.errors import EngineFailed
from towline.domain.findings import Finding
from towline.engines.kubernetes import logs, refusals
from towline.engines.kubernetes.applying import Applying, NeverStarted
from towline.engines.kubernetes.cluster import ClusterRefused, ClusterUnreachable
from towline.engines.kubernetes.naming import DISK
from towline.engines.kubernetes.observing import FIRST_LISTS, Observing
from towline.engines.kubernetes.seen import (
    SeenClaim,
    SeenDeployment,
    SeenNamespace,
    SeenPod,
    SeenSecret,
    SeenVersion,
)
from towline.engines.kubernetes.serving import Serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

    from towline.domain.proof import Platform
    from towline.domain.workload import Drift, Fact, Workload
    from towline.engines.kubernetes.cluster import Cluster
    from towline.engines.kubernetes.holdings import Held
    from towline.engines.kubernetes.naming import Names, Place
    from towline.ports import Clock

REMOVAL_SECONDS = 120.0
"""So long pods have to end; after that the finding says what holds them."""


class KubernetesEngine:
    """The Engine port on a cluster. ``tell`` hears of what others change in Towline's objects."""

    name = "kubernetes"
    keeps_credentials = True

    def __init__(
        self,
        cluster: Cluster,
        names: Names,
        *,
        platform: Platform,
        clock: Clock,
        jitter: Callable[[], float],
        tell: Callable[[Drift], Awaitable[None]],
        removal_seconds: float = REMOVAL_SECONDS,
        first_lists: float = FIRST_LISTS,
    ) -> None:
        self.platform = platform
        self._cluster = cluster
        self._names = names
        self._observing = Observing(
            cluster, names, clock=clock, jitter=jitter, tell=tell, patience=first_lists
        )
        self._serving = Serving(cluster, names, observing=self._observing)
        self._applying = Applying(
            cluster, names, observing=self._observing, serving=self._serving, clock=clock
        )
        self._removal_seconds = removal_seconds
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def start(self) -> None:
        """Begin to watch; a cluster that does not answer yet is waited for by whoever asks for something."""
        self._observing.start()

    async def close(self) -> None:
        """Let go; everything in the cluster goes on."""
        await self._observing.close()
        await self._cluster.close()

    async def apply(self, workload: Workload) -> None:
        """Apply a generation and return once it was started, see the port.

        An older generation serves on beside an exclusive one too, as pods have addresses of their own; but
        one with disks is ended first, as two must not write there. What could not start and never ran is
        taken away again where only a person can mend the cause; where the cluster may mend it by itself, it
        stays and tries on.
        """
        async with self._turn(workload.deployment_guid):
            await self._observing.synced()
            with _translated():
                if workload.disks:
                    await self._remove(workload.deployment_guid, below=workload.generation)
                try:
                    await self._applying.apply(workload)
                except NeverStarted as failure:
                    await self._end([failure.place])
                    raise refusals.of_finding(failure.finding) from failure

    def observe(self) -> AsyncIterator[Fact]:
        """Yield every fact from now on."""
        return self._observing.listen()

    async def remove(self, deployment_guid: str, *, below: int | None = None) -> None:
        """Delete a deployment's objects and return when the last of its pods has ended."""
        async with self._turn(deployment_guid):
            await self._observing.synced()
            with _translated():
                await self._remove(deployment_guid, below=below)

    async def roll_back(self, deployment_guid: str, *, generation: int) -> int:
        """Take a generation away, so that the one which serves on is alone again, see the port."""
        async with self._turn(deployment_guid):
            await self._observing.synced()
            with _translated():
                holdings = self._observing.holdings
                held = sorted(
                    (
                        place
                        for place in holdings.of_deployment(deployment_guid)
                        if place.generation <= generation and not holdings.get(place).is_empty
                    ),
                    key=lambda place: place.generation,
                )
                if not held or held[0].generation == generation:
                    return 0
                await self._end(held[1:])
                return held[0].generation

    def logs(
        self,
        deployment_guid: str,
        executable: str,
        *,
        replica: int = 0,
        follow: bool = False,
        tail: int | None = None,
        timestamps: bool = False,
        previous: bool = False,
    ) -> AsyncIterator[bytes]:
        """Yield a container's log."""
        return logs.read(
            self._cluster,
            self._observing,
            deployment_guid,
            executable=executable,
            replica=replica,
            follow=follow,
            tail=tail,
            timestamps=timestamps,
            previous=previous,
        )

    async def about(self) -> EngineAbout:
        """Return what answers, see ``EngineHost``. A cluster is told from others by its first namespace."""
        with _translated():
            version = msgspec.json.decode(await self._cluster.glance("version"), type=SeenVersion)
            return EngineAbout(
                version.git_version,
                self.platform,
                await self._identity(),
                address=self._cluster.server,
            )

    async def storage(self) -> Storage:
        """Return nothing: a cluster's nodes keep their images and their disks to themselves."""
        return Storage()

    async def collect(self) -> int:
        """Delete nothing: kubelets do."""
        return 0

    async def disk_used(self, disk: str) -> None:
        """Return nothing: only the kubelets know."""

    async def delete_disk(self, disk: str) -> None:
        """Delete a disk's claim; the cluster deletes the volume as its class says."""
        with _translated():
            for namespace in self._names.watched:
                labels = f"{self._names.selector},{DISK}={disk}"
                found = await self._cluster.list(SeenClaim, namespace=namespace, labels=labels)
                for claim in found.items:
                    name, namespace_of = claim.metadata.name, claim.metadata.namespace
                    await self._cluster.delete(SeenClaim, name, namespace=namespace_of)

    async def _identity(self) -> tuple[str, ...]:
        try:
            found = await self._cluster.glance("api/v1/namespaces/kube-system")
        except ClusterRefused:  # an account of one namespace may not look there
            return ()
        return (f"kubernetes:{msgspec.json.decode(found, type=SeenNamespace).metadata.uid}",)

    async def inventory(self) -> Sequence[Fact]:
        """Return a fact for each container."""
        await self._observing.synced()
        return [
            fact
            for place in self._observing.holdings.places()
            for fact in self._observing.facts_of(place) or ()
        ]

    def _turn(self, deployment_guid: str) -> asyncio.Lock:
        return self._turns.setdefault(deployment_guid, asyncio.Lock())

    async def _remove(self, deployment_guid: str, *, below: int | None) -> None:
        doomed = [
            place
            for place in self._observing.holdings.of_deployment(deployment_guid)
            if below is None or place.generation < below
        ]
        await self._end(doomed)

    async def _end(self, doomed: Sequence[Place]) -> None:
        if doomed:
            await self._serving.hand_back(doomed)
        with self._observing.leaving(doomed):
            for place in doomed:
                await self._delete(place)
            await self._gone(doomed)

    async def _delete(self, place: Place) -> None:
        """Ask for the end of a generation: the Deployment takes its pods along, the secrets go at once."""
        held = self._observing.holdings.get(place)
        namespace = held.namespace
        if held.deployment is not None:
            name = held.deployment.metadata.name
            await self._cluster.delete(SeenDeployment, name, namespace=namespace, pods_first=True)
        else:
            for pod in list(held.pods.values()):
                await self._cluster.delete(SeenPod, pod.metadata.name, namespace=namespace)
        for secret in list(held.secrets.values()):
            await self._cluster.delete(SeenSecret, secret.metadata.name, namespace=namespace)

    async def _gone(self, places: Sequence[Place]) -> None:
        holdings = self._observing.holdings
        try:
            async with asyncio.timeout(self._removal_seconds):
                for place in places:
                    while not holdings.get(place).is_empty:
                        await self._observing.change_of(place)
        except TimeoutError as error:
            left = next(held for place in places if not (held := holdings.get(place)).is_empty)
            raise EngineFailed(Finding(FindingCode.ENGINE_ERROR, _what_holds(left))) from error


def _what_holds(held: Held) -> str:
    """Return what keeps a generation from going: finalizers, or pods that do not end."""
    held_by = sorted(
        {
            finalizer
            for each in (held.deployment, *held.pods.values())
            if each is not None
            for finalizer in each.metadata.finalizers or ()
            if finalizer != "foregroundDeletion"
        }
    )
    if held_by:
        return f"its objects are held by the finalizers {', '.join(held_by)}"
    if not held.pods:
        return "its pods have ended; the cluster's garbage collector has not taken its Deployment away"
    nodes = sorted({pod.spec.node_name for pod in held.pods.values()} - {""})
    return f"{len(held.pods)} of its pods have not ended, on {', '.join(nodes) or 'no node'}"


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (ClusterRefused, ClusterUnreachable) as trouble:
        raise refusals.engine_failed(trouble) from trouble
