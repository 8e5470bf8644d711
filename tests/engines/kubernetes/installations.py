"""Installations of every kind: options, and the values of the chart that say the same."""

from __future__ import annotations

from typing import Any

from towline.engines.kubernetes.installation.options import Options

IMAGE = "registry.example.com/towline:0.1.0"
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "as it comes": ({}, {}),
    "in other namespaces alone": (
        {"watch_namespaces": ("apps", "shop")},
        {"watchNamespaces": ["apps", "shop"]},
    ),
    "with mirrors": (
        {"mirror_namespaces": ("web", "shop-*")},
        {"mirrorNamespaces": ["web", "shop-*"]},
    ),
    "with PostgreSQL": (
        {"database_secret": "towline-database", "replicas": 3},
        {"databaseSecret": "towline-database", "replicas": 3},
    ),
    "behind an Ingress": (
        {
            "host": "towline.example.com",
            "ingress_class": "nginx",
            "ingress_tls_secret": "towline-cert",
            "ingress_annotations": {"nginx.ingress.kubernetes.io/proxy-buffering": "off"},
            "trusted_proxies": ("10.0.0.0/8", "fd00::/8"),
            "allow_from": ("ingress-nginx",),
        },
        {
            "host": "towline.example.com",
            "ingress": {
                "className": "nginx",
                "tlsSecret": "towline-cert",
                "annotations": {"nginx.ingress.kubernetes.io/proxy-buffering": "off"},
            },
            "trustedProxies": ["10.0.0.0/8", "fd00::/8"],
            "allowFrom": ["ingress-nginx"],
        },
    ),
    "with a certificate of its own": (
        {"tls_secret": "towline-tls", "allow_metadata": True},
        {"tlsSecret": "towline-tls", "allowMetadata": True},
    ),
    "without any certificate": (
        {"host": "towline.lan", "allow_plain_http": True},
        {"host": "towline.lan", "allowPlainHttp": True},
    ),
    "everything else": (
        {
            "name": "tow",
            "image_pull_secret": "pull",
            "storage_class": "fast",
            "storage_size": "1Gi",
            "keyring_secret": "keys",
            "cpu": "1",
            "memory": "1Gi",
            "settings": {"log_level": "debug", "host": "::", "kubernetes_platform": "linux/arm64"},
        },
        {
            "name": "tow",
            "imagePullSecret": "pull",
            "storage": {"className": "fast", "size": "1Gi"},
            "keyring": {"secret": "keys", "create": True},
            "resources": {"cpu": "1", "memory": "1Gi"},
            "settings": {"log_level": "debug", "host": "::", "kubernetes_platform": "linux/arm64"},
        },
    ),
}


def options(name: str) -> Options:
    """Return the options of a case."""
    return Options(image=IMAGE, **CASES[name][0])
