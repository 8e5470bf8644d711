"""The ways to Towline and from it: Service, NetworkPolicy, and the Ingress where a host is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from towline.engines.kubernetes.installation.options import Options

PORT = 8420
PORT_NAME = "web"
METADATA = ("169.254.0.0/16", "fd00:ec2::254/128")
"""Where a cloud's metadata service gives a node's identity to whoever asks."""
_NAMESPACE_NAME = "kubernetes.io/metadata.name"


def service_port(options: Options) -> int:
    """Return the port that others in the cluster use."""
    return 443 if options.tls_secret else 80


def documents(options: Options) -> tuple[dict[str, Any], ...]:
    """Return the Service, the NetworkPolicy, and the Ingress if there is to be one."""
    found = [_service(options), _policy(options)]
    if options.host:
        found.append(_ingress(options))
    return tuple(found)


def _metadata(options: Options) -> dict[str, Any]:
    return {"name": options.name, "namespace": options.namespace, "labels": options.labels}


def _service(options: Options) -> dict[str, Any]:
    port = {"name": PORT_NAME, "port": service_port(options), "protocol": "TCP", "targetPort": PORT_NAME}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(options),
        "spec": {"type": "ClusterIP", "selector": options.selector, "ports": [port]},
    }


def _policy(options: Options) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": _metadata(options),
        "spec": {
            "podSelector": {"matchLabels": options.selector},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": _incoming(options),
            "egress": _outgoing(options),
        },
    }


def _incoming(options: Options) -> list[dict[str, Any]]:
    """Return who may connect: the namespaces named; else all, where TLS or an Ingress makes that safe.

    With no rule at all the kubelet's probes and ``kubectl port-forward`` still come through.
    """
    ports = [{"port": PORT, "protocol": "TCP"}]
    if options.allow_from:
        names = {"key": _NAMESPACE_NAME, "operator": "In", "values": list(options.allow_from)}
        return [{"from": [{"namespaceSelector": {"matchExpressions": [names]}}], "ports": ports}]
    return [{"ports": ports}] if options.tls_secret or options.host else []


def _outgoing(options: Options) -> list[dict[str, Any]]:
    """Return where Towline may connect: names, and whatever registry, API server or database there is."""
    blocks: list[dict[str, Any]] = [{"cidr": "0.0.0.0/0"}, {"cidr": "::/0"}]
    if not options.allow_metadata:
        for block, metadata in zip(blocks, METADATA, strict=True):
            block["except"] = [metadata]
    return [
        {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]},
        {"to": [{"ipBlock": block} for block in blocks]},
    ]


def _ingress(options: Options) -> dict[str, Any]:
    metadata = _metadata(options)
    if options.ingress_annotations:
        metadata["annotations"] = dict(options.ingress_annotations)
    backend = {"service": {"name": options.name, "port": {"name": PORT_NAME}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    spec: dict[str, Any] = {"rules": [{"host": options.host, "http": {"paths": [path]}}]}
    if options.ingress_class:
        spec["ingressClassName"] = options.ingress_class
    if options.ingress_tls_secret:
        spec["tls"] = [{"hosts": [options.host], "secretName": options.ingress_tls_secret}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": metadata,
        "spec": spec,
    }
