"""Kubernetes Secrets for pulling, as documents: what is in them, whichever of the two types they have.

Facts: Kubernetes, "Pull an Image from a Private Registry"; ``data`` is base64 on top of what it holds,
``stringData`` is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from towline.domain.token_texts import unbase64

TYPES = {"kubernetes.io/dockerconfigjson": ".dockerconfigjson", "kubernetes.io/dockercfg": ".dockercfg"}


@dataclass(frozen=True, slots=True)
class SecretText:
    """The file of credentials in one Secret; ``is_flat`` is that of a ``.dockercfg``.

    ``problem`` says why there is none; ``is_other`` that the Secret is not for pulling at all.
    """

    name: str
    namespace: str = ""
    text: str = field(default="", repr=False)
    is_flat: bool = False
    problem: str = ""
    is_other: bool = False


def is_kubernetes(document: object) -> bool:
    """Whether a document is of Kubernetes' kinds Secret, SecretList or List."""
    return isinstance(document, Mapping) and document.get("kind") in ("Secret", "SecretList", "List")


def secrets_in(document: object) -> Iterator[SecretText]:
    """Yield the Secrets of a document, those of a list too; all else, and lists in lists, is passed over."""
    if not isinstance(document, Mapping):
        return
    if document.get("kind") == "Secret":
        yield _secret(document)
    elif is_kubernetes(document):
        items = document.get("items")
        for item in items if isinstance(items, list) else ():
            if isinstance(item, Mapping) and item.get("kind", "Secret") == "Secret":
                yield _secret(item)


def _secret(document: Mapping[object, object]) -> SecretText:
    metadata = document.get("metadata")
    name, namespace = _value(metadata, "name"), _value(metadata, "namespace")
    key = TYPES.get(str(document.get("type")))
    if key is None:
        problem = "it is not a Secret for pulling: its type is not kubernetes.io/dockerconfigjson"
        return SecretText(name, namespace, problem=problem, is_other=True)
    plain, packed = (_value(document.get(part), key) for part in ("stringData", "data"))
    text = plain or unbase64("".join(packed.split())).decode(errors="replace")
    problem = "" if text else f"it has no {key}, or one that is not base64"
    return SecretText(name, namespace, text, is_flat=key == ".dockercfg", problem=problem)


def _value(data: object, key: str) -> str:
    value = data.get(key) if isinstance(data, Mapping) else ""
    return value if isinstance(value, str) else ""
