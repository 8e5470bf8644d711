"""Requests to registries: guarded addresses, limits on everything, no redirects, no cookies, evidence."""

from __future__ import annotations

import socket
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import aiohttp
import msgspec
from yarl import URL

from towline.dialing import AddressRefused, Guard, Lookup, system_lookup
from towline.domain.causes import FindingCode
from towline.domain.findings import Exchange
from towline.registry.challenge import Challenge, parse_challenges
from towline.registry.cleaning import Blot, cleaned
from towline.registry.evidence import shown_challenges, shown_location
from towline.registry.failures import NoAnswer, TooLarge, translated
from towline.registry.lanes import Lanes, Way
from towline.registry.pauses import Pauses

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from towline.domain.registry import RegistrySettings
    from towline.ports import RegistryTurns

MOST_BODY = 4 << 20
MOST_TEXT = 16 << 10
_SHOWN_HEADERS = (
    "content-type", "docker-content-digest", "docker-distribution-api-version", "retry-after",
    "ratelimit-limit", "ratelimit-remaining", "docker-ratelimit-source",
)  # fmt: skip
_PROXY_WANTS_LOGIN = 407
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
    blot: Blot = field(default_factory=Blot)

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
        return cleaned(self.blot(self.body[:MOST_TEXT].decode(errors="replace")))


@dataclass(slots=True)
class Trail:
    """The evidence of one proof, in order."""

    exchanges: list[Exchange] = field(default_factory=list)
    blot: Blot = field(default_factory=Blot)
    """What no foreign text may show."""

    def note(
        self, method: str, url: URL, *, sent: str, reply: Reply | None, error: str, began: float
    ) -> None:
        """Add one request and its answer."""
        headers = reply.headers if reply else {}
        shown = tuple((name, headers[name]) for name in _SHOWN_HEADERS if name in headers)
        if reply:
            shown += shown_challenges(reply.challenges) + shown_location(url, headers.get("location"))
        self.exchanges.append(
            Exchange(
                method,
                str(url.origin()),
                cleaned(self.blot(url.path)),
                sent=sent,
                status=reply.status if reply else None,
                error=error or (", ".join(code for code, _ in reply.errors) if reply else ""),
                headers=tuple((name, cleaned(self.blot(text))) for name, text in shown),
                milliseconds=round((time.monotonic() - began) * 1000),
            )
        )


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked, with a ``form`` or ``content`` of another type where it has a body.

    ``sent`` names the authorization in headers or body, for the evidence.
    """

    method: str
    url: URL
    headers: Mapping[str, str] = field(default_factory=dict)
    sent: str = "none"
    most_body: int = MOST_BODY
    form: Mapping[str, str] | None = field(default=None, repr=False)
    content: bytes | None = field(default=None, repr=False)
    account: str = ""
    """As whom: what a registry counts requests by; empty where only its presence is asked for."""
    led_by: URL | None = None
    """The registry, when its realm or redirect named this place rather than the user."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a registry may take, in seconds: for one answer in all, to connect, between two reads.

    A download has no limit in all, only the longer ``stall`` between two reads.
    """

    answer: float = 20
    connect: float = 8
    read: float = 15
    stall: float = 60

    @property
    def question(self) -> aiohttp.ClientTimeout:
        """The limits of a question."""
        return aiohttp.ClientTimeout(total=self.answer, sock_connect=self.connect, sock_read=self.read)

    @property
    def download(self) -> aiohttp.ClientTimeout:
        """The limits of a download."""
        return aiohttp.ClientTimeout(total=None, sock_connect=self.connect, sock_read=self.stall)


class Transport:
    """Sends requests; every failure comes out as NoAnswer."""

    def __init__(
        self,
        guard: Guard,
        lookup: Lookup = system_lookup,
        patience: Patience | None = None,
        *,
        turns: RegistryTurns | None = None,
        pauses: Pauses | None = None,
    ) -> None:
        self._guard = guard
        self._lookup = lookup
        self._patience = patience or Patience()
        self._lanes = Lanes(lookup, turns)
        self._pauses = pauses or Pauses()

    async def ask(self, request: Request, settings: RegistrySettings, trail: Trail) -> Reply:
        """Return the answer to one request; no redirect is followed.

        A registry that asked for a pause is not asked before it is over: its last answer counts.
        """
        began = time.monotonic()
        if (seconds := self._pauses.left(request.url, request.account)) is not None:
            reply = _paused(seconds)
            words = f"not asked: it wants a pause of {seconds} s more"
            trail.note(request.method, request.url, sent="none", reply=reply, error=words, began=began)
            return reply
        try:
            async with self._opened(request, settings, downloads=False) as response:
                reply = await _read(response, request, trail.blot)
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
        if request.method != "HEAD":  # the same is asked by GET then, for the words
            self._pauses.note(request.url, request.account, status=reply.status, headers=reply.headers)
        return reply

    @asynccontextmanager
    async def download(
        self, request: Request, settings: RegistrySettings
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Open an answer whose body is streamed; no redirect is followed."""
        async with self._opened(request, settings, downloads=True) as response:
            yield response

    async def close(self) -> None:
        """Close all connections."""
        await self._lanes.close()

    @asynccontextmanager
    async def _opened(
        self, request: Request, settings: RegistrySettings, *, downloads: bool
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        shown, proxy = request.url.authority, URL(settings.proxy).raw_host or ""
        guard = await self._guard_for(request, settings)
        limits = self._patience.download if downloads else self._patience.question
        if proxy:
            self._check_proxy(proxy, shown)
        try:
            guard.check_host(request.url.raw_host or "")
            way = Way(settings.ca_pem, guard, downloads)
            async with (
                self._lanes.on(way, request.url.origin()) as session,
                session.request(
                    request.method,
                    request.url,
                    headers={"Accept-Encoding": "identity", **request.headers},
                    data=request.form if request.content is None else request.content,
                    allow_redirects=False,
                    timeout=limits,
                    proxy=settings.proxy or None,
                ) as response,
            ):
                if response.status == _PROXY_WANTS_LOGIN:
                    raise NoAnswer(FindingCode.PROXY_ERROR, f"the proxy before {shown} asks for a login")
                yield response
        except AddressRefused as error:
            raise translated(error, shown) from error
        except _BROKEN as error:
            raise translated(error, shown, proxy=proxy) from error

    def _check_proxy(self, proxy: str, shown: str) -> None:
        """Raise NoAnswer for a proxy at an address that is never dialled: literal ones meet no resolver."""
        try:
            self._guard.check_host(proxy)
        except AddressRefused as error:
            detail = f"the proxy before {shown} is not dialled: {error}"
            raise NoAnswer(FindingCode.PROXY_ERROR, detail) from error

    async def _guard_for(self, request: Request, settings: RegistrySettings) -> Guard:
        """Return the rules for where ``request`` goes: stricter where a public registry has led us."""
        host, leader = request.url.raw_host, request.led_by
        if leader is None or host == leader.raw_host or host in settings.realm_hosts or settings.proxy:
            return self._guard
        return self._guard if await self._is_inside(leader) else replace(self._guard, outward=True)

    async def _is_inside(self, registry: URL) -> bool:
        try:
            found = await self._lookup(registry.raw_host or "", registry.port or 443, socket.AF_UNSPEC)
        except OSError:
            return False
        return any(self._guard.is_inside(address) for address, _ in found)


def _paused(seconds: int) -> Reply:
    words = b"the registry said that it had been asked too often, and when to come back"
    return Reply(429, {"retry-after": str(seconds)}, (), words)


async def _read(response: aiohttp.ClientResponse, request: Request, blot: Blot) -> Reply:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > request.most_body:
            raise TooLarge(request.url.authority, request.most_body)
    headers = {name.lower(): value for name, value in response.headers.items()}
    challenges = parse_challenges(response.headers.getall("WWW-Authenticate", []))
    content = bytes(body)
    errors = _errors(content, response.status, blot)
    return Reply(response.status, headers, challenges, content, errors=errors, blot=blot)


def _errors(body: bytes, status: int, blot: Blot) -> tuple[tuple[str, str], ...]:
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
            (cleaned(blot(str(each.get("code", "")))), cleaned(blot(str(each.get("message", "")))))
            for each in entries
        )
    code, words = document.get("error"), document.get("error_description") or document.get("details")
    return ((cleaned(blot(str(code or ""))), cleaned(blot(str(words or "")))),) if code or words else ()
