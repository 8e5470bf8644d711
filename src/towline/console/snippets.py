"""What one copies from a secret's page: how packages, the command line and Kubernetes name it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from towline.domain.errors import InvalidInput
from towline.domain.image import ImageReference
from towline.domain.secret import DockerSecret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from towline.domain.secret import Secret


def snippets_of(secret: Secret, images: Sequence[str]) -> Sequence[tuple[str, str]]:
    """Return titles and texts; no text holds a password or a value. ``images`` are those in use."""
    name = secret.metadata.name
    if not isinstance(secret, DockerSecret):
        return (("In a package", _variables(name, secret.keys)),)
    host = secret.registry.key if not secret.registry.is_hub else "docker.io"
    image = next(filter(_is_reference, images), f"{host}/TEAM/APP:TAG")
    return (
        ("In a package", _executable(name, image)),
        ("On the command line", _commands(name, image)),
        ("Into a cluster of Kubernetes", _export(name)),
        ("In a pod there", f"spec:\n  imagePullSecrets:\n  - name: {name}\n"),
    )


def _is_reference(image: str) -> bool:
    """Whether an image is one: a package may hold any text, and what one copies goes into a shell."""
    try:
        ImageReference.parse(image)
    except InvalidInput:
        return False
    return True


def _executable(name: str, image: str) -> str:
    return (
        "executables:\n- name: app\n  type: docker\n  docker:\n"
        f"    image: {image}\n    pullSecret:\n      depends:\n"
        f"        kind: secret\n        nameOrGUID: {name}\n"
    )


def _commands(name: str, image: str) -> str:
    return (
        f"towline secret verify {name} --image {image}\n"
        f"towline deploy {image} --secret {name}\n"
        f"towline secret update {name} --password-stdin\n"
    )


def _export(name: str) -> str:
    export = f"towline secret export {name} --format kubernetes --namespace NAMESPACE --reveal"
    return f"{export} | kubectl apply -f -\n"


def _variables(name: str, keys: Sequence[str]) -> str:
    rows = (
        f"- name: {key}\n  valueFrom:\n    secretKeyRef:\n      name: {name}\n      key: {key}\n"
        for key in keys
    )
    return "environmentVars:\n" + "".join(rows)
