"""How a cluster is reached: a connection for every stream, a proxy, another name in the certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx2
from lightkube.config.client_adapter import ConnectionParams

from towline.engines.kubernetes.kubeconfig import Cluster

if TYPE_CHECKING:
    from lightkube.config.kubeconfig import SingleConfig

TIMEOUT = 15.0
KEPT_OPEN = 20


class Reaching(ConnectionParams):
    """What lightkube's client is made of, and what it leaves out.

    Every watch and every followed log holds a connection for as long as it lasts, so their number has no
    limit: at one, all other requests would wait for streams that do not end.
    """

    def __init__(self) -> None:
        super().__init__(timeout=httpx2.Timeout(TIMEOUT))

    def httpx_params(self, config: SingleConfig) -> dict[str, Any]:
        """Return the parameters of the HTTP client."""
        params: dict[str, Any] = super().httpx_params(config)
        params["limits"] = httpx2.Limits(max_connections=None, max_keepalive_connections=KEPT_OPEN)
        cluster = config.cluster
        if isinstance(cluster, Cluster):
            params["proxy"] = cluster.proxy_url or None
            if cluster.tls_server_name:
                params["event_hooks"] = {"request": [_Named(cluster.tls_server_name)]}
        return params


class _Named:
    """Asks for a certificate of another name than the server's address."""

    def __init__(self, name: str) -> None:
        self._name = name

    async def __call__(self, request: httpx2.Request) -> None:
        request.extensions["sni_hostname"] = self._name
