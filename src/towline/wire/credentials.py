"""The doors on the wire: the one file that writes a stored password into an answer.

Forms: docker's credential helper protocol, the kubelet's credential provider, docker's config.json and
.dockercfg, Kubernetes' Secret of type ``kubernetes.io/dockerconfigjson``.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import assert_never

import msgspec

from towline.domain.credential import Password, authorization_token
from towline.domain.doors import ExportFormat
from towline.domain.errors import InvalidInput
from towline.domain.image import ImageReference
from towline.ports import PullToken, ResolvedCredential
from towline.wire.metadata import rfc3339, rfc3339_or_none
from towline.wire.problems import read, required

_encode = msgspec.json.Encoder().encode
_NAMESPACE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


class ServerIn(msgspec.Struct, rename="camel"):
    """Which registry a credential helper was asked for."""

    server_url: str | None = msgspec.field(default=None, name="serverURL")


class StoreIn(ServerIn):
    """A login that a tool wants kept."""

    username: str | None = None
    secret: str | None = None


class CredentialDocument(msgspec.Struct, rename="camel", omit_defaults=True):
    """A credential on its way to a tool. ``offlineMinutes``: how long it may be kept for bad times.

    ``expiresAt`` is known of credentials that Towline mints.
    """

    server_url: str = msgspec.field(name="serverURL")
    username: str
    secret: str
    name: str
    version: int
    offline_minutes: int = 0
    expires_at: str | None = None


class RegistriesDocument(msgspec.Struct):
    """User names by registry."""

    registries: dict[str, str]


class StoredDocument(msgspec.Struct):
    """The secret that a tool's login is, or was, kept as."""

    name: str


class KubeletIn(msgspec.Struct, rename="camel"):
    """What a kubelet's credential provider was asked."""

    image: str | None = None
    service_account_token: str | None = None


class KubeletDocument(msgspec.Struct, rename="camel"):
    """What it is to answer: ``pattern`` is the key of its ``auth``."""

    pattern: str
    username: str
    password: str
    cache_key_type: str
    cache_seconds: int
    by_service_account: bool
    name: str
    version: int


class ExportIn(msgspec.Struct):
    """In which form to export, and the secret's name once more."""

    format: str | None = None
    confirm: str | None = None
    namespace: str | None = None


class ExportDocument(msgspec.Struct):
    """A file with a password in it."""

    name: str
    version: int
    format: str
    content: str


class PullTokenIn(msgspec.Struct):
    """For which repository a token is wanted."""

    image: str | None = None
    repository: str | None = None


class PullTokenDocument(msgspec.Struct):
    """A registry's token that can pull from one repository."""

    token: str
    expires_at: str
    registry: str
    repository: str
    scope: str
    name: str
    version: int


def server(body: bytes) -> str:
    """Return the registry that ``body`` names."""
    return required(read(body, ServerIn).server_url, field="serverURL")


def login(body: bytes) -> tuple[str, str, Password]:
    """Return registry, user name and password of a login to keep."""
    asked = read(body, StoreIn)
    return (
        required(asked.server_url, field="serverURL"),
        required(asked.username, field="username"),
        Password(required(asked.secret, field="secret")),
    )


def credential_document(
    server_url: str, resolved: ResolvedCredential, name: str, *, offline_minutes: int
) -> bytes:
    """Return a credential for the tool that asked for ``server_url``."""
    return _encode(
        CredentialDocument(
            server_url=server_url,
            username=resolved.credential.username,
            secret=resolved.credential.password.reveal(),
            name=name,
            version=resolved.secret_version,
            offline_minutes=offline_minutes,
            expires_at=rfc3339_or_none(resolved.expires_at),
        )
    )


def registries_document(registries: Mapping[str, str]) -> bytes:
    """Return user names by registry."""
    return _encode(RegistriesDocument(dict(registries)))


def stored_document(name: str) -> bytes:
    """Return which secret it was."""
    return _encode(StoredDocument(name))


def image_asked(body: bytes) -> tuple[ImageReference, Password]:
    """Return the image that a kubelet asks for, and the service account's token, empty where none came."""
    asked = read(body, KubeletIn)
    image = ImageReference.parse(required(asked.image, field="image"))
    return image, Password(asked.service_account_token or "")


def kubelet_document(
    resolved: ResolvedCredential,
    name: str,
    *,
    pattern: str,
    by_image: bool,
    by_service_account: bool,
    cache_seconds: int,
) -> bytes:
    """Return what a kubelet's credential provider is to answer; raise InvalidInput for identity tokens."""
    if resolved.credential.is_identity_token:
        raise InvalidInput(
            "image",
            problem="is opened by an identity token, which a kubelet cannot use",
            rule="keep a user name and a password for it",
        )
    return _encode(
        KubeletDocument(
            pattern=pattern,
            username=resolved.credential.username,
            password=resolved.credential.password.reveal(),
            cache_key_type="Image" if by_image else "Registry",
            cache_seconds=cache_seconds,
            by_service_account=by_service_account,
            name=name,
            version=resolved.secret_version,
        )
    )


def export_asked(body: bytes) -> tuple[ExportFormat, str, str]:
    """Return format, confirmation and namespace of an export."""
    asked = read(body, ExportIn)
    known = {each.value: each for each in ExportFormat}
    chosen = known.get(required(asked.format, field="format", rule=f"use {', '.join(known)}"))
    if chosen is None:
        raise InvalidInput("format", problem="is not known", rule=f"use {', '.join(known)}")
    namespace = asked.namespace or ""
    if namespace and not _NAMESPACE.fullmatch(namespace):
        raise InvalidInput(
            "namespace",
            problem=f"{namespace[:60]!a} is not a namespace's name",
            rule="use at most 63 lower-case letters, digits and '-'",
        )
    return chosen, required(asked.confirm, field="confirm", rule="send the secret's name"), namespace


def export_document(
    resolved: ResolvedCredential, name: str, *, email: str, form: ExportFormat, namespace: str
) -> bytes:
    """Return the file that was asked for, with where it came from."""
    content = _file(resolved, name, email=email, form=form, namespace=namespace)
    return _encode(ExportDocument(name, resolved.secret_version, form.value, content))


def token_asked(body: bytes) -> tuple[str, str]:
    """Return the image or the repository that a token is wanted for; one of them is empty."""
    asked = read(body, PullTokenIn)
    return asked.image or "", asked.repository or ""


def pull_token_document(token: PullToken, image: ImageReference, name: str, *, version: int) -> bytes:
    """Return a registry's token."""
    return _encode(
        PullTokenDocument(
            token=token.token.reveal(),
            expires_at=rfc3339(token.expires_at),
            registry=image.registry,
            repository=image.repository,
            scope=token.scope,
            name=name,
            version=version,
        )
    )


def _file(resolved: ResolvedCredential, name: str, *, email: str, form: ExportFormat, namespace: str) -> str:
    key = resolved.address.key.removeprefix("http://")
    match form:
        case ExportFormat.CONFIG_JSON:
            return _pretty({"auths": {key: _config_entry(resolved)}})
        case ExportFormat.DOCKERCFG:
            return _pretty({key: _full_entry(resolved, email)})
        case ExportFormat.KUBERNETES:
            content = json.dumps({"auths": {key: _full_entry(resolved, email)}}, ensure_ascii=False)
            return _kubernetes(name, namespace, content)
        case _:
            assert_never(form)


def _config_entry(resolved: ResolvedCredential) -> dict[str, str]:
    if resolved.credential.is_identity_token:
        return {"identitytoken": resolved.credential.password.reveal()}
    return {"auth": authorization_token(resolved.credential).reveal()}


def _full_entry(resolved: ResolvedCredential, email: str) -> dict[str, str]:
    """All that any reader looks for: some read ``auth`` alone, others user name and password."""
    return {
        "username": resolved.credential.username,
        "password": resolved.credential.password.reveal(),
        "email": email,
        "auth": authorization_token(resolved.credential).reveal(),
    }


def _pretty(document: Mapping[str, object]) -> str:
    return json.dumps(document, indent="\t", ensure_ascii=False) + "\n"


def _kubernetes(name: str, namespace: str, content: str) -> str:
    placed = f"  namespace: {json.dumps(namespace)}\n" if namespace else ""
    return (
        "apiVersion: v1\nkind: Secret\nmetadata:\n"
        f"  name: {json.dumps(name)}\n{placed}"
        "type: kubernetes.io/dockerconfigjson\ndata:\n"
        f"  .dockerconfigjson: {base64.b64encode(content.encode()).decode()}\n"
    )
