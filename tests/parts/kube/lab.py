"""A cluster with a node, and the engine on it."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from parts.kube.api import ApiServer
from parts.kube.controllers import Controllers
from parts.kube.node import Node
from towline.domain.proof import Platform
from towline.domain.workload import Drift
from towline.engines.kubernetes import access
from towline.engines.kubernetes.cluster import Cluster
from towline.engines.kubernetes.engine import KubernetesEngine
from towline.engines.kubernetes.naming import Names

INSTANCE = "lab"


@dataclass
class Kubernetes:
    """Everything together; ``drifts`` is what the engine told of others' changes."""

    api: ApiServer
    controllers: Controllers
    node: Node
    folder: Path
    loop: asyncio.AbstractEventLoop
    drifts: list[Drift] = field(default_factory=list)

    def engine(self, **changes: Any) -> KubernetesEngine:
        """Return an engine on this cluster, not started."""
        path = self.folder / "kubeconfig"
        path.write_text(self.api.kubeconfig())
        return self.engine_on(Cluster(access.configuration(str(path))), **changes)

    def engine_on(
        self,
        cluster: Cluster,
        *,
        instance: str = INSTANCE,
        namespace: str = "",
        mapped: Mapping[str, str] | None = None,
        **changes: Any,
    ) -> KubernetesEngine:
        """Return an engine that reaches the cluster in another way."""
        settings: dict[str, Any] = {"removal_seconds": 20.0, **changes}
        return KubernetesEngine(
            cluster,
            Names(instance, namespace=namespace, mapped=mapped or {}),
            platform=Platform("linux", "amd64"),
            clock=lambda: datetime.now(UTC),
            jitter=random.random,
            tell=self._told,
            **settings,
        )

    async def _told(self, drift: Drift) -> None:
        self.drifts.append(drift)


@contextlib.asynccontextmanager
async def kubernetes(folder: Path) -> AsyncIterator[Kubernetes]:
    """Run a cluster."""
    api = ApiServer()
    node = Node(api.objects)
    controllers = Controllers(api.objects)
    api.log_source = node.log
    node.start()
    await api.start()
    try:
        yield Kubernetes(api, controllers, node, folder, asyncio.get_running_loop())
    finally:
        await node.stop()
        await api.stop()
        await asyncio.sleep(0)


@contextlib.contextmanager
def running_kubernetes(folder: Path) -> Iterator[Kubernetes]:
    """Run a cluster in a thread of its own, for tests that block."""
    started: Future[Kubernetes] = Future()
    stop = threading.Event()

    async def run() -> None:
        async with kubernetes(folder) as cluster:
            (folder / "kubeconfig").write_text(cluster.api.kubeconfig())
            started.set_result(cluster)
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        yield started.result(20)
    finally:
        stop.set()
        thread.join()
