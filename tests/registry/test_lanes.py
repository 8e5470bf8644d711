"""Who waits for whom on the way to a registry, and whom its certificate is believed."""

import asyncio
import contextlib
import ssl
import tempfile
from pathlib import Path

import pytest
from yarl import URL

from findings.authority import Authority
from security.villain import Call, answer, loose
from towline.dialing import Guard, system_lookup
from towline.domain.causes import FindingCode
from towline.domain.registry import RegistrySettings
from towline.registry import Patience
from towline.registry.failures import NoAnswer
from towline.registry.lanes import CONNECTIONS_PER_REGISTRY, MOST_SESSIONS, Lanes, Way
from towline.registry.transport import Request, Trail, Transport

ORIGIN = URL("http://registry.example.com")


@contextlib.asynccontextmanager
async def transport(patience: Patience | None = None):
    made = Transport(Guard(), patience=patience)
    try:
        yield made
    finally:
        await made.close()


def pieces(stop: asyncio.Event):
    async def said():
        yield b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nfirst"
        await stop.wait()

    return said()


async def test_a_question_does_not_wait_for_downloads():
    stop = asyncio.Event()

    def says(call: Call):
        return pieces(stop) if call.path == "/blob" else answer(200, b"{}")

    async with loose(says) as villain, transport() as asking, contextlib.AsyncExitStack() as stack:
        settings = RegistrySettings(villain.netloc)
        for _ in range(CONNECTIONS_PER_REGISTRY):
            blob = Request("GET", URL(f"http://{villain.netloc}/blob"))
            download = await stack.enter_async_context(asking.download(blob, settings))
            assert await download.content.readany() == b"first"
        question = Request("GET", URL(f"http://{villain.netloc}/v2/"))
        async with asyncio.timeout(10):
            assert (await asking.ask(question, settings, Trail())).status == 200
        stop.set()


async def test_a_registry_s_time_begins_when_its_turn_has_come():
    never = asyncio.Event()

    def says(call: Call):
        return pieces(never) if call.path == "/slow" else answer(200, b"{}")

    short = Patience(answer=0.3, connect=0.3, read=0.3)
    async with loose(says) as villain, transport(short) as asking:
        settings = RegistrySettings(villain.netloc)

        def question(path: str):
            return asking.ask(Request("GET", URL(f"http://{villain.netloc}{path}")), settings, Trail())

        paths = ["/slow"] * CONNECTIONS_PER_REGISTRY + ["/v2/"]
        *slow, quick = await asyncio.gather(*map(question, paths), return_exceptions=True)
    assert [each.code for each in slow if isinstance(each, NoAnswer)] == [FindingCode.REGISTRY_TIMEOUT] * 3
    assert not isinstance(quick, BaseException), quick
    assert quick.status == 200


async def test_sessions_that_nobody_uses_are_closed_where_there_are_many():
    lanes, pem = Lanes(system_lookup), Authority().pem
    async with lanes.on(Way(pem, Guard()), ORIGIN) as used:
        seen = []
        for number in range(MOST_SESSIONS + 5):
            async with lanes.on(Way(pem + "\n" * number, Guard(), downloads=True), ORIGIN) as session:
                seen.append(session)
        assert not used.closed
        assert sum(not each.closed for each in seen) == MOST_SESSIONS - 1
        async with lanes.on(Way(pem, Guard()), ORIGIN) as again:
            assert again is used
    await lanes.close()
    assert used.closed
    assert all(each.closed for each in seen)


@pytest.mark.parametrize("given", ["authority", "certificate"])
async def test_any_certificate_that_was_set_is_an_anchor(given):
    authority = Authority()
    chain = authority.leaf("127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chain.pem"
        path.write_bytes(chain)
        context.load_cert_chain(path)

    async def door(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer(200, b"{}"))
        await writer.drain()
        writer.close()

    own = chain.decode().partition("-----BEGIN PRIVATE")[0]
    server = await asyncio.start_server(door, "127.0.0.1", 0, ssl=context)
    async with server, transport() as asking:
        netloc = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        settings = RegistrySettings(netloc, ca_pem=authority.pem if given == "authority" else own)
        reply = await asking.ask(Request("GET", URL(f"https://{netloc}/v2/")), settings, Trail())
    assert reply.status == 200


async def test_no_session_is_closed_that_somebody_has_begun_to_use():
    lanes, pem = Lanes(system_lookup), Authority().pem
    ways = [Way(pem + "\n" * number, Guard()) for number in range(MOST_SESSIONS + 8)]
    async with contextlib.AsyncExitStack() as held:
        for number, way in enumerate(ways):
            await held.enter_async_context(lanes.on(way, URL(f"http://{number}.example.com")))

    async def use(way: Way) -> bool:
        async with lanes.on(way, ORIGIN) as session:
            await asyncio.sleep(0)
            return session.closed

    try:
        fresh = [Way(pem, Guard(deny_private=True)), *ways[:8]]
        assert not any(await asyncio.gather(*map(use, fresh)))
    finally:
        await lanes.close()
