"""What the Docker engine does when something else answers, or nothing at the wrong moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from parts.registry import free_port
from towline.domain.causes import FindingCode
from towline.domain.errors import EngineFailed
from towline.domain.findings import Finding
from towline.domain.package import LivenessProbe, RestartPolicy
from towline.engines.docker import places
from towline.engines.docker.address import EngineAddress
from towline.engines.docker.daemon import Daemon
from towline.engines.docker.facts import Seen
from towline.engines.docker.probes import until_unwell
from towline.engines.docker.wellness import Wellness


@pytest.fixture(params=["<html>not docker</html>", "[]", "{}", '{"ApiVersion":"new","Version":"1"}'])
async def stranger(request: pytest.FixtureRequest) -> AsyncIterator[EngineAddress]:
    """A server on loopback that answers everything with something that is not Docker's."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=request.param)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert runner.addresses
    yield EngineAddress(host="127.0.0.1", port=runner.addresses[0][1])
    await runner.cleanup()


async def test_what_is_no_docker_engine_is_an_engine_out_of_reach(stranger: EngineAddress) -> None:
    daemon = Daemon(stranger)
    try:
        with pytest.raises(EngineFailed) as failed:
            await daemon.about()
    finally:
        await daemon.close()
    assert failed.value.finding.code is FindingCode.ENGINE_UNREACHABLE
    assert "no Docker Engine" in failed.value.finding.detail


class Forgetful:
    """Containers of an Engine that is out of reach when it is asked the first time."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self.asked = 0
        self.stopped = asyncio.Event()

    async def seen(self, _: str) -> Seen:
        self.asked += 1
        if self.asked == 1:
            raise EngineFailed(Finding(FindingCode.ENGINE_UNREACHABLE))
        return self._seen

    async def stop(self, _: str, *, patience: float) -> None:
        assert patience
        self.stopped.set()


async def test_a_probe_goes_on_after_the_engine_was_out_of_reach() -> None:
    probe = LivenessProbe(port=free_port(), period=1, failures=1, timeout=1)
    kept = places.Kept(places.Place("dep-1", 1, "main", 0), RestartPolicy.NEVER, probe=probe)
    state: dict[str, Any] = {"Running": True, "StartedAt": "2026-01-02T03:04:05.000000001Z"}
    seen = Seen(kept, "id", state, restarts=0)
    containers = Forgetful(seen)
    wellness = Wellness(containers, here="127.0.0.1", reaches_containers=False)  # type: ignore[arg-type]
    async with asyncio.timeout(30):
        while not containers.stopped.is_set():
            wellness.note(seen)
            await asyncio.sleep(0)
    await wellness.close()


@pytest.mark.parametrize("path", ["", "/latest/meta-data/"])
@pytest.mark.parametrize("host", ["169.254.169.254", "0xA9FEA9FE", "metadata.google.internal"])
async def test_a_probe_is_no_way_to_a_clouds_metadata(host: str, path: str) -> None:
    probe = LivenessProbe(port=free_port(), host=host, path=path, period=1, failures=1, timeout=2)
    async with asyncio.timeout(30):
        trouble = await until_unwell(probe, "127.0.0.1")
    assert any(words in trouble for words in ("metadata", "odd way to write"))


@pytest.mark.parametrize("path", ["", "/"])
async def test_a_probe_asks_the_host_that_it_names(path: str) -> None:
    asked = asyncio.Event()

    async def heard(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        writer.close()

    async with await asyncio.start_server(heard, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        probe = LivenessProbe(port=port, host="localhost", path=path, period=1, failures=9, timeout=2)
        asking = asyncio.create_task(until_unwell(probe, "192.0.2.1"))
        async with asyncio.timeout(30):
            await asked.wait()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
