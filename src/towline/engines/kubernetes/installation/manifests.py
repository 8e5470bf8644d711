"""Everything that is installed, in the order in which it is applied, and as text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

from towline.engines.kubernetes.installation import network, permissions, workload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towline.engines.kubernetes.installation.options import Options

POD_SECURITY = "pod-security.kubernetes.io"


def documents(options: Options) -> tuple[dict[str, Any], ...]:
    """Return every document but the keyring's, which is made only once."""
    return (
        _namespace(options),
        *permissions.documents(options),
        *network.documents(options),
        *workload.documents(options),
    )


def as_yaml(found: Sequence[dict[str, Any]]) -> str:
    """Return documents as ``kubectl apply -f -`` reads them."""
    return "---\n".join(yaml.dump(each, Dumper=_Dumper, sort_keys=False, width=100) for each in found)


def as_json(found: Sequence[dict[str, Any]]) -> str:
    """Return documents as one List."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(found)}, indent=2) + "\n"


def _namespace(options: Options) -> dict[str, Any]:
    security = {f"{POD_SECURITY}/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": options.namespace, "labels": options.labels | security},
    }


class _Dumper(yaml.SafeDumper):
    """Writes nothing as a reference to something above, and texts of several lines as such."""

    def ignore_aliases(self, data: object) -> bool:
        """Return that there are none: ``*id001`` helps no reader."""
        del data
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)
