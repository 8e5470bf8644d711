"""The two Secrets of a generation: what opens its images, and the values of its environment.

The kubelet reads username, password and ``auth`` of an entry and matches its key in a way of its own: Docker
Hub is ``https://index.docker.io/v1/``, every other registry its bare ``host[:port]``; a path narrows that.
Facts: kubernetes/kubernetes ``pkg/credentialprovider/keyring.go``.
"""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING

from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Secret

from towline.domain.causes import FindingCode
from towline.domain.credential import authorization_token
from towline.domain.errors import PullRefused
from towline.domain.findings import Finding
from towline.domain.registry import HUB_KEY, RegistryAddress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from towline.domain.credential import Credential
    from towline.domain.mirror import HandedCopy
    from towline.domain.workload import Workload, WorkloadExecutable

PULL_TYPE = "kubernetes.io/dockerconfigjson"
_KEY = re.compile(r"[-._a-zA-Z0-9]+")


def pull_secret(workload: Workload, *, name: str, namespace: str, labels: Mapping[str, str]) -> Secret | None:
    """Return the Secret that opens this generation's images and nothing else; None when none needs one."""
    entries = _entries(workload.executables)
    if not entries:
        return None
    content = json.dumps({"auths": {key: _entry(credential) for key, credential in entries.items()}})
    return _secret(
        {".dockerconfigjson": content.encode()}, kind=PULL_TYPE, name=name, namespace=namespace, labels=labels
    )


def environment_secret(
    workload: Workload, *, name: str, namespace: str, labels: Mapping[str, str]
) -> Secret | None:
    """Return the Secret with every variable's value; None where no executable has any."""
    values = {
        environment_key(number, variable): value.reveal().encode()
        for number, executable in enumerate(workload.executables)
        for variable, value in executable.environment.items()
    }
    if not values:
        return None
    return _secret(values, kind="Opaque", name=name, namespace=namespace, labels=labels)


def mirror_secret(
    copy: HandedCopy,
    *,
    name: str,
    namespace: str,
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    uid: str = "",
) -> Secret:
    """Return the Secret that keeps a credential for workloads of others; ``uid`` names the very object."""
    address = copy.address
    key = HUB_KEY if address.is_hub else "/".join(filter(None, (address.netloc, address.path)))
    content = json.dumps({"auths": {key: _entry(copy.credential)}})
    made = _secret(
        {".dockerconfigjson": content.encode()}, kind=PULL_TYPE, name=name, namespace=namespace, labels=labels
    )
    made.metadata.annotations = dict(annotations)  # type: ignore[union-attr]
    made.metadata.uid = uid or None  # type: ignore[union-attr]
    return made


def environment_key(number: int, variable: str) -> str:
    """Return under which key a variable of the executable with that number is kept."""
    if _KEY.fullmatch(variable) and len(variable) <= 200:
        return f"{number}.{variable}"
    return f"{number}.{variable.encode().hex()[:200]}"


def _entries(executables: Sequence[WorkloadExecutable]) -> Mapping[str, Credential]:
    """Return the credentials by key: one a registry, or one an image where not all its images have the same.

    Raises PullRefused for a credential that no kubelet can use.
    """
    wanted: dict[str, list[tuple[str, Credential | None]]] = {}
    for executable in executables:
        found = wanted.setdefault(_registry_key(executable), [])
        found.append((executable.image.name, _usable(executable)))
    entries: dict[str, Credential | None] = {}
    for key, uses in wanted.items():
        if all(credential == uses[0][1] for _, credential in uses):
            entries[key] = uses[0][1]
        else:
            entries |= dict(uses)
    return {key: credential for key, credential in entries.items() if credential is not None}


def _usable(executable: WorkloadExecutable) -> Credential | None:
    """Return the credential; of an identity token, which the kubelet would send as a password, raise."""
    credential = executable.access.credential
    if credential is None or not credential.is_identity_token:
        return credential
    detail = "the secret holds an identity token, which no kubelet can use; give it a username and a password"
    finding = Finding(
        FindingCode.CREDENTIAL_INCOMPLETE, detail, image=str(executable.image), executable=executable.name
    )
    raise PullRefused(finding)


def _registry_key(executable: WorkloadExecutable) -> str:
    address = RegistryAddress.of(executable.image)
    return HUB_KEY if address.is_hub else executable.image.registry


def _entry(credential: Credential) -> Mapping[str, str]:
    return {
        "username": credential.username,
        "password": credential.password.reveal(),
        "auth": authorization_token(credential).reveal(),
    }


def _secret(
    content: Mapping[str, bytes], *, kind: str, name: str, namespace: str, labels: Mapping[str, str]
) -> Secret:
    return Secret(
        apiVersion="v1",
        kind="Secret",
        metadata=ObjectMeta(name=name, namespace=namespace, labels=dict(labels)),
        type=kind,
        data={key: base64.b64encode(value).decode() for key, value in content.items()},
    )
