"""Settings of a registry on the wire. A CA certificate is public, so it is shown as it was given."""

from __future__ import annotations

from typing import Literal

import msgspec

from towline.domain.errors import InvalidInput
from towline.domain.registry import RegistryAddress, RegistrySettings
from towline.wire.metadata import API_VERSION, Inbound, MetadataIn, check_frame
from towline.wire.problems import read


class RegistrySpec(msgspec.Struct, omit_defaults=True):
    """What a credential cannot say about a registry."""

    ca: str | None = None
    plain_http: bool | None = msgspec.field(default=None, name="plainHTTP")
    proxy: str | None = None
    realm_hosts: list[str] | None = msgspec.field(default=None, name="realmHosts")


class RegistryIn(Inbound):
    """Settings to put in place."""

    metadata: MetadataIn | None = None
    spec: RegistrySpec | None = None


class RegistryMetadata(msgspec.Struct):
    """The registry's ``host[:port]``."""

    name: str


class RegistryDocument(msgspec.Struct, omit_defaults=True):
    """Settings as they are shown."""

    api_version: str = msgspec.field(name="apiVersion")
    kind: Literal["Registry"]
    metadata: RegistryMetadata
    spec: RegistrySpec


def settings(body: bytes, host: str) -> RegistrySettings:
    """Return the settings that ``body`` gives for the registry ``host`` of the path."""
    asked = read(body, RegistryIn)
    check_frame(asked, "Registry")
    named = asked.metadata.name if asked.metadata else None
    address = RegistryAddress.parse(host, field="host")
    if named and RegistryAddress.parse(named, field="metadata.name").netloc != address.netloc:
        raise InvalidInput("metadata.name", problem="is not the registry of the path", rule=f"use {host!r}")
    spec = asked.spec or RegistrySpec()
    return RegistrySettings(
        netloc=host,
        ca_pem=spec.ca or "",
        plain_http=bool(spec.plain_http),
        proxy=spec.proxy or "",
        realm_hosts=tuple(spec.realm_hosts or ()),
    )


def document(known: RegistrySettings) -> bytes:
    """Return the document of a registry's settings."""
    spec = RegistrySpec(
        ca=known.ca_pem or None,
        plain_http=known.plain_http,
        proxy=known.proxy or None,
        realm_hosts=list(known.realm_hosts) or None,
    )
    metadata = RegistryMetadata(known.netloc)
    return msgspec.json.encode(
        RegistryDocument(api_version=API_VERSION, kind="Registry", metadata=metadata, spec=spec)
    )
