"""Which cluster, and as whom: a kubeconfig, or the service account of the pod that Towline runs in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import yaml
from lightkube.config.kubeconfig import KubeConfig
from lightkube.config.models import NameValue, User
from lightkube.core.exceptions import ConfigError

from towline.domain.errors import InvalidInput
from towline.engines.kubernetes.cluster import Cluster

if TYPE_CHECKING:
    from lightkube.config.kubeconfig import SingleConfig

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_EXEC_V1 = "client.authentication.k8s.io/v1"
_EXEC_INFO = (
    '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","spec":{"interactive":false}}'
)
_RULE = "name a kubeconfig file, as kubectl uses it"


def cluster(kubeconfig: str = "", *, context: str = "") -> Cluster:
    """Return a cluster that can be talked to; raise InvalidInput when its certificates cannot be read."""
    config = configuration(kubeconfig, context=context)
    try:
        return Cluster(config)
    except (OSError, ValueError, ConfigError) as error:
        problem = f"context {config.context_name!r} cannot be used: {error}"
        raise InvalidInput("kubernetes_kubeconfig", problem=problem, rule=_RULE) from error


def configuration(kubeconfig: str = "", *, context: str = "") -> SingleConfig:
    """Return how to reach and sign in to a cluster.

    Without a file it is the cluster that this process runs in, else the file that kubectl would take.
    Raises InvalidInput that names the setting.
    """
    try:
        if not kubeconfig and not context and (SERVICE_ACCOUNT / "token").is_file():
            found = KubeConfig.from_service_account(SERVICE_ACCOUNT).get()
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
