"""Where objects are in a cluster's API: paths and selectors.

https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from towline.engines.kubernetes.cluster import Kind


def path_of(kind: type[Kind], namespace: str | None, name: str = "") -> str:
    """Return the path of a kind, or of one object of it."""
    parts = [kind.PATH]
    if namespace is not None:
        parts.append(f"namespaces/{quote(namespace)}")
    parts.append(kind.PLURAL)
    if name:
        parts.append(quote(name))
    return "/".join(parts)


def object_path(api_version: str, plural: str, namespace: str | None, name: str = "") -> str:
    """Return the path of an object of a kind that is known by its plural alone."""
    root = f"apis/{api_version}" if "/" in api_version else f"api/{api_version}"
    within = f"namespaces/{quote(namespace)}/" if namespace else ""
    return f"{root}/{within}{plural}/{quote(name)}".rstrip("/")


def selectors(labels: str, fields: str) -> dict[str, str]:
    """Return the parameters that narrow a list or a watch."""
    return {name: text for name, text in (("labelSelector", labels), ("fieldSelector", fields)) if text}
