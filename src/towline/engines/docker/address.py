"""Where a Docker Engine answers, as ``DOCKER_HOST`` writes it."""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import SplitResult, urlsplit

from towline.dialing import AddressRefused, Guard
from towline.domain.engine import EngineKeys
from towline.domain.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterator

_FIELD = "docker_host"
_RULE = "write unix:///var/run/docker.sock, tcp://host:2376 or ssh://user@host"
_USUAL_SOCKET = "/var/run/docker.sock"
_SSH_PORT = 22
_SSH_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
_SSH_HOST = re.compile(r"[A-Za-z0-9:][A-Za-z0-9.:_-]{0,252}")
_PATH = re.compile(r"(?:/[A-Za-z0-9._@-]+)+")


@dataclass(frozen=True, slots=True)
class EngineAddress:
    """Where an Engine is: a socket's path; or host and port; or, by ssh, a socket's path on another machine.

    Over TCP both sides are proved by ``certificates``, a folder of ca.pem, cert.pem and key.pem, or ``keys``.
    With ``guard`` the addresses that a host's name leads to are checked before they are dialled.
    """

    socket: str = ""
    host: str = ""
    port: int = 0
    certificates: str = ""
    user: str = ""
    by_ssh: bool = False
    keys: EngineKeys | None = field(default=None, repr=False)
    guard: Guard | None = None
    run: Path | None = None
    """Where the sockets of tunnels are made, a folder of this process alone."""

    @classmethod
    def parse(cls, text: str, *, certificates: str = "") -> Self:
        """Return the address; raise InvalidInput, also for one that would carry passwords in the clear."""
        scheme, _, rest = text.partition("://")
        if scheme == "unix" and rest.startswith("/"):
            return cls(socket=rest)
        if scheme not in ("tcp", "ssh"):
            raise InvalidInput(_FIELD, problem=f"{text!r} is not an Engine's address", rule=_RULE)
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError as error:
            raise InvalidInput(_FIELD, problem=f"{text!r}: {error}", rule=_RULE) from error
        if parts.password is not None:
            raise InvalidInput(
                _FIELD, problem="holds a password", rule="ssh takes keys, and tcp certificates"
            )
        if not parts.hostname or parts.query or parts.fragment:
            raise InvalidInput(_FIELD, problem=f"{text!r} is not an Engine's address", rule=_RULE)
        if scheme == "ssh":
            return cls._by_ssh(text, parts)
        if parts.path not in ("", "/") or parts.username is not None:
            raise InvalidInput(_FIELD, problem=f"{text!r} is not an Engine's address", rule=_RULE)
        port = port or (2376 if certificates else 2375)
        if not certificates and not _is_loopback(parts.hostname):
            raise InvalidInput(
                _FIELD,
                problem=f"{text!r} would carry logins over the network in the clear",
                rule="give docker_cert_path, the folder of ca.pem, cert.pem and key.pem",
            )
        return cls(host=parts.hostname, port=port, certificates=certificates)

    @classmethod
    def added(cls, text: str, keys: EngineKeys, *, run: Path | None = None) -> Self:
        """Return the address of an engine that an admin added, with what opens it; raise InvalidInput."""
        named = "spec.address"
        guard = Guard()
        is_secure = bool(keys.ca)
        try:
            address = cls.parse(text, certificates="keys" if is_secure else "")
            if address.host:
                guard.check_host(address.host)
        except InvalidInput as error:
            rule = "give the TLS keys: --tls-ca, --tls-cert, --tls-key" if "clear" in error.problem else _RULE
            raise InvalidInput(named, problem=error.problem, rule=rule) from None
        except AddressRefused as error:
            raise InvalidInput(named, problem=str(error), rule="name the Engine's own address") from error
        if is_secure and (address.by_ssh or address.socket):
            raise InvalidInput("spec.tls", problem="comes with no tcp:// address", rule="leave it out")
        made = replace(address, certificates="", keys=keys if is_secure else None, guard=guard, run=run)
        made.tls()
        return made

    @classmethod
    def _by_ssh(cls, text: str, parts: SplitResult) -> Self:
        """Return a socket on another machine; what could be taken for an option of ssh is refused."""
        user, host, path = parts.username or "", parts.hostname or "", parts.path.rstrip("/") or _USUAL_SOCKET
        if (user and not _SSH_USER.fullmatch(user)) or not _SSH_HOST.fullmatch(host):
            raise InvalidInput(_FIELD, problem=f"{text!r} names no user and host for ssh", rule=_RULE)
        if not _PATH.fullmatch(path):
            raise InvalidInput(
                _FIELD, problem=f"{text!r} names no socket", rule="write ssh://user@host/run/docker.sock"
            )
        return cls(socket=path, host=host, port=parts.port or _SSH_PORT, user=user, by_ssh=True)

    @property
    def is_secure(self) -> bool:
        """Whether both sides are proved to each other by TLS."""
        return bool(self.certificates) or self.keys is not None

    @property
    def is_here(self) -> bool:
        """Whether the Engine runs on this machine, so that its containers' own addresses can be reached."""
        return not self.by_ssh and (bool(self.socket) or _is_loopback(self.host))

    @property
    def url(self) -> str:
        """The address under which HTTP requests are made."""
        if self.socket:
            return "http://engine"
        return f"{'https' if self.is_secure else 'http'}://{_bracketed(self.host)}:{self.port}"

    def tls(self) -> ssl.SSLContext | None:
        """Return what proves both sides to each other, None without TLS; raise InvalidInput."""
        if self.keys is not None:
            return _context(self.keys)
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
        if self.by_ssh:
            user = f"{self.user}@" if self.user else ""
            return f"ssh://{user}{_bracketed(self.host)}:{self.port}{self.socket}"
        return f"unix://{self.socket}" if self.socket else f"tcp://{_bracketed(self.host)}:{self.port}"


def _context(keys: EngineKeys) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=keys.ca)
    except (ssl.SSLError, ValueError) as error:
        raise InvalidInput("spec.tls.ca", problem="is no certificate", rule="give it in PEM") from error
    if not keys.certificate:
        return context
    try:
        with _in_memory(f"{keys.certificate}\n{keys.key.reveal()}\n") as path:
            context.load_cert_chain(path)
    except (ssl.SSLError, ValueError) as error:
        problem = "and spec.tls.key do not belong together, or are not PEM without a passphrase"
        raise InvalidInput("spec.tls.cert", problem=problem, rule="give both in PEM") from error
    return context


@contextmanager
def _in_memory(text: str) -> Iterator[str]:
    """Yield the path of a file that is on no disk: OpenSSL reads keys from files alone."""
    handle = os.memfd_create("key", os.MFD_CLOEXEC)
    try:
        os.write(handle, text.encode())
        yield f"/proc/self/fd/{handle}"
    finally:
        os.close(handle)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
