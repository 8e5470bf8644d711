"""Which cluster, and as whom: a kubeconfig, or the service account of the pod that Towline runs in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec
import yaml
from lightkube.config.kubeconfig import KubeConfig, SingleConfig
from lightkube.core.exceptions import ConfigError

from towline.dialing import AddressRefused, Guard
from towline.domain.errors import InvalidInput
from towline.engines.kubernetes.cluster import Cluster
from towline.engines.kubernetes.kubeconfig import of_document, of_files

if TYPE_CHECKING:
    from towline.domain.credential import Password

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_USUAL = "~/.kube/config"
_POD = "default"
_GIVEN = "spec.kubeconfig"
_GIVEN_RULE = (
    "give one whose certificates, keys and token stand in it (`kubectl config view --raw --flatten --minify`)"
)
_NO_KUBECONFIG = (
    AttributeError,
    ConfigError,
    KeyError,
    TypeError,
    ValueError,
    msgspec.ValidationError,
    yaml.YAMLError,
)
"""What lightkube's reader raises for a document of another shape."""
_RULE = "name a kubeconfig file, as kubectl uses it"


def cluster(kubeconfig: str = "", *, context: str = "") -> Cluster:
    """Return a cluster that can be talked to; raise InvalidInput when its certificates cannot be read."""
    config = configuration(kubeconfig, context=context)
    try:
        return Cluster(config)
    except (OSError, ValueError, ConfigError, ImportError) as error:
        problem = f"context {config.context_name!r} cannot be used: {error}"
        raise InvalidInput("kubernetes_kubeconfig", problem=problem, rule=_RULE) from error


def configuration(
    kubeconfig: str = "", *, context: str = "", account: Path = SERVICE_ACCOUNT
) -> SingleConfig:
    """Return how to reach and sign in to a cluster.

    Without a file it is what KUBECONFIG names; else the cluster that this process runs in, by the service
    account in the folder ``account``, whose token is read again when it was refused; else kubectl's file.
    Raises InvalidInput that names the setting.
    """
    usual = os.environ.get("KUBECONFIG", "")
    try:
        if not (kubeconfig or context or usual) and (account / "token").is_file():
            return _of_pod(account)
        files = [kubeconfig] if kubeconfig else [each for each in usual.split(os.pathsep) if each]
        return of_files([Path(each).expanduser() for each in files or [_USUAL]], context=context)
    except ConfigError as error:
        raise InvalidInput("kubernetes_kubeconfig", problem=str(error), rule=_RULE) from error
    except _NO_KUBECONFIG as error:
        problem = f"is no kubeconfig ({type(error).__name__}: {error})"
        raise InvalidInput("kubernetes_kubeconfig", problem=problem, rule=_RULE) from error


def _of_pod(account: Path) -> SingleConfig:
    """Return the cluster that this process runs in; the kubelet tells every container where that is."""
    try:
        found = KubeConfig.from_service_account(account)
        return SingleConfig(_POD, found.contexts[_POD], found.clusters[_POD], found.users[_POD])
    except KeyError as error:
        problem = f"{account} holds a service account, and the variable {error} is not set"
        rule = "keep the variables that a pod is given, or name a kubeconfig file"
        raise InvalidInput("kubernetes_kubeconfig", problem=problem, rule=rule) from error


def given_cluster(kubeconfig: Password, *, context: str = "") -> Cluster:
    """Return the cluster of a kubeconfig that an admin handed in; raise InvalidInput naming the field.

    It comes from another machine, so it must stand alone: programs to run and files to read are refused, and
    so are addresses that no server is led to.
    """
    config = given_configuration(kubeconfig, context=context)
    try:
        return Cluster(config)
    except (OSError, ValueError, ConfigError, ImportError) as error:
        problem = f"context {config.context_name!r} cannot be used: {type(error).__name__}"
        raise InvalidInput(_GIVEN, problem=problem, rule=_GIVEN_RULE) from error


def given_configuration(kubeconfig: Password, *, context: str = "") -> SingleConfig:
    """Return how to reach and sign in to the cluster of a handed-in kubeconfig; raise InvalidInput."""
    try:
        found = of_document(yaml.safe_load(kubeconfig.reveal()), context)
    except _NO_KUBECONFIG as error:
        # Not its text: a parser may quote the line, and with it a token.
        problem = f"is no kubeconfig with the context {context or 'that it calls current'!r}"
        raise InvalidInput(_GIVEN, problem=problem, rule=_GIVEN_RULE) from error
    _check_alone(found)
    return found


def _check_alone(config: SingleConfig) -> None:
    cluster, user = config.cluster, config.user
    refused = {
        "a program to run": user is not None and user.exec is not None,
        "an auth-provider": user is not None and user.auth_provider is not None,
        "files on a disk": bool(cluster.certificate_auth)
        or (user is not None and any((user.token_file, user.client_cert, user.client_key))),
        "insecure-skip-tls-verify": bool(cluster.insecure),
        "a proxy": bool(getattr(cluster, "proxy_url", "")),
    }
    for what, is_there in refused.items():
        if is_there:
            raise InvalidInput(_GIVEN, problem=f"holds {what}", rule=_GIVEN_RULE)
    parts = urlsplit(cluster.server)
    if parts.scheme != "https" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        raise InvalidInput(_GIVEN, problem=f"{cluster.server!r} is not https", rule="name an https:// server")
    try:
        Guard().check_host(parts.hostname or "")
    except AddressRefused as error:
        raise InvalidInput(_GIVEN, problem=str(error), rule="name the API server's own address") from error
