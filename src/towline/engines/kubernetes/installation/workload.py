"""What runs: the Deployment of Towline with its volume, and how many of its pods may be away at once.

Every pod passes Pod Security's ``restricted``: no user 0, no capability, a read-only root file system.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from towline.engines.kubernetes.installation.network import PORT, PORT_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable

    from towline.engines.kubernetes.installation.options import Options

USER = 10001
"""The user of deploy/Containerfile."""
KEYRING_FILE = "keyring.json"
DATABASE_KEY = "url"
_HOME = "/var/lib/towline"
_KEYRING = "/etc/towline/keyring"
_TLS = "/etc/towline/tls"


def documents(options: Options) -> tuple[dict[str, Any], ...]:
    """Return the volume (with SQLite), the budget of disruptions and the Deployment."""
    last = (_budget(options), _deployment(options))
    return (_claim(options), *last) if options.is_sqlite else last


def claim_name(options: Options) -> str:
    """Return the name of the volume that holds the database."""
    return f"{options.name}-data"


def _metadata(options: Options, *, name: str = "") -> dict[str, Any]:
    return {"name": name or options.name, "namespace": options.namespace, "labels": options.labels}


def _claim(options: Options) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": options.storage_size}},
    }
    if options.storage_class:
        spec["storageClassName"] = options.storage_class
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": _metadata(options, name=claim_name(options)),
        "spec": spec,
    }


def _budget(options: Options) -> dict[str, Any]:
    """Let one pod be away at a time: of a single one too, or no node could ever be drained."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": _metadata(options),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": options.selector}},
    }


def _deployment(options: Options) -> dict[str, Any]:
    strategy: dict[str, Any] = {"type": "Recreate"}
    if not options.is_sqlite:
        strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(options),
        "spec": {
            "replicas": options.replicas,
            "revisionHistoryLimit": 3,
            "progressDeadlineSeconds": 600,
            "strategy": strategy,
            "selector": {"matchLabels": options.selector},
            "template": {"metadata": {"labels": options.pod_labels}, "spec": _pod(options)},
        },
    }


def _pod(options: Options) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "serviceAccountName": options.name,
        "automountServiceAccountToken": True,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 30,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(options)],
        "volumes": _volumes(options),
    }
    if options.image_pull_secret:
        spec["imagePullSecrets"] = [{"name": options.image_pull_secret}]
    if options.replicas > 1:
        spec["topologySpreadConstraints"] = [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": options.selector},
            }
        ]
    return spec


def _container(options: Options) -> dict[str, Any]:
    return {
        "name": "towline",
        "image": options.image,
        "args": ["serve"],
        "env": list(_environment(options)),
        "ports": [{"name": PORT_NAME, "containerPort": PORT, "protocol": "TCP"}],
        "startupProbe": _probe(options, "/healthz", period=2, failures=150),
        "livenessProbe": _probe(options, "/healthz", period=10, failures=3),
        "readinessProbe": _probe(options, "/readyz", period=5, failures=3),
        "resources": {
            "requests": {"cpu": options.cpu, "memory": options.memory},
            "limits": {"memory": options.memory},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "data", "mountPath": _HOME},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  (a volume of the pod's own)
            {"name": "keyring", "mountPath": _KEYRING, "readOnly": True},
            *([{"name": "tls", "mountPath": _TLS, "readOnly": True}] if options.tls_secret else []),
        ],
    }


def _environment(options: Options) -> Iterable[dict[str, Any]]:
    """Yield the settings; those of the user come last and win. The keyring stays out of the environment."""
    settings = {
        "data": f"{_HOME}/data",
        "host": "0.0.0.0",  # noqa: S104  (the pod's own address; the NetworkPolicy says who may connect)
        "port": str(PORT),
        "engine": "kubernetes",
        "keyring_command": f"cat {_KEYRING}/{KEYRING_FILE}",
    }
    if not options.is_sqlite:  # the others are asked instead, once the Service has heard of it
        settings["drain_notice_seconds"] = "5"
    if options.watch_namespaces:
        settings["kubernetes_namespace"] = options.watch_namespaces[0]
    if options.mirror_namespaces:
        settings["kubernetes_mirror_namespaces"] = " ".join(options.mirror_namespaces)
    if options.tls_secret:
        settings |= {"tls_cert": f"{_TLS}/tls.crt", "tls_key": f"{_TLS}/tls.key"}
    elif not options.trusted_proxies:
        settings["allow_plain_http"] = "true"
    if options.trusted_proxies:
        settings["trusted_proxies"] = " ".join(options.trusted_proxies)
    for name, value in (settings | dict(sorted(options.settings.items()))).items():
        yield {"name": f"TOWLINE_{name.upper()}", "value": value}
    if options.database_secret:
        reference = {"name": options.database_secret, "key": DATABASE_KEY}
        yield {"name": "TOWLINE_DATABASE", "valueFrom": {"secretKeyRef": reference}}


def _probe(options: Options, path: str, *, period: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": PORT_NAME, "scheme": "HTTPS" if options.tls_secret else "HTTP"},
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }


def _volumes(options: Options) -> list[dict[str, Any]]:
    data: dict[str, Any] = {"name": "data", "emptyDir": {"sizeLimit": "1Gi"}}
    if options.is_sqlite:
        data = {"name": "data", "persistentVolumeClaim": {"claimName": claim_name(options)}}
    volumes = [
        data,
        {"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}},
        {"name": "keyring", "secret": {"secretName": options.keyring_secret, "defaultMode": 0o440}},
    ]
    if options.tls_secret:
        volumes.append({"name": "tls", "secret": {"secretName": options.tls_secret, "defaultMode": 0o440}})
    return volumes
