"""A thousand secrets at a hundred registries tried again, against the same requests sent by the bare client.

The registries answer on loopback after a delay, as if they were a continent away.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import shutil
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import aiohttp
import structlog
import uvloop
from aiohttp import web
from demo import place

from bench.table import at_most, row
from towline.dialing import Guard
from towline.domain.account import Permission, TokenLevel
from towline.domain.causes import FindingCode
from towline.domain.credential import Password
from towline.domain.engine import EngineHealth
from towline.domain.findings import Finding
from towline.domain.secret import DockerDraft
from towline.keychain.service_accounts import ClusterTokens
from towline.keychain.stored import StoredKeychain
from towline.notices import NoticeCourier
from towline.ports import OpenEngine
from towline.registry import Registry
from towline.services.bell import LocalBell
from towline.services.closed_engine import ClosedEngine
from towline.services.reproofs import MOST_PER_REGISTRY, Reproofs
from towline.store.keyring import Keyring
from towline.store.sqlite import SqliteStore
from towline.store.vault import SealingVault
from towline.wiring import Parts, services_on, utc_now

if TYPE_CHECKING:
    from pathlib import Path

    from towline.domain.account import Access
    from towline.ports import EngineDoors
    from towline.wiring import Services

REGISTRIES, SECRETS, ROUNDS = 100, 1000, 3
DELAY = 0.1
USER, PASSWORD = "robot", "bench-password"
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@dataclass
class Far:
    """Registries that take a while to answer; counts requests, and connections at a time."""

    requests: int = 0
    open: Counter[int] = field(default_factory=Counter)
    most: int = 0
    delay: float = 0.0

    async def answer(self, request: web.Request) -> web.Response:
        """Want a login, and take the right one."""
        port = request.transport.get_extra_info("sockname")[1] if request.transport else 0
        self.requests += 1
        self.open[port] += 1
        self.most = max(self.most, self.open[port])
        try:
            await asyncio.sleep(self.delay)
        finally:
            self.open[port] -= 1
        if request.headers.get("Authorization") == BASIC:
            return web.json_response({})
        return web.json_response({}, status=401, headers={"WWW-Authenticate": 'Basic realm="bench"'})


def compare() -> None:
    """Measure, and print the rows."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    uvloop.run(_compare())


async def _compare() -> None:
    folder = place.FOLDER / "proofs"
    folder.mkdir()
    async with AsyncExitStack() as stack:
        far = Far()
        ports = await _registries(far, stack)
        services, reproofs, clock = await _services(folder, stack)
        access = await _access(services)
        for number in range(SECRETS):
            draft = DockerDraft.checked(
                f"pull-{number}", registry=f"http://127.0.0.1:{ports[number % REGISTRIES]}", username=USER,
                password=PASSWORD, email="bench@example.com", labels={},
            )  # fmt: skip
            await services.secrets.create(access, draft)
        far.delay = DELAY
        taken, floors = [], []
        for _ in range(ROUNDS):
            clock.ahead += timedelta(hours=12)
            far.requests, far.most = 0, 0
            taken.append(await _tried(reproofs))
            requests, most = far.requests, far.most
            floors.append(await _floor(ports, requests))
    shutil.rmtree(folder)
    took, floor = min(taken), min(floors)
    row(f"{requests} requests to {REGISTRIES} registries by the bare client", "-", f"{floor:.2f} s")
    row(f"{SECRETS} secrets at {REGISTRIES} registries tried again", "-", f"{took:.2f} s")
    at_most("the same: against the bare client", 1.5, took / floor, unit="x", digits=2)
    at_most("requests at a time to one registry", MOST_PER_REGISTRY, most, unit="")


async def _tried(reproofs: Reproofs) -> float:
    """Try all that are due; return the seconds that it took."""
    began, done = time.perf_counter(), 0
    while done < SECRETS:
        done += await reproofs.round()
    return time.perf_counter() - began


async def _registries(far: Far, stack: AsyncExitStack) -> list[int]:
    app = web.Application()
    app.router.add_get("/v2/", far.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    ports: list[int] = []
    for _ in range(REGISTRIES):
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
    ports += [address[1] for address in runner.addresses]
    return ports


class Clock:
    """The present time, moved ahead so that everything is due."""

    ahead = timedelta()

    def __call__(self) -> Any:
        """Return the time."""
        return utc_now() + self.ahead


async def _services(folder: Path, stack: AsyncExitStack) -> tuple[Services, Reproofs, Clock]:
    store = await SqliteStore.open(folder / "towline.db")
    stack.push_async_callback(store.close)
    keyring, _ = Keyring.at(folder / "keyring.json")
    vault = SealingVault(keyring)
    registry = Registry()
    stack.push_async_callback(registry.close)
    engine = ClosedEngine("none", Finding(FindingCode.ENGINE_UNREACHABLE))
    own = OpenEngine(engine, engine, EngineHealth(utc_now()))
    engines = cast("EngineDoors", SimpleNamespace(own="none", all=lambda: {"none": own}))
    keychain = StoredKeychain(store=store, vault=vault, clock=utc_now)
    parts = Parts(
        store,
        vault,
        keychain=keychain,
        prover=registry.prover,
        mint=registry.mint,
        engines=engines,
        bell=LocalBell(),
        tokens=registry.tokens,
        service_accounts=ClusterTokens(),
        postman=NoticeCourier(Guard()),
    )
    services, clock = services_on(parts), Clock()
    return services, Reproofs(store=store, proofs=services.proofs, clock=clock), clock


async def _access(services: Services) -> Access:
    profile = await services.accounts.create_user(
        email="b@example.com", password=Password("bench-password"), organization="bench", project="bench"
    )
    token = await services.accounts.login(
        "b@example.com", Password("bench-password"), level=TokenLevel.LOW, peer="bench"
    )
    principal = await services.accounts.authenticate(token)
    return await services.accounts.access(principal, profile.projects[0][0].guid, permission=Permission.VIEW)


async def _floor(ports: list[int], requests: int) -> float:
    """Send as many requests with nothing around them, as many at a time to each registry as we may."""
    connector = aiohttp.TCPConnector(limit=0, limit_per_host=0)
    doors = {port: asyncio.Semaphore(MOST_PER_REGISTRY) for port in ports}

    async def one(number: int) -> None:
        port = ports[number % len(ports)]
        async with doors[port], session.get(f"http://127.0.0.1:{port}/v2/") as answer:
            await answer.read()

    async with aiohttp.ClientSession(connector=connector) as session:
        began = time.perf_counter()
        await asyncio.gather(*(one(number) for number in range(requests)))
        return time.perf_counter() - began
