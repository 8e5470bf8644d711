"""Requests to one Docker Engine, and the two ways in which they fail: refused, or no answer.

Written over aiohttp, see decision 23. Bodies are padded beyond 4 KiB: a daemon at debug level logs every
shorter one, and with it the environment of a container.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec

from towline.dialing import GuardedResolver
from towline.domain.causes import FindingCode
from towline.domain.errors import EngineFailed
from towline.domain.findings import Finding
from towline.domain.proof import Platform
from towline.engines.docker.tunnel import Tunnel
from towline.engines.wording import cleaned

if TYPE_CHECKING:
    from towline.engines.docker.address import EngineAddress

Json = Any
"""A decoded answer: foreign, and looked at where it is used."""

NEWEST_KNOWN = (1, 47)
LOGGED_BY_DEBUG = 4096
_CONNECT = 5.0
_PATIENCE = 120.0
_MOST_WORDS = 64 << 10


class Refused(Exception):
    """The Engine answered with an error; ``said`` is its own text."""

    def __init__(self, status: int, said: str) -> None:
        self.status = status
        self.said = said
        super().__init__(f"{status}: {said}")


@dataclass(frozen=True, slots=True)
class About:
    """What an Engine says about itself."""

    version: str
    platform: Platform
    is_podman: bool


@dataclass(frozen=True, slots=True)
class Room:
    """What an Engine keeps: images as it tells them, and bytes; ``free`` is None where nobody can tell."""

    images: tuple[Json, ...]
    used: int
    free: int | None


class Daemon:
    """One Engine. Every method raises Refused, or EngineFailed with ``engine-unreachable``."""

    def __init__(self, address: EngineAddress) -> None:
        self.address = address
        self._tunnel = Tunnel(address) if address.by_ssh else None
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        """For questions, whose connections are kept, and for changes, which dial anew each."""
        self._version = ""
        self.is_podman = False
        """Whether podman answers, known from the first answer on; decision 39 says what that changes."""

    async def close(self) -> None:
        """Close all connections."""
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            await session.close()
        if self._tunnel is not None:
            await self._tunnel.close()

    async def about(self) -> About:
        """Ask the Engine what it is, and settle which version of its API is spoken."""
        found = await self._asked("GET", "/version", patience=_CONNECT)
        try:
            spoken = min(_number(found["ApiVersion"]), NEWEST_KNOWN)
            oldest = _number(found.get("MinAPIVersion") or "1.0")
            platform = Platform(str(found["Os"]), str(found["Arch"]))
            parts = [str(part.get("Name", "")) for part in found.get("Components") or ()]
            about = About(str(found["Version"]), platform, "Podman Engine" in parts)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise self.unreachable(ValueError("what answers is no Docker Engine")) from error
        self._version = "/v{}.{}".format(*max(spoken, oldest))
        self.is_podman = about.is_podman
        return about

    async def identity(self) -> tuple[str, ...]:
        """Return by what the Engine, and a swarm that it manages, is told from all others.

        Two daemons of one machine have the same ID where that is made from the machine's key: their folders
        differ.
        """
        info = await self.ask("GET", "/info", patience=_CONNECT) or {}
        cluster = ((info.get("Swarm") or {}).get("Cluster") or {}).get("ID")
        ident, root = str(info.get("ID") or ""), str(info.get("DockerRootDir") or "")
        return (f"docker:{ident}:{root}", *([f"swarm:{cluster}"] if cluster else []))

    async def room(self) -> Room:
        """Return what the Engine keeps."""
        used = await self.ask("GET", "/system/df", {"type": "image"}) or {}
        info = await self.ask("GET", "/info") or {}
        free = (
            await asyncio.to_thread(_free, str(info.get("DockerRootDir") or "")) if self._is_local else None
        )
        return Room(tuple(used.get("Images") or ()), int(used.get("LayersSize") or 0), free)

    @property
    def _is_local(self) -> bool:
        return bool(self.address.socket) and not self.address.by_ssh

    async def ping(self, *, patience: float = _CONNECT) -> None:
        """Return when the Engine answers."""
        await self._asked("GET", "/_ping", patience=patience)

    async def ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        patience: float = _PATIENCE,
    ) -> Json:
        """Return the decoded answer, None where there is none."""
        await self._settled()
        path = self._version + path
        return await self._asked(method, path, query, body=body, headers=headers, patience=patience)

    async def send(self, path: str, query: Mapping[str, str], content: bytes, *, kind: str) -> None:
        """Put content of a media type there."""
        await self._settled()
        path, headers = self._version + path, {"Content-Type": kind}
        await self._asked("PUT", path, query, content=content, headers=headers, patience=_PATIENCE)

    async def has_api(self, major: int, minor: int) -> bool:
        """Whether the Engine speaks at least this version of its API."""
        await self._settled()
        return _number(self._version.removeprefix("/v")) >= (major, minor)

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        *,
        body: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[aiohttp.StreamReader]:
        """Open an answer that comes bit by bit; failures while it comes are translated too."""
        await self._settled()
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT)
        data, headers = _sent(body, headers)
        try:
            async with (await self._opened(method)).request(
                method, self.address.url + self._version + path, params=query, data=data, headers=headers,
                timeout=timeout,
            ) as answer:  # fmt: skip
                if answer.status >= 400:
                    raise _refused(answer.status, await answer.content.read(_MOST_WORDS))
                yield answer.content
        except (OSError, aiohttp.ClientError, TimeoutError) as error:
            raise self.unreachable(error) from error

    def unreachable(self, error: BaseException) -> EngineFailed:
        """Return the failure that an Engine does not answer."""
        detail = f"{self.address}: {_reason(error)}"
        return EngineFailed(Finding(FindingCode.ENGINE_UNREACHABLE, detail=detail))

    async def _settled(self) -> None:
        if not self._version:
            await self.about()

    async def _asked(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: Mapping[str, object] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        patience: float,
    ) -> Json:
        timeout = aiohttp.ClientTimeout(total=patience, sock_connect=_CONNECT)
        data, headers = _sent(body, headers) if content is None else (content, headers)
        try:
            async with (await self._opened(method)).request(
                method, self.address.url + path, params=query, data=data, headers=headers, timeout=timeout
            ) as answer:
                said = await answer.read()
        except (OSError, aiohttp.ClientError, TimeoutError) as error:
            raise self.unreachable(error) from error
        if answer.status >= 400:
            raise _refused(answer.status, said)
        return _decoded(said)

    async def _opened(self, method: str) -> aiohttp.ClientSession:
        """Return what makes requests; raise OSError where the way to the Engine cannot be opened.

        A daemon that is told to end listens no more and ends its containers, but goes on answering on
        connections that it has. Who starts a container over one then leaves a mount behind that the next
        daemon cannot remove: so changes never take a connection that was there before.
        """
        if self._tunnel is not None:
            await self._tunnel.up()
        is_change = method != "GET"
        if is_change not in self._sessions:
            connector = self._connector(is_change=is_change)
            self._sessions[is_change] = aiohttp.ClientSession(connector=connector, trust_env=False)
        return self._sessions[is_change]

    def _connector(self, *, is_change: bool) -> aiohttp.BaseConnector:
        address = self.address
        socket = str(self._tunnel.path) if self._tunnel is not None else address.socket
        if socket:
            return aiohttp.UnixConnector(socket, limit=0, force_close=is_change)
        resolver = GuardedResolver(address.guard) if address.guard is not None else None
        return aiohttp.TCPConnector(
            limit=0, ssl=address.tls() or True, resolver=resolver, force_close=is_change
        )


@contextmanager
def translated() -> Iterator[None]:
    """Turn a refusal that has no meaning of its own into the error that everybody knows."""
    try:
        yield
    except Refused as refused:
        raise EngineFailed(Finding(FindingCode.ENGINE_ERROR, cleaned(refused.said.encode()))) from refused


async def lines(content: aiohttp.StreamReader) -> AsyncIterator[Json]:
    """Yield the documents of a stream of JSON, one a line."""
    rest = b""
    async for chunk in content.iter_any():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            if document := _decoded(line):
                yield document
        if len(rest) > (1 << 20):
            raise aiohttp.ClientPayloadError("a line without end")
    if document := _decoded(rest):
        yield document


def _sent(
    body: Mapping[str, object] | None, headers: Mapping[str, str] | None
) -> tuple[bytes | None, Mapping[str, str]]:
    """Return what is sent: a body too long for a log, and the headers."""
    if body is None:
        return None, headers or {}
    data = msgspec.json.encode(body).ljust(LOGGED_BY_DEBUG + 1)
    return data, {**(headers or {}), "Content-Type": "application/json"}


def _decoded(content: bytes) -> Json:
    try:
        return msgspec.json.decode(content) if content.strip() else None
    except msgspec.DecodeError:
        return None


def _refused(status: int, content: bytes) -> Refused:
    document = _decoded(content)
    said = document.get("message") if isinstance(document, dict) else None
    return Refused(status, str(said or content[:200].decode(errors="replace")).strip())


def _reason(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        error = error.os_error
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason}"
    if isinstance(error, asyncio.TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__


def _free(path: str) -> int | None:
    """Return how many bytes are free where an Engine of this machine keeps its data."""
    try:
        return shutil.disk_usage(path).free
    except OSError:
        return None


def _number(version: str) -> tuple[int, int]:
    major, _, minor = version.partition(".")
    return int(major), int(minor)
