"""Which cluster, and as whom: a kubeconfig, or the service account of the pod that Towline runs in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
import yaml
from lightkube.config.kubeconfig import KubeConfig
from lightkube.config.models import NameValue, User
from lightkube.core.exceptions import ConfigError

from towline.dialing import AddressRefused, Guard
from towline.domain.errors import InvalidInput
from towline.engines.kubernetes.cluster import Cluster

if TYPE_CHECKING:
    from lightkube.config.kubeconfig import SingleConfig

    from towline.domain.credential import Password

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_EXEC_V1 = "client.authentication.k8s.io/v1"
_EXEC_INFO = (
    '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","spec":{"interactive":false}}'
)
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
    except (OSError, ValueError, ConfigError) as error:
        problem = f"context {config.context_name!r} cannot be used: {error}"
        raise InvalidInput("kubernetes_kubeconfig", problem=problem, rule=_RULE) from error


def configuration(
    kubeconfig: str = "", *, context: str = "", account: Path = SERVICE_ACCOUNT
) -> SingleConfig:
    """Return how to reach and sign in to a cluster.

    Without a file it is the cluster that this process runs in, by the service account in the folder
    ``account``, whose token is read again when it was refused; else the file that kubectl would take.
    Raises InvalidInput that names the setting.
    """
    try:
        if not kubeconfig and not context and (account / "token").is_file():
            found = _of_pod(account)
        else:
            found = _read(Path(kubeconfig or _usual()).expanduser()).get(context or None)
    except ConfigError as error:
        raise InvalidInput("kubernetes_kubeconfig", problem=str(error), rule=_RULE) from error
    except (KeyError, TypeError, ValueError, msgspec.ValidationError, yaml.YAMLError) as error:
        problem = f"is no kubeconfig ({type(error).__name__}: {error})"
        raise InvalidInput("kubernetes_kubeconfig", problem=problem, rule=_RULE) from error
    if found is None:
        raise InvalidInput("kubernetes_context", problem="no context is set", rule="name a context")
    return _with_plugin(found)


def _of_pod(account: Path) -> SingleConfig | None:
    """Return the cluster that this process runs in; the kubelet tells every container where that is."""
    try:
        return KubeConfig.from_service_account(account).get()
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
    except (OSError, ValueError, ConfigError) as error:
        problem = f"context {config.context_name!r} cannot be used: {type(error).__name__}"
        raise InvalidInput(_GIVEN, problem=problem, rule=_GIVEN_RULE) from error


def given_configuration(kubeconfig: Password, *, context: str = "") -> SingleConfig:
    """Return how to reach and sign in to the cluster of a handed-in kubeconfig; raise InvalidInput."""
    try:
        found = KubeConfig.from_dict(yaml.safe_load(kubeconfig.reveal())).get(context or None)
    except _NO_KUBECONFIG as error:
        # Not its text: a parser may quote the line, and with it a token.
        problem = f"is no kubeconfig with the context {context or 'that it calls current'!r}"
        raise InvalidInput(_GIVEN, problem=problem, rule=_GIVEN_RULE) from error
    if found is None:
        raise InvalidInput(_GIVEN, problem="names no current context", rule="give spec.context")
    _check_alone(found)
    return found if found.user is not None else found._replace(user=User())


def _check_alone(config: SingleConfig) -> None:
    cluster, user = config.cluster, config.user
    refused = {
        "a program to run": user is not None and user.exec is not None,
        "an auth-provider": user is not None and user.auth_provider is not None,
        "files on a disk": bool(cluster.certificate_auth)
        or (user is not None and any((user.token_file, user.client_cert, user.client_key))),
        "insecure-skip-tls-verify": bool(cluster.insecure),
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


def _usual() -> str:
    return os.environ.get("KUBECONFIG", "").split(os.pathsep)[0] or "~/.kube/config"


def _read(path: Path) -> KubeConfig:
    try:
        document: Any = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path} is no kubeconfig: it holds no mapping")
    return KubeConfig.from_dict(document, fname=path)


def _with_plugin(config: SingleConfig) -> SingleConfig:
    """Let plugins of today's version sign in too: they must be told which version is spoken."""
    user = config.user
    if user is None:
        return config._replace(user=User())
    if user.exec is None or user.exec.apiVersion != _EXEC_V1:
        return config
    user.exec.apiVersion = f"{_EXEC_V1}beta1"
    user.exec.env = [*(user.exec.env or []), NameValue("KUBERNETES_EXEC_INFO", _EXEC_INFO)]
    return config
