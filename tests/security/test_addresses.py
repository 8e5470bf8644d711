"""Where Towline lets itself be led: names that change their mind, realms and redirects that point inwards."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from yarl import URL

from towline.dialing import AddressRefused, Guard
from towline.domain.causes import FindingCode
from towline.domain.registry import RegistrySettings
from towline.registry.failures import NoAnswer
from towline.registry.transport import Request, Trail, Transport

REGISTRY = URL("https://registry.example.com")
PUBLIC = "203.0.113.7"


@dataclass
class Names:
    """A name service whose answers are scripted, one list for each time a name is asked."""

    answers: dict[str, list[list[str]]]
    asked: list[str] = field(default_factory=list)

    async def lookup(self, host: str, port: int, _: socket.AddressFamily) -> list[tuple[str, int]]:
        self.asked.append(host)
        known = self.answers[host]
        return [(address, port) for address in (known.pop(0) if len(known) > 1 else known[0])]


@asynccontextmanager
async def inner_server() -> AsyncIterator[tuple[int, list[str]]]:
    """Run a server on loopback that nobody may be led to; yield its port and the paths it was asked for."""
    heard: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        heard.append(request.path)
        return web.json_response({"token": "inside"})

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1], heard
    finally:
        await runner.cleanup()


async def asked(names: Names, request: Request, *, guard: Guard | None = None) -> int:
    transport = Transport(guard or Guard(), names.lookup)
    try:
        return (await transport.ask(request, RegistrySettings(request.url.authority), Trail())).status
    finally:
        await transport.close()


@pytest.mark.parametrize("inside", ["127.0.0.1", "10.1.2.3", "192.168.0.9", "fd12::1", "::ffff:10.0.0.1"])
async def test_a_public_registry_leads_nobody_inside(inside):
    names = Names({"registry.example.com": [[PUBLIC]], "token.example.org": [[inside]]})
    request = Request("GET", URL("http://token.example.org/token"), led_by=REGISTRY)
    with pytest.raises(NoAnswer, match="inside this network") as refused:
        await asked(names, request)
    assert refused.value.code is FindingCode.REGISTRY_ADDRESS_REFUSED


async def test_one_inner_address_among_public_ones_is_enough_to_refuse():
    names = Names({"registry.example.com": [[PUBLIC]], "token.example.org": [[PUBLIC, "127.0.0.1"]]})
    with pytest.raises(NoAnswer, match="inside this network"):
        await asked(names, Request("GET", URL("http://token.example.org/token"), led_by=REGISTRY))


async def test_a_registry_inside_may_lead_to_its_neighbours():
    async with inner_server() as (port, heard):
        names = Names({"registry.example.com": [["10.0.0.5"]], "storage.example.org": [["127.0.0.1"]]})
        url = URL(f"http://storage.example.org:{port}/blob")
        assert await asked(names, Request("GET", url, led_by=REGISTRY)) == 200
        assert heard == ["/blob"]


async def test_a_name_that_changes_its_mind_is_dialled_where_it_was_checked():
    async with inner_server() as (port, heard):
        names = Names({"registry.example.com": [["169.254.169.254"], ["127.0.0.1"]]})
        url = URL(f"http://registry.example.com:{port}/v2/")
        with pytest.raises(NoAnswer, match="metadata"):
            await asked(names, Request("GET", url))
        assert heard == []
        assert names.asked == ["registry.example.com"]


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254", "[fd00:ec2::254]", "[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]",
        "metadata.google.internal", "METADATA.google.internal.", "2852039166", "0xa9fea9fe",
        "0251.254.169.254", "0.0.0.0", "0.1.2.3", "[::]", "224.0.0.1", "255.255.255.255",
        "[64:ff9b:1::a9fe:a9fe]", "[::a9fe:a9fe]", "[::ffff:0:a9fe:a9fe]", "[2002:a9fe:a9fe::1]",
        "[2001:0:4136:e378:8000:63bf:5601:5601]", "[fe80::1]",
    ],
)  # fmt: skip
def test_some_hosts_are_never_dialled_however_they_are_written(host):
    with pytest.raises(AddressRefused):
        Guard().check_host(host)


@pytest.mark.parametrize(
    ("guard", "host"),
    [
        (Guard(allow_loopback=False), "127.8.9.1"),
        (Guard(allow_loopback=False), "[::1]"),
        (Guard(deny_private=True), "10.0.0.1"),
        (Guard(deny_private=True), "[::ffff:192.168.1.1]"),
        (Guard(deny_private=True), "100.64.0.1"),
        (Guard(deny_private=True), "198.18.0.1"),
        (Guard(deny_private=True), "[fec0::1]"),
        (Guard(outward=True), "127.0.0.1"),
        (Guard(outward=True), "[::ffff:127.0.0.1]"),
        (Guard(outward=True), "[64:ff9b::7f00:1]"),
        (Guard(outward=True), "172.31.255.255"),
    ],
)
def test_an_installation_can_close_its_own_network(guard, host):
    with pytest.raises(AddressRefused):
        guard.check_host(host)
    Guard().check_host(host)


@pytest.mark.parametrize("proxy", ["http://169.254.169.254", "http://[::ffff:169.254.169.254]:3128"])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_is_no_way_to_the_metadata_service(proxy, scheme):
    names = Names({"registry.example.com": [[PUBLIC]]})
    transport = Transport(Guard(), names.lookup)
    settings = RegistrySettings("registry.example.com", proxy=proxy)
    try:
        with pytest.raises(
            NoAnswer, match=r"the proxy before registry\.example\.com:\d+ is not dialled"
        ) as refused:
            await transport.ask(
                Request("GET", URL(f"{scheme}://registry.example.com/v2/")), settings, Trail()
            )
    finally:
        await transport.close()
    assert refused.value.code is FindingCode.PROXY_ERROR


async def test_a_proxy_on_loopback_is_refused_where_loopback_is():
    async with inner_server() as (port, heard):
        names = Names({"registry.example.com": [[PUBLIC]], "proxy.example.com": [["127.0.0.1"]]})
        for host in ("127.0.0.1", "proxy.example.com"):
            settings = RegistrySettings("registry.example.com", proxy=f"http://{host}:{port}")
            transport = Transport(Guard(allow_loopback=False), names.lookup)
            try:
                with pytest.raises(NoAnswer, match="proxy") as refused:
                    await transport.ask(
                        Request("GET", URL("http://registry.example.com/v2/")), settings, Trail()
                    )
            finally:
                await transport.close()
            assert refused.value.code is FindingCode.PROXY_ERROR
        assert heard == []
