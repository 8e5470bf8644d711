"""Which addresses may be dialled (security rule 4): all of a name's addresses are checked, and only
checked ones are dialled, so that a name cannot change its mind in between.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from dataclasses import dataclass

from aiohttp.abc import AbstractResolver, ResolveResult

_METADATA_NAMES = frozenset({"metadata.google.internal", "metadata.goog", "metadata"})
_METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in ("169.254.169.254", "100.100.100.200", "fd00:ec2::254", "192.0.0.192")
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_PRIVATE = tuple(
    ipaddress.ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressRefused(OSError):
    """An address that Towline does not connect to; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Guard:
    """The installation's rules about addresses."""

    deny_private: bool = False
    allow_loopback: bool = True

    def check(self, text: str) -> None:
        """Raise AddressRefused unless the address ``text`` may be dialled."""
        address = _unwrapped(ipaddress.ip_address(text.partition("%")[0]))
        if reason := self._refusal(address):
            raise AddressRefused(f"{address} is {reason}")

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
        if address.is_unspecified or address.is_multicast or str(address) == "255.255.255.255":
            return "no address of a server"
        if address.is_loopback:
            return (
                "" if self.allow_loopback else "on loopback, which this server does not allow for registries"
            )
        if self.deny_private and any(address in network for network in _PRIVATE):
            return "private, which this server does not allow for registries"
        return ""


class GuardedResolver(AbstractResolver):
    """Resolves as the system does, and refuses a name if any of its addresses is refused."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the checked addresses of ``host``; raise OSError."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        for _, _, _, _, place in found:
            self._guard.check(str(place[0]))
        return [
            ResolveResult(
                hostname=host,
                host=str(place[0]),
                port=port,
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST,
            )
            for kind, _, protocol, _, place in found
        ]

    async def close(self) -> None:
        """Nothing to close."""


def _unwrapped(address: IPAddress) -> IPAddress:
    """Return the IPv4 address inside mapped, 6to4 and NAT64 forms."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour or address
