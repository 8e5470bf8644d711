"""The Secret that holds the keyring: whoever reads it can open every credential that Towline keeps."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from towline.engines.kubernetes.installation.workload import KEYRING_FILE

if TYPE_CHECKING:
    from towline.domain.credential import Password
    from towline.engines.kubernetes.installation.options import Options


def document(options: Options, keyring: Password) -> dict[str, Any]:
    """Return the Secret. It is made by create, never by apply: a keyring that is there stays."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": options.keyring_secret,
            "namespace": options.namespace,
            "labels": options.labels,
        },
        "type": "Opaque",
        "data": {KEYRING_FILE: base64.b64encode(keyring.reveal().encode()).decode()},
    }
