"""The official SDK: its settings for a live server, and bodies as people write them in manifests."""

from __future__ import annotations

from typing import Any

from rapyuta_io_sdk_v2 import Configuration

from parts.live import Live

API = "api.rapyuta.io/v2"


def configuration(live: Live, **changes: str) -> Configuration:
    known = {
        "auth_token": live.token,
        "project_guid": live.project,
        "organization_guid": live.organization,
    }
    return Configuration(environment="local", v2_api_host=live.url, rip_host=live.url, **{**known, **changes})


def docker_secret(name: str, *, registry: str | None = None, **changes: str) -> dict[str, Any]:
    docker = {"username": "robot", "password": "p@ss:word/1 €", "email": "robot@example.com", **changes}
    if registry is not None:
        docker["registry"] = registry
    return {
        "apiVersion": API,
        "kind": "Secret",
        "metadata": {"name": name, "labels": {"team": "robots"}},
        "spec": {"type": "Docker", "docker": docker},
    }


def opaque_secret(name: str, **data: str) -> dict[str, Any]:
    return {
        "apiVersion": API,
        "kind": "Secret",
        "metadata": {"name": name},
        "spec": {"type": "Opaque", "data": data or {"API_KEY": "abc123"}},
    }


def package(name: str, version: str = "v1.0.0", **executable: Any) -> dict[str, Any]:
    run: dict[str, Any] = {
        "name": "app",
        "type": "docker",
        "command": ["sleep", "3600"],
        "docker": {
            "image": "registry.example.com:5000/team/talker:1.0",
            "imagePullPolicy": "IfNotPresent",
            "pullSecret": {"depends": {"kind": "secret", "nameOrGUID": "private-pull"}},
        },
        "limits": {"cpu": 0.1, "memory": 128},
    }
    return {
        "apiVersion": API,
        "kind": "Package",
        "metadata": {"name": name, "version": version, "description": "private image demo"},
        "spec": {
            "runtime": "cloud",
            "cloud": {"replicas": 1},
            "executables": [{**run, **executable}],
            "environmentVars": [
                {"name": "LOG_LEVEL", "default": "info", "description": "verbosity"},
                {"name": "API_KEY", "valueFrom": {"secretKeyRef": {"name": "app-keys", "key": "API_KEY"}}},
            ],
            "endpoints": [{"name": "web", "type": "external-https", "port": 443, "targetPort": 8080}],
        },
    }


def deployment(name: str, package_name: str, version: str = "v1.0.0", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": API,
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "labels": {"team": "robots"},
            "depends": {"kind": "package", "nameOrGUID": package_name, "version": version},
        },
        "spec": {"runtime": "cloud", "envArgs": [{"name": "LOG_LEVEL", "value": "debug"}], **spec},
    }
