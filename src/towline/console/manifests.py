"""Manifests for people: YAML that ``towline apply`` and ``rio apply`` take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from towline.domain.errors import InvalidInput
from towline.wire.metadata import API_VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from towline.domain.deployment import Deployment
    from towline.domain.package import Package


def package_manifest(package: Package) -> str:
    """Return a package as its manifest."""
    metadata: dict[str, object] = {"name": package.name, "version": package.version}
    if package.description:
        metadata["description"] = package.description
    return _yaml("Package", metadata, package.labels, package.document)


def deployment_manifest(deployment: Deployment) -> str:
    """Return a deployment's wish as its manifest."""
    wish = deployment.wish
    depends = {"kind": "package", "nameOrGUID": wish.package_name, "version": wish.package_version}
    metadata: dict[str, object] = {"name": deployment.name, "depends": depends}
    return _yaml("Deployment", metadata, deployment.labels, wish.document)


def _yaml(kind: str, metadata: Mapping[str, object], labels: Mapping[str, str], spec: bytes) -> str:
    import yaml  # noqa: PLC0415  (only these pages need it, and a start of the server does not)

    document = {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {**metadata, **({"labels": dict(labels)} if labels else {})},
        "spec": msgspec.json.decode(spec),
    }
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    return text


def documents_of(text: str) -> list[object]:
    """Return the documents of a YAML text that was pasted; raise InvalidInput with the place, no text."""
    import yaml  # noqa: PLC0415  (as above)

    try:
        return list(yaml.safe_load_all(text))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise InvalidInput("pasted", problem=f"is not YAML{place}", rule="paste the whole manifest") from None
    except (yaml.YAMLError, RecursionError, ValueError):
        raise InvalidInput("pasted", problem="is not YAML", rule="paste the whole manifest") from None
