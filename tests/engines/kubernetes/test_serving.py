"""The Service of a deployment over its generations: an update that fails leaves it as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from parts.kube.workloads import GUID, executable, workload
from towline.domain.errors import EngineFailed
from towline.domain.package import ServedPort

if TYPE_CHECKING:
    from parts.kube.lab import Kubernetes
    from towline.engines.kubernetes.engine import KubernetesEngine


def seen(cluster: Kubernetes) -> tuple[list[int], list[str]]:
    """Return the Service's ports and whom it belongs to."""
    (kept,) = cluster.api.objects.of("services")
    service: dict[str, Any] = kept.shown()
    owners = [owner["name"].removeprefix(f"{GUID}-") for owner in service["metadata"]["ownerReferences"]]
    return [each["port"] for each in service["spec"]["ports"]], sorted(owners)


async def test_an_update_that_never_starts_leaves_the_service_where_it_leads(
    cluster: Kubernetes, engine: KubernetesEngine
) -> None:
    await engine.apply(workload(ports=(8080,)))
    broken = executable(entrypoint=("/no/such/program",))
    with pytest.raises(EngineFailed):
        await engine.apply(workload(broken, ports=(9090,), generation=2))
    assert seen(cluster) == ([8080], ["1"])


async def test_an_update_that_is_taken_away_gives_the_service_back(
    cluster: Kubernetes, engine: KubernetesEngine
) -> None:
    """Its owner would else take it along, and leave what serves without a name."""
    served = (ServedPort(443, 8443), ServedPort(53, 5353, is_udp=True))
    await engine.apply(workload(ports=(8443, 5353), served=served))
    before = seen(cluster)
    await engine.apply(workload(ports=(9090,), generation=2, exclusive=True))
    assert seen(cluster) == ([9090], ["1", "2"])
    assert await engine.roll_back(GUID, generation=2) == 1
    assert seen(cluster) == before == ([443, 53, 8443, 5353], ["1"])
    assert await engine.roll_back(GUID, generation=2) == 1, "it may be repeated"
    assert seen(cluster) == before


async def test_an_update_that_runs_takes_the_service_over(
    cluster: Kubernetes, engine: KubernetesEngine
) -> None:
    await engine.apply(workload(ports=(8080,)))
    await engine.apply(workload(ports=(9090,), generation=2))
    await engine.remove(GUID, below=2)
    assert seen(cluster)[0] == [9090]
    assert cluster.api.count("/services/shop?") == 2, "the older one's end takes no request for it"
    await engine.remove(GUID)
    assert cluster.api.objects.of("services") == []
