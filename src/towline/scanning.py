"""A look at a cluster without a server: the composition of ``towline kubernetes scan`` and ``doctor``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.domain.proof import Platform
from towline.extras import libraries_of
from towline.registry import Registry
from towline.services.cluster_scans import ClusterScans

if TYPE_CHECKING:
    from towline.domain.cluster_scan import ScanReport
    from towline.engines.kubernetes.rights import Examined


async def scan(
    *, kubeconfig: str = "", context: str = "", namespace: str = "", platform: str = "linux/amd64"
) -> ScanReport:
    """Return what a cluster's pull secrets are worth, tried from this machine, and why pods wait."""
    with libraries_of("kubernetes"):
        from towline.engines.kubernetes import access, survey  # noqa: PLC0415
    cluster = access.cluster(kubeconfig, context=context)
    registry = Registry()
    try:
        surveyed = await survey.survey(cluster, namespace=namespace)
        operating_system, _, architecture = platform.partition("/")
        scans = ClusterScans(registry.prover, platform=Platform(operating_system, architecture))
        return await scans.judge(surveyed)
    finally:
        await registry.close()
        await cluster.close()


async def examine(
    *, kubeconfig: str = "", context: str = "", namespace: str = "", mirrors: bool = False, trial: str = ""
) -> Examined:
    """Return what the account of a kubeconfig lacks to run the engine."""
    with libraries_of("kubernetes"):
        from towline.engines.kubernetes import access, refusals, rights  # noqa: PLC0415
        from towline.engines.kubernetes.cluster import ClusterRefused, ClusterUnreachable  # noqa: PLC0415
    cluster = access.cluster(kubeconfig, context=context)
    try:
        return await rights.examine(cluster, namespace=namespace, mirrors=mirrors, trial=trial)
    except (ClusterRefused, ClusterUnreachable) as trouble:
        raise refusals.engine_failed(trouble) from trouble
    finally:
        await cluster.close()
