"""Kubeconfigs as kubectl reads them: several files as one, and paths that are relative to their own file.

Facts: https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import msgspec
import yaml
from lightkube.config.kubeconfig import KubeConfig
from lightkube.config.models import Cluster as PlainCluster
from lightkube.config.models import NameValue, User
from lightkube.core.exceptions import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from lightkube.config.kubeconfig import SingleConfig

_SECTIONS = {"clusters": "cluster", "contexts": "context", "users": "user"}
_PATHS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
_EXEC_V1 = "client.authentication.k8s.io/v1"


class Cluster(PlainCluster, omit_defaults=True):
    """A cluster, with what lightkube does not read of it."""

    tls_server_name: str = msgspec.field(name="tls-server-name", default="")
    proxy_url: str = msgspec.field(name="proxy-url", default="")


def of_files(paths: Sequence[Path], *, context: str = "") -> SingleConfig:
    """Return a context of several files, by default the one that they call current.

    Of two entries with one name the first counts; a file that is not there is left out if there is another.
    Raises ConfigError, and what lightkube raises for a document of another shape.
    """
    merged: dict[str, Any] = {section: {} for section in _SECTIONS}
    documents = {path: _read(path, is_only=len(paths) == 1) for path in paths}
    for path, document in documents.items():
        for section, content in _SECTIONS.items():
            for entry in document.get(section) or ():
                merged[section].setdefault(entry["name"], _at_home(entry, content, path.parent))
        if current := document.get("current-context"):
            merged.setdefault("current-context", current)
    return of_document(merged | {section: list(merged[section].values()) for section in _SECTIONS}, context)


def of_document(document: Mapping[str, Any], context: str = "") -> SingleConfig:
    """Return a context of a document whose paths are absolute; raise as ``of_files`` does."""
    document = {**document, **{section: document.get(section) or [] for section in _SECTIONS}}
    found = KubeConfig.from_dict(document).get(context or None)
    if found is None:
        raise ConfigError("it names no current context")
    (cluster,) = [each["cluster"] for each in document["clusters"] if each["name"] == found.context.cluster]
    user = [each["user"] for each in document["users"] if each["name"] == found.context.user]
    found = found._replace(cluster=msgspec.convert(cluster, Cluster))
    if found.user is None:
        return found._replace(user=User())
    if found.user.exec is not None:
        _tell_plugin(found, user[0]["exec"], cluster)
    return found


def _read(path: Path, *, is_only: bool) -> dict[str, Any]:
    if not is_only and not path.exists():
        return {}
    try:
        document: Any = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path} is no kubeconfig: it holds no mapping")
    return document


def _at_home(entry: Mapping[str, Any], content: str, folder: Path) -> dict[str, Any]:
    """Return an entry whose paths begin at the root; a certificate that stands in it counts before a file."""
    inner = dict(entry[content] or {})
    for name in _PATHS:
        if inner.get(name):
            inner[name] = str(folder.absolute() / inner[name])
    if inner.get("certificate-authority-data"):
        inner.pop("certificate-authority", None)
    if (plugin := inner.get("exec")) and os.sep in plugin["command"]:
        inner["exec"] = plugin | {"command": str(folder.absolute() / plugin["command"])}
    return {**entry, content: inner}


def _tell_plugin(config: SingleConfig, asked: Mapping[str, Any], cluster: Mapping[str, Any]) -> None:
    """Tell a plugin which version is spoken, and of the cluster where it wants that.

    lightkube knows the version before today's, which differs in nothing else.
    """
    plugin = config.user.exec if config.user is not None else None
    if plugin is None:
        return
    spec: dict[str, Any] = {"interactive": False}
    if asked.get("provideClusterInfo"):
        spec["cluster"] = dict(_shown(cluster))
    told = {"apiVersion": plugin.apiVersion, "kind": "ExecCredential", "spec": spec}
    if plugin.apiVersion == _EXEC_V1:
        plugin.apiVersion = f"{_EXEC_V1}beta1"
    plugin.env = [*(plugin.env or ()), NameValue("KUBERNETES_EXEC_INFO", json.dumps(told))]


def _shown(cluster: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in (
        "server",
        "tls-server-name",
        "insecure-skip-tls-verify",
        "certificate-authority-data",
        "proxy-url",
    ):
        if cluster.get(name):
            yield name, cluster[name]
