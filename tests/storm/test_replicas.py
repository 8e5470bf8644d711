"""Three servers on one PostgreSQL and three engines, killed, stopped and woken, the database restarted.

Afterwards every wish is so and nothing else is: no wish lost, no container started twice, no orphan.
``make storm`` does it with 500 changes and prints its counts, the tests with fewer.
"""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from replica import LEASE, YARDS, Yards, services

from parts import postgres
from parts.require import require
from parts.world import JANE, JANES_PASSWORD, deployment_draft, package_draft
from parts.yard import YardEngine
from towline.domain.account import Permission, TokenLevel
from towline.domain.credential import Password
from towline.domain.deployment import Status
from towline.domain.engine import EngineKind, EngineRecord, EngineSpec
from towline.domain.listing import Page
from towline.ports import DeploymentQuery
from towline.services.bell import LocalBell
from towline.store.opening import hung
from towline.store.patient import PatientStore
from towline.store.postgres import PostgresStore
from towline.wiring import utc_now

CHANGES = int(os.environ.get("STORM_CHANGES", "60"))
SEED = int(os.environ.get("STORM_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
SERVERS = 3
HERE = Path(__file__).parent
PATIENCE = 120.0
IS_FULL = CHANGES >= 500


@dataclass
class Servers:
    """The processes; what is done to them, and how often."""

    address: object
    yard: Path
    log: Path
    chance: random.Random
    running: list[subprocess.Popen] = field(default_factory=list)
    kills: int = 0
    stops: int = 0
    tasks: set = field(default_factory=set)

    def begin(self) -> subprocess.Popen:
        environment = {**os.environ, "STORM_PASSWORD": postgres.PASSWORD}
        words = [sys.executable, str(HERE / "replica.py"), self.address.url, str(self.yard)]
        with self.log.open("ab") as log:
            return subprocess.Popen(words, env=environment, stdout=log, stderr=log)

    def start(self) -> None:
        self.running = [self.begin() for _ in range(SERVERS)]

    def kill(self) -> None:
        """Kill one and start another in its place."""
        place = self.chance.randrange(SERVERS)
        self.running[place].kill()
        self.running[place].wait()
        self.running[place] = self.begin()
        self.kills += 1

    def stop(self) -> None:
        """Stop one for longer than its leases last; it wakes up and believes that it still leads."""
        process = self.chance.choice(self.running)
        process.send_signal(signal.SIGSTOP)
        self.stops += 1
        self.tasks.add(asyncio.create_task(self._wake(process)))

    async def _wake(self, process: subprocess.Popen) -> None:
        await asyncio.sleep(LEASE * self.chance.uniform(1.2, 2.5))
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        for process in self.running:
            process.kill()
            process.wait()


@pytest.fixture
def yard(tmp_path):
    """The folder of the engines' sockets."""
    processes = []
    for name in YARDS:
        program = [sys.executable, "-m", "parts.yard", str(tmp_path / name)]
        processes.append(subprocess.Popen(program, cwd=HERE.parent, stdout=subprocess.PIPE))
    for process in processes:
        process.stdout.readline()
    yield tmp_path
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def server():
    """A database that may be restarted."""
    require("PostgreSQL")
    with postgres.running_server() as made:
        yield made


@pytest.fixture
async def world(server, yard):
    """The use cases of a further server, which only takes wishes, and who may do what."""
    address = server.database()
    store = PatientStore(await PostgresStore.open(address, connections=2))
    async with hung(LocalBell(), address) as bell:
        made, _ = services(store, Yards(yard), bell)
        profile = await made.accounts.create_user(
            email=JANE, password=Password(JANES_PASSWORD), organization="acme", project="demo"
        )
        token = await made.accounts.login(JANE, Password(JANES_PASSWORD), level=TokenLevel.LOW, peer="::1")
        who = await made.accounts.authenticate(token)
        access = await made.accounts.access(who, profile.projects[0][0].guid, permission=Permission.VIEW)
        await made.packages.create(access, package_draft())
        for name in YARDS[1:]:
            record = EngineRecord(name, name, EngineSpec(EngineKind.DOCKER, f"unix:///{name}"))
            await store.write(lambda tx, record=record: tx.engines.add(record, b""))
        yield made, access, store, address
    await store.close()


async def test_no_wish_is_lost_nothing_started_twice_and_no_orphan_left(server, yard, world, tmp_path):
    made, access, store, address = world
    chance = random.Random(SEED)
    servers = Servers(address, yard, tmp_path / "servers.log", random.Random(SEED + 1))
    servers.start()
    wished: dict[str, int] = {}
    began = time.monotonic()
    every = 12
    troubles = {
        number: chance.choice((servers.kill, servers.stop)) for number in range(every, CHANGES, every)
    }
    restarts = {CHANGES // 3, CHANGES * 2 // 3}
    try:
        await first_lead(store)
        for number in range(CHANGES):
            await asyncio.sleep(chance.uniform(0, 0.3))  # a random moment is what this test is about
            await change(made, access, chance, wished)
            if number in restarts:
                await asyncio.to_thread(server.stop, "immediate")
                await asyncio.to_thread(server.start)
            if number in troubles:
                troubles[number]()
        await asyncio.gather(*servers.tasks)
        told = f"seed {SEED}: {CHANGES} changes, {len(wished)} deployments in the end, {servers.kills} kills,"
        told += f" {servers.stops} stops, {len(restarts)} restarts of the database"
        lost, orphans, doubled = await counted(made, access, yard, wished, began + PATIENCE + CHANGES)
        told += f"; {len(lost)} lost, {len(doubled)} started twice, {len(orphans)} orphans"
        takeover = await seconds_to_take_over(servers, store)
        told += f"; taken over after {takeover:.1f} s of a lease of {LEASE:g} s"
        sys.stderr.write(f"{told}; {time.monotonic() - began:.0f} s\n")
        assert (lost, doubled, orphans) == ({}, [], []), told
        assert not IS_FULL or takeover <= LEASE + 1, told
    finally:
        servers.end()


async def change(made, access, chance, wished):
    """Deploy, update or delete; ``wished`` holds the generation that each name is to have."""
    name = f"d-{chance.randrange(CHANGES // 3)}"
    if name not in wished:
        draft = replace(deployment_draft(name), engine=chance.choice(YARDS))
        await made.deployments.create(access, draft)
        wished[name] = 1
    elif chance.random() < 0.6:
        wished[name] = (await made.deployments.update(access, name, deployment_draft(name))).generation
    else:
        await made.deployments.delete(access, name)
        del wished[name]


async def counted(made, access, yard, wished, deadline):
    """Wait until all is as wished; return what is not so by then."""
    engines = [YardEngine(yard / name, clock=utc_now) for name in YARDS]
    while True:
        there = await everything(made, access)
        lost = {name: wrong for name, wrong in state(there, wished) if wrong}
        right = {(each.guid, wished[name]) for name, each in there.items() if name in wished}
        rows = [row for engine in engines for row in await engine.ask(ask="list")]
        orphans = [row for row in rows if tuple(row[:2]) not in right]
        if (not lost and not orphans and set(there) == set(wished)) or time.monotonic() > deadline:
            doubled = [each for engine in engines for each in (await engine.ask(ask="count"))["doubled"]]
            return lost, orphans, doubled
        await asyncio.sleep(0.2)


def state(there, wished):
    """Yield each name with what is wrong with it, empty where nothing is."""
    for name, generation in wished.items():
        deployment = there.get(name)
        if deployment is None:
            yield name, "gone"
        elif (deployment.generation, deployment.status.generation) != (generation, generation):
            yield name, f"generation {deployment.status.generation}, not {generation}"
        else:
            status = deployment.status.status
            yield name, "" if status is Status.RUNNING else f"{status.value} {deployment.status.findings}"


async def everything(made, access):
    found, after = {}, 0
    while after is not None:
        listing = await made.deployments.list(access, Page(after=after, limit=100), DeploymentQuery())
        found |= {each.name: each for each in listing.items}
        after = listing.next
    return found


async def seconds_to_take_over(servers, store):
    """Kill who leads an engine; return how long it took until others led all that it had."""
    before = await store.read(leaders)
    owner = before[f"engine {YARDS[-1]}"][0]
    process = next(each for each in servers.running if str(each.pid) == owner)
    process.kill()
    process.wait()
    began = time.monotonic()
    while any(each[0] == owner for each in (await store.read(leaders)).values()):  # noqa: ASYNC110  (no event)
        await asyncio.sleep(0.05)
    return time.monotonic() - began


async def first_lead(store):
    """Return once the servers lead all engines, each at most one of the added ones."""
    while True:
        led = {name: owner for name, (owner, _) in (await store.read(leaders)).items()}
        added = [led.get(f"engine {name}") for name in YARDS[1:]]
        if "reconciler" in led and None not in added and len(set(added)) == len(added):
            return
        await asyncio.sleep(0.05)


def leaders(tx):
    """Return who leads what, and for the how manieth time that changed."""
    query = (
        "SELECT name, owner, epoch FROM leases WHERE name = 'reconciler' OR substr(name, 1, 7) = 'engine '"
    )
    return {name: (owner, epoch) for name, owner, epoch in tx.leases._connection.execute(query).fetchall()}
