"""Pull secrets of a cluster, read with the user's own kubeconfig (lightkube, the extra ``kubernetes``)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from towline.cli.failure import Failure
from towline.domain.kubernetes_secret import TYPES, secrets_in
from towline.domain.readers.config_file import Form, Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lightkube import Client
    from lightkube.config.kubeconfig import SingleConfig
    from lightkube.resources.core_v1 import Secret


def cluster_sources(*, context: str | None, namespace: str | None, secret: str | None) -> tuple[Source, ...]:
    """Return the files of credentials in the pull secrets of a namespace; raise Failure."""
    try:
        import httpx2
        import lightkube
    except ImportError as error:
        hint = "pip install 'towline[kubernetes]'; or: kubectl get secret NAME -o yaml | ... --file -"
        raise Failure(f"reading from a cluster needs the extra kubernetes: {hint}", code=2) from error
    from lightkube.core.exceptions import ApiError

    config = _config(context)
    client = lightkube.Client(config=config, namespace=namespace or config.namespace or "default")
    try:
        return tuple(_sources(_secrets(client, secret)))
    except ApiError as error:
        code = {401: 5, 403: 5, 404: 3}.get(error.status.code or 0, 1)
        raise Failure(f"the cluster refuses: {error.status.message}", code=code) from error
    except (httpx2.HTTPError, OSError) as error:
        raise Failure(f"the cluster does not answer: {error or type(error).__name__}", code=1) from error


def _config(context: str | None) -> SingleConfig:
    """Return the user's kubeconfig in a context, by default its own; raise Failure."""
    import lightkube
    import yaml
    from lightkube.core.exceptions import ConfigError

    try:
        found = lightkube.KubeConfig.from_env().get(context)
    except ConfigError as error:
        raise Failure(f"the kubeconfig cannot be used: {error}", code=2) from error
    except (yaml.YAMLError, OSError, LookupError, TypeError, AttributeError, ValueError) as error:
        # The library reads the file as it is, and stumbles where it is none.
        raise Failure("the kubeconfig cannot be used: it is not one", code=2) from error
    if found is None:
        raise Failure("the kubeconfig names no current context; use --context NAME", code=2)
    return found


def _secrets(client: Client, name: str | None) -> Iterator[Secret]:
    from lightkube.resources.core_v1 import Secret

    if name:
        yield client.get(Secret, name)
        return
    for kind in TYPES:
        yield from client.list(Secret, fields={"type": kind})


def _sources(secrets: Iterable[Secret]) -> Iterator[Source]:
    for secret in secrets:
        metadata = secret.metadata
        name = (metadata.name if metadata else None) or "?"
        namespace = (metadata.namespace if metadata else None) or "default"
        document = {"kind": "Secret", "type": secret.type, "metadata": {"name": name}, "data": secret.data}
        place = f"Kubernetes Secret {namespace}/{name}"
        for found in secrets_in(document):
            if found.is_other:
                raise Failure(f"{place}: {found.problem}", code=2)
            yield Source(place, json.dumps(document), Form.CONFIG)
