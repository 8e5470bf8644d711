"""Where a Docker Engine answers, as ``DOCKER_HOST`` writes it."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from towline.domain.errors import InvalidInput

_FIELD = "docker_host"
_RULE = "write unix:///var/run/docker.sock or tcp://host:2376"


@dataclass(frozen=True, slots=True)
class EngineAddress:
    """A socket's path, or host and port; ``certificates`` is the folder of ca.pem, cert.pem and key.pem."""

    socket: str = ""
    host: str = ""
    port: int = 0
    certificates: str = ""

    @classmethod
    def parse(cls, text: str, *, certificates: str = "") -> Self:
        """Return the address; raise InvalidInput, also for one that would carry passwords in the clear."""
        scheme, _, rest = text.partition("://")
        if scheme == "unix" and rest.startswith("/"):
            return cls(socket=rest)
        if scheme != "tcp":
            raise InvalidInput(_FIELD, problem=f"{text!r} is not an Engine's address", rule=_RULE)
        try:
            parts = urlsplit(text)
            host, port = parts.hostname or "", parts.port or (2376 if certificates else 2375)
        except ValueError as error:
            raise InvalidInput(_FIELD, problem=f"{text!r}: {error}", rule=_RULE) from error
        if not host or parts.path not in ("", "/") or parts.username is not None:
            raise InvalidInput(_FIELD, problem=f"{text!r} is not an Engine's address", rule=_RULE)
        if not certificates and not _is_loopback(host):
            raise InvalidInput(
                _FIELD,
                problem=f"{text!r} would carry logins over the network in the clear",
                rule="give docker_cert_path, the folder of ca.pem, cert.pem and key.pem",
            )
        return cls(host=host, port=port, certificates=certificates)

    @property
    def is_here(self) -> bool:
        """Whether the Engine runs on this machine, so that its containers' own addresses can be reached."""
        return bool(self.socket) or _is_loopback(self.host)

    @property
    def url(self) -> str:
        """The address under which HTTP requests are made."""
        if self.socket:
            return "http://engine"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.certificates else 'http'}://{host}:{self.port}"

    def tls(self) -> ssl.SSLContext | None:
        """Return what proves both sides to each other, None without TLS; raise InvalidInput."""
        if not self.certificates:
            return None
        folder = Path(self.certificates)
        try:
            context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
            context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        except OSError as error:
            raise InvalidInput(
                "docker_cert_path",
                problem=f"{folder}: {error.strerror or error}",
                rule="name a folder with ca.pem, cert.pem and key.pem",
            ) from error
        return context

    def __str__(self) -> str:
        return f"unix://{self.socket}" if self.socket else f"tcp://{self.host}:{self.port}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
