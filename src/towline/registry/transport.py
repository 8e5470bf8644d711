"""Requests to registries: guarded addresses, limits on everything, no redirects, no cookies, evidence.

One session per way of connecting (authority, proxy), shared by all conversations, with at most three
connections to a registry.
"""

from __future__ import annotations

import ssl
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp
import msgspec

from towline.domain.findings import Exchange
from towline.registry.challenge import Challenge, parse_challenges
from towline.registry.cleaning import cleaned
from towline.registry.failures import NoAnswer, translated
from towline.registry.guard import AddressRefused, Guard, GuardedResolver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from yarl import URL

    from towline.domain.registry import RegistrySettings

CONNECTIONS_PER_REGISTRY = 3
MOST_BODY = 4 << 20
QUESTION = aiohttp.ClientTimeout(total=20, sock_connect=8, sock_read=15)
DOWNLOAD = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)

_SHOWN_HEADERS = (
    "content-type", "docker-content-digest", "docker-distribution-api-version", "retry-after",
    "ratelimit-limit", "ratelimit-remaining", "docker-ratelimit-source",
)  # fmt: skip
_BROKEN = (aiohttp.ClientError, OSError, TimeoutError, ValueError)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, its body read and limited."""

    status: int
    headers: Mapping[str, str]
    challenges: tuple[Challenge, ...]
    body: bytes
    errors: tuple[tuple[str, str], ...] = ()
    """The registry's own (code, message) pairs, cleaned."""

    @property
    def content_type(self) -> str:
        """The media type without parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def says(self, *codes: str) -> bool:
        """Whether one of the registry's error codes is among ``codes``."""
        return any(code in codes for code, _ in self.errors)

    def text(self) -> str:
        """Return what the registry says in words, cleaned, to be shown."""
        if self.errors:
            return "; ".join(f"{code}: {message}".strip(": ") for code, message in self.errors[:3])
        return cleaned(self.body[:2000].decode(errors="replace"))


@dataclass(slots=True)
class Trail:
    """The evidence of one proof, in order."""

    exchanges: list[Exchange] = field(default_factory=list)

    def note(
        self, method: str, url: URL, *, sent: str, reply: Reply | None, error: str, began: float
    ) -> None:
        """Add one request and its answer."""
        headers = reply.headers if reply else {}
        shown = tuple((name, cleaned(headers[name])) for name in _SHOWN_HEADERS if name in headers)
        self.exchanges.append(
            Exchange(
                method,
                str(url.origin()),
                cleaned(url.path),
                sent=sent,
                status=reply.status if reply else None,
                error=error or (", ".join(code for code, _ in reply.errors) if reply else ""),
                headers=shown,
                milliseconds=round((time.monotonic() - began) * 1000),
            )
        )


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked. ``sent`` names the kind of authorization in ``headers``, for the evidence."""

    method: str
    url: URL
    headers: Mapping[str, str] = field(default_factory=dict)
    sent: str = "none"
    most_body: int = MOST_BODY


class Transport:
    """Sends requests; every failure comes out as NoAnswer."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    async def ask(self, request: Request, settings: RegistrySettings, trail: Trail) -> Reply:
        """Return the answer to one request; no redirect is followed."""
        began = time.monotonic()
        try:
            async with self._opened(request, settings, limits=QUESTION) as response:
                reply = await _read(response, request)
        except NoAnswer as failure:
            trail.note(
                request.method,
                request.url,
                sent=request.sent,
                reply=None,
                error=failure.code.value,
                began=began,
            )
            raise
        trail.note(request.method, request.url, sent=request.sent, reply=reply, error="", began=began)
        return reply

    @asynccontextmanager
    async def download(
        self, request: Request, settings: RegistrySettings
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Open an answer whose body is streamed; no redirect is followed."""
        async with self._opened(request, settings, limits=DOWNLOAD) as response:
            yield response

    async def close(self) -> None:
        """Close all connections."""
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            await session.close()

    @asynccontextmanager
    async def _opened(
        self, request: Request, settings: RegistrySettings, *, limits: aiohttp.ClientTimeout
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        host = request.url.host or ""
        shown = request.url.authority
        try:
            self._guard.check_host(host)
            async with self._session(settings).request(
                request.method,
                request.url,
                headers={"Accept-Encoding": "identity", **request.headers},
                allow_redirects=False,
                timeout=limits,
                proxy=settings.proxy or None,
            ) as response:
                yield response
        except AddressRefused as error:
            raise translated(error, shown) from error
        except _BROKEN as error:
            raise translated(error, shown) from error

    def _session(self, settings: RegistrySettings) -> aiohttp.ClientSession:
        """Return the session for this authority; made when first needed."""
        session = self._sessions.get(settings.ca_pem)
        if session is None:
            connector = aiohttp.TCPConnector(
                ssl=_tls_context(settings.ca_pem),
                limit=0,
                limit_per_host=CONNECTIONS_PER_REGISTRY,
                resolver=GuardedResolver(self._guard),
                ttl_dns_cache=10,
            )
            session = self._sessions[settings.ca_pem] = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                read_bufsize=1 << 20,
                headers={"User-Agent": "towline"},
            )
        return session


def _tls_context(ca_pem: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_pem:
        context.load_verify_locations(cadata=ca_pem)
    return context


async def _read(response: aiohttp.ClientResponse, request: Request) -> Reply:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > request.most_body:
            raise ValueError("the answer is larger than any sound one")
    headers = {name.lower(): value for name, value in response.headers.items()}
    challenges = parse_challenges(response.headers.getall("WWW-Authenticate", []))
    return Reply(
        response.status, headers, challenges, bytes(body), errors=_errors(bytes(body), response.status)
    )


def _errors(body: bytes, status: int) -> tuple[tuple[str, str], ...]:
    """Return the error pairs of a registry's or token server's body (distribution-spec, RFC 6749, Hub)."""
    if status < 400 or body.lstrip()[:1] != b"{":
        return ()
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return ()
    listed = document.get("errors")
    if isinstance(listed, list):
        entries = [each for each in listed if isinstance(each, dict)][:5]
        return tuple(
            (cleaned(str(each.get("code", ""))), cleaned(str(each.get("message", "")))) for each in entries
        )
    code, words = document.get("error"), document.get("error_description") or document.get("details")
    return ((cleaned(str(code or "")), cleaned(str(words or ""))),) if code or words else ()
