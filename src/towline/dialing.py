"""Which addresses may be dialled (security rule 4): all of a name's addresses are checked, and only
checked ones are dialled, so that a name cannot change its mind in between.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp.abc import AbstractResolver, ResolveResult

_METADATA_NAMES = frozenset({"metadata.google.internal", "metadata.goog", "metadata"})
_METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in ("169.254.169.254", "100.100.100.200", "fd00:ec2::254", "192.0.0.192")
)
_EMBEDDING = tuple(
    ipaddress.IPv6Network(text) for text in ("64:ff9b::/96", "64:ff9b:1::/48", "::/96", "::ffff:0:0:0/96")
)
"""Networks whose addresses end in an IPv4 address: NAT64, NAT64 at home, IPv4-compatible, translated."""
_PRIVATE = tuple(
    ipaddress.ip_network(text)
    for text in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "198.18.0.0/15",
        "fc00::/7",
        "fec0::/10",
    )
)
_NOWHERE = ipaddress.ip_network("0.0.0.0/8"), ipaddress.ip_network("255.255.255.255/32")

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

Lookup = Callable[[str, int, socket.AddressFamily], Awaitable[list[tuple[str, int]]]]
"""Asks for the (address, port) pairs at which host and port are served; raises OSError."""


class AddressRefused(OSError):
    """An address that Towline does not connect to; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Guard:
    """The installation's rules about addresses."""

    deny_private: bool = False
    allow_loopback: bool = True
    outward: bool = False
    """Only public addresses, for places to which a public server leads us: it must not aim us inwards."""

    def check(self, text: str) -> None:
        """Raise AddressRefused unless the address ``text`` may be dialled."""
        address = _unwrapped(ipaddress.ip_address(text.partition("%")[0]))
        if reason := self._refusal(address):
            raise AddressRefused(f"{address} is {reason}")

    def is_inside(self, text: str) -> bool:
        """Whether ``text`` is an address of this machine or of a private network."""
        address = _unwrapped(ipaddress.ip_address(text.partition("%")[0]))
        return address.is_loopback or any(address in network for network in _PRIVATE)

    def check_host(self, host: str) -> None:
        """Raise AddressRefused for a host that is refused by its text: metadata names, literal addresses."""
        bare = host.strip("[]").rstrip(".").lower()
        if bare in _METADATA_NAMES:
            raise AddressRefused(f"{bare} is a cloud's metadata service")
        try:
            ipaddress.ip_address(bare)
        except ValueError:
            self._check_odd_literal(bare)
            return
        self.check(bare)

    def _check_odd_literal(self, host: str) -> None:
        """Refuse numbers that a C library reads as an address: decimal, octal, hexadecimal, shortened."""
        try:
            packed = socket.inet_aton(host)
        except OSError:
            return
        raise AddressRefused(f"{host} is an odd way to write {ipaddress.ip_address(packed)}")

    def _refusal(self, address: IPAddress) -> str:
        if address in _METADATA or address.is_link_local:
            return "a link-local or metadata address"
        if any(address in network for network in _NOWHERE) or address.is_unspecified or address.is_multicast:
            return "no address of a server"
        if self.outward and self.is_inside(str(address)):
            return "inside this network, and a public registry led to it"
        if address.is_loopback:
            return (
                "" if self.allow_loopback else "on loopback, which this server does not allow for registries"
            )
        if self.deny_private and any(address in network for network in _PRIVATE):
            return "private, which this server does not allow for registries"
        return ""


async def system_lookup(host: str, port: int, family: socket.AddressFamily) -> list[tuple[str, int]]:
    """Look a name up as the machine's own resolver does."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
    return [(str(place[0]), port) for *_, place in found]


class GuardedResolver(AbstractResolver):
    """Refuses a name if any of its addresses is refused; hands out only what was checked."""

    def __init__(self, guard: Guard, lookup: Lookup = system_lookup) -> None:
        self._guard = guard
        self._lookup = lookup

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the checked addresses of ``host``; raise OSError."""
        found = await self._lookup(host, port, family)
        for address, _ in found:
            self._guard.check(address)
        return [_result(host, address, port=place) for address, place in found]

    async def close(self) -> None:
        """Nothing to close."""


def _result(host: str, address: str, *, port: int) -> ResolveResult:
    return ResolveResult(
        hostname=host,
        host=address,
        port=port,
        family=socket.AF_INET6 if ":" in address else socket.AF_INET,
        proto=socket.IPPROTO_TCP,
        flags=socket.AI_NUMERICHOST,
    )


def _unwrapped(address: IPAddress) -> IPAddress:
    """Return the IPv4 address inside mapped, translated, 6to4, Teredo and NAT64 forms."""
    if isinstance(address, ipaddress.IPv4Address) or address.is_loopback or address.is_unspecified:
        return address
    if any(address in network for network in _EMBEDDING):
        return ipaddress.IPv4Address(address.packed[-4:])
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else address)
