"""The Service by which a deployment is reached, and the note of its ports that each generation keeps."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lightkube.models import core_v1 as core
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Service

from towline.domain.package import ServedPort
from towline.engines.kubernetes import naming

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from towline.domain.workload import Workload
    from towline.engines.kubernetes.seen import Metadata


def ports_of(workload: Workload) -> Sequence[ServedPort]:
    """Return the endpoints' ports, and beside them the target ports, as which all engines know them."""
    served = workload.served or tuple(ServedPort(port, port) for port in workload.ports)
    found = {(each.port, each.is_udp): each for each in served} if workload.ports else {}
    for each in tuple(found.values()):
        found.setdefault((each.target, each.is_udp), ServedPort(each.target, each.target, each.is_udp))
    return tuple(found.values())


def written(ports: Sequence[ServedPort]) -> str:
    """Return the annotation that keeps a generation's ports."""
    return json.dumps([[each.port, each.target, each.is_udp] for each in ports], separators=(",", ":"))


def read(metadata: Metadata) -> Sequence[ServedPort]:
    """Return a generation's ports from its annotation; none where somebody spoiled it."""
    try:
        found = json.loads(metadata.annotation(naming.SERVED) or "[]")
        return tuple(ServedPort(int(port), int(target), bool(is_udp)) for port, target, is_udp in found)
    except (TypeError, ValueError):
        return ()


def service(
    ports: Sequence[ServedPort], *, name: str, namespace: str, labels: Mapping[str, str]
) -> Service | None:
    """Return the Service that leads to all generations of a deployment; None without a port."""
    if not ports:
        return None
    return Service(
        apiVersion="v1",
        kind="Service",
        metadata=ObjectMeta(name=name, namespace=namespace, labels=dict(labels)),
        spec=core.ServiceSpec(
            selector={naming.DEPLOYMENT: labels[naming.DEPLOYMENT]},
            ports=[_port(each) for each in ports],
        ),
    )


def _port(served: ServedPort) -> core.ServicePort:
    return core.ServicePort(
        name=f"{'udp' if served.is_udp else 'port'}-{served.port}",
        port=served.port,
        targetPort=served.target,
        protocol="UDP" if served.is_udp else "TCP",
    )
