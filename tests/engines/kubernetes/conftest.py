"""A cluster with an engine on it that is started and, at the end, closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from parts.kube.lab import Kubernetes, kubernetes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from towline.engines.kubernetes.engine import KubernetesEngine


@pytest.fixture
async def cluster(tmp_path) -> AsyncIterator[Kubernetes]:
    async with kubernetes(tmp_path) as made:
        yield made


@pytest.fixture
async def engine(cluster: Kubernetes) -> AsyncIterator[KubernetesEngine]:
    made = cluster.engine()
    await made.start()
    yield made
    await made.close()
