"""Addresses of registries: what people type, and the one key under which a credential is kept.

Docker Hub has many names and one key, ``https://index.docker.io/v1/``; every other registry's key is
bare ``host[:port][/path]`` as docker writes it, or ``http://host[:port][/path]`` where plain HTTP was
declared. Facts: docker/cli ``cli/config``; moby ``daemon/pkg/registry``.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import SplitResult, urlsplit

from towline.domain.errors import InvalidInput
from towline.domain.image import HUB, ImageReference

HUB_KEY = "https://index.docker.io/v1/"
HUB_API_HOST = "registry-1.docker.io"

_HUB_NAMES = frozenset(
    {"docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com", "hub.docker.com"}
)
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DNS_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_PATH = re.compile(r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*")
_RULE = "write host, host:port or https://host:port, for example registry.example.com:5000"


@dataclass(frozen=True, slots=True)
class RegistryAddress:
    """Where a registry answers: ``host`` as in image references (``docker.io`` for Docker Hub).

    ``port`` is None where none was written. ``plain_http`` is a declared choice, never a guess.
    ``path`` limits a credential to repositories below it (no slashes at its ends; empty = all).
    """

    host: str
    port: int | None = None
    plain_http: bool = False
    path: str = ""

    @classmethod
    def parse(cls, text: str, *, field: str = "spec.docker.registry") -> Self:
        """Return the normalised address, or raise InvalidInput that says what is wrong with it."""
        scheme, rest = _cut_scheme(text.strip(), field)
        parts = _split(rest, field)
        host = _host(parts.hostname, field)
        path = _path(parts.path, field)
        if host in _HUB_NAMES:
            return cls._hub(path, field)
        return cls(host, _port(parts, field), plain_http=scheme == "http", path=path)

    @classmethod
    def hub(cls) -> Self:
        """Return Docker Hub."""
        return cls(HUB)

    @classmethod
    def of(cls, image: ImageReference) -> Self:
        """Return the registry that ``image`` names."""
        host, port = _split_host_port(image.registry)
        return cls(host, port)

    @classmethod
    def _hub(cls, path: str, field: str) -> Self:
        if path not in ("", "v1", "v2"):
            raise InvalidInput(
                field, problem="Docker Hub takes no path", rule="leave the registry out, or write docker.io"
            )
        return cls(HUB)

    @property
    def is_hub(self) -> bool:
        """Whether this is Docker Hub."""
        return self.host == HUB

    @property
    def netloc(self) -> str:
        """``host[:port]``, as it stands in image references."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.port else host

    @property
    def is_loopback(self) -> bool:
        """Whether the host is a loopback address or ``localhost`` by its text alone (no DNS)."""
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def key(self) -> str:
        """The one normalised text under which this registry is stored and shown."""
        if self.is_hub:
            return HUB_KEY
        path = f"/{self.path}" if self.path else ""
        return f"{'http://' if self.plain_http else ''}{self.netloc}{path}"

    def covers(self, image: ImageReference) -> bool:
        """Whether a credential stored for this address may be sent for ``image``.

        Security rule 1: host and port equal after parsing, path on segment boundaries; never a
        prefix or substring of text.
        """
        return self._is_at(RegistryAddress.of(image)) and self._is_above(image.repository)

    def opens(self, other: RegistryAddress) -> bool:
        """Whether a credential stored for this address may be given to who asks for ``other``.

        By the same rule; what is limited to a path opens that path, not the registry as a whole.
        """
        return self._is_at(other) and self._is_above(other.path)

    def _is_at(self, other: RegistryAddress) -> bool:
        default = 80 if self.plain_http else 443
        asked = other.port or (80 if other.plain_http else default)
        return self.host == other.host and (self.port or default) == asked

    def _is_above(self, path: str) -> bool:
        return not self.path or f"{path}/".startswith(f"{self.path}/")

    def __str__(self) -> str:
        return self.key


@dataclass(frozen=True, slots=True)
class RegistrySettings:
    """What a credential cannot say about a registry, kept per project and ``netloc``."""

    netloc: str
    ca_pem: str = ""
    plain_http: bool = False
    proxy: str = ""
    realm_hosts: tuple[str, ...] = ()

    @classmethod
    def default(cls, netloc: str) -> Self:
        """Return what holds for a registry that nobody has set anything for."""
        return cls(netloc)


def _cut_scheme(text: str, field: str) -> tuple[str, str]:
    if not text:
        raise InvalidInput(field, problem="is empty", rule=_RULE)
    if any(letter.isspace() or not letter.isprintable() for letter in text):
        raise InvalidInput(field, problem="holds blanks or control characters", rule=_RULE)
    scheme, separator, rest = text.partition("://")
    if not separator:
        return "", text
    if scheme.lower() not in ("http", "https"):
        raise InvalidInput(field, problem=f"scheme {scheme[:20]!a} is not one of a registry", rule=_RULE)
    return scheme.lower(), rest


def _split(rest: str, field: str) -> SplitResult:
    try:
        parts = urlsplit(f"//{rest}")
    except ValueError as error:
        raise InvalidInput(field, problem="is not an address", rule=_RULE) from error
    if "@" in parts.netloc:
        raise InvalidInput(
            field,
            problem="holds a user name or password",
            rule="give these in their own fields, not in the address",
        )
    if parts.query or parts.fragment or "?" in rest or "#" in rest:
        raise InvalidInput(field, problem="holds a query or fragment", rule=_RULE)
    return parts


def _host(host: str | None, field: str) -> str:
    if not host:
        raise InvalidInput(field, problem="names no host", rule=_RULE)
    if ":" in host:
        return _ipv6(host, field)
    if not host.isascii():
        rule = f"write its ASCII form{_ascii_form(host)}, as image names hold no other letters"
        raise InvalidInput(field, problem=f"{host[:80]!a} holds letters beyond ASCII", rule=rule)
    if len(host) > 253 or not _DNS_NAME.fullmatch(host):
        raise InvalidInput(field, problem=f"{host[:80]!a} is not a host name", rule=_RULE)
    return host.lower().rstrip(".")


def _ascii_form(host: str) -> str:
    """Return in words the form that DNS knows; empty where there is none."""
    try:
        form = host.encode("idna").decode()
    except UnicodeError:
        return ""
    return f" {form[:80]}" if _DNS_NAME.fullmatch(form) else ""


def _ipv6(host: str, field: str) -> str:
    try:
        return str(ipaddress.IPv6Address(host))
    except ValueError as error:
        raise InvalidInput(field, problem=f"{host[:80]!a} is not an IPv6 address", rule=_RULE) from error


def _path(path: str, field: str) -> str:
    """Cut the API's own ``/v1/`` and ``/v2/``, which people copy along."""
    bare = path.strip("/")
    if bare in ("v1", "v2"):
        return ""
    if bare and (len(bare) > 255 or not _PATH.fullmatch(bare)):
        raise InvalidInput(
            field,
            problem=f"{path[:80]!a} is not a repository path",
            rule="use lower-case parts joined by '/'",
        )
    return bare


def _port(parts: SplitResult, field: str) -> int | None:
    try:
        port = parts.port
    except ValueError as error:
        raise InvalidInput(field, problem="the port is not a number from 1 to 65535", rule=_RULE) from error
    if port == 0:
        raise InvalidInput(field, problem="port 0 does not exist", rule="use a port from 1 to 65535")
    if port is None and parts.netloc.endswith(":"):
        raise InvalidInput(field, problem="ends in a colon without a port", rule=_RULE)
    return port


def _split_host_port(netloc: str) -> tuple[str, int | None]:
    """Split what ImageReference has already checked."""
    if netloc.startswith("["):
        host, _, rest = netloc[1:].partition("]")
        return host, int(rest[1:]) if rest else None
    host, colon, port = netloc.partition(":")
    return host.lower(), int(port) if colon else None
