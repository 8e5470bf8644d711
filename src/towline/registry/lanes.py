"""Ways of connecting: a session for each authority and set of rules, and three requests at a time to a host.

Downloads have connections of their own, three for each server: layers take minutes, and a question must not
wait for them. The time that a registry may take begins when its turn has come.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import aiohttp

from towline.dialing import Guard, GuardedResolver, Lookup

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from yarl import URL

    from towline.ports import RegistryTurns

CONNECTIONS_PER_REGISTRY = 3
MOST_SESSIONS = 64


@dataclass(frozen=True, slots=True)
class Way:
    """How to connect: whom to trust beside the system's authorities, where not to go, and what for."""

    ca_pem: str
    guard: Guard
    downloads: bool = False


@dataclass(slots=True)
class _Lane:
    session: aiohttp.ClientSession
    users: int = 0


class OwnTurns:
    """The port ``RegistryTurns`` for one server."""

    def __init__(self) -> None:
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    def at(self, origin: str) -> AbstractAsyncContextManager[None]:
        """Wait for a turn at a place; see the port."""
        return self._turns.setdefault(origin, asyncio.Semaphore(CONNECTIONS_PER_REGISTRY))


class Lanes:
    """Sessions by their way; where there are many, those that nobody uses are closed, the oldest first.

    ``turns`` is whose turn it is to ask; downloads take turns here.
    """

    def __init__(self, lookup: Lookup, turns: RegistryTurns | None = None) -> None:
        self._lookup = lookup
        self._lanes: dict[Way, _Lane] = {}
        self._questions = turns or OwnTurns()
        self._downloads = OwnTurns()

    @asynccontextmanager
    async def on(self, way: Way, origin: URL) -> AsyncIterator[aiohttp.ClientSession]:
        """Wait for a turn at ``origin``; lend the session to ask it with."""
        turns = self._downloads if way.downloads else self._questions
        async with turns.at(str(origin)):
            lane = self._lane(way)
            lane.users += 1
            try:
                await self._shed()
                yield lane.session
            finally:
                lane.users -= 1

    async def close(self) -> None:
        """Close all connections."""
        lanes, self._lanes = self._lanes, {}
        for lane in lanes.values():
            await lane.session.close()

    def _lane(self, way: Way) -> _Lane:
        lane = self._lanes.pop(way, None) or _Lane(self._opened(way))
        self._lanes[way] = lane  # the newest stands last
        return lane

    async def _shed(self) -> None:
        """Close what is too much. It is all taken out first: meanwhile somebody could begin to use it."""
        idle = [way for way, lane in self._lanes.items() if not lane.users]
        surplus = [self._lanes.pop(way) for way in idle[: max(0, len(self._lanes) - MOST_SESSIONS)]]
        for lane in surplus:
            await lane.session.close()

    def _opened(self, way: Way) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            ssl=_tls_context(way.ca_pem),
            limit=0,
            limit_per_host=CONNECTIONS_PER_REGISTRY,
            resolver=GuardedResolver(way.guard, self._lookup),
            ttl_dns_cache=10,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            read_bufsize=1 << 20,
            headers={"User-Agent": "towline"},
        )


def _tls_context(ca_pem: str) -> ssl.SSLContext:
    """Return the TLS side of a client that trusts what docker does.

    Whatever certificate was set is an anchor, also an intermediate or the server's own; what RFC 5280 wants
    beyond that, private authorities often lack.
    """
    context = ssl.create_default_context()
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if ca_pem:
        context.load_verify_locations(cadata=ca_pem)
    return context
