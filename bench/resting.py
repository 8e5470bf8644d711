"""Ten thousand deployments that nothing happens to: what a server spends on them while nobody asks."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import uvloop

from bench.load import Server, cpu
from bench.table import at_most, row
from towline.domain.deployment import Deployment, DeploymentStatus, Phase, Status, Wish
from towline.domain.names import new_guid
from towline.domain.package import Executable, PackageSpec, Runtime
from towline.wiring import utc_now

if TYPE_CHECKING:
    from towline.ports import Store, Transaction

DEPLOYMENTS, AT_A_TIME = 10_000, 1_000
SECONDS = 10.0
FAR = timedelta(days=365)

Open = Callable[[], Awaitable["Store"]]


def compare(server: Server, *, project: str, database: str, opened: Open) -> None:
    """Write the deployments beside the server, and look at it for a while."""
    uvloop.run(_fill(opened, project))
    time.sleep(2)  # what the writing itself woke is over
    before, began = cpu(server.pid), time.perf_counter()
    time.sleep(SECONDS)
    share = (cpu(server.pid) - before) / (time.perf_counter() - began) * 100
    what = f"{DEPLOYMENTS:,} deployments at rest, {database}: CPU"
    at_most(what, 1, share, unit="%", digits=2)


async def _fill(opened: Open, project: str) -> None:
    store = await opened()
    began = time.perf_counter()
    for begin in range(0, DEPLOYMENTS, AT_A_TIME):
        await store.write(partial(_add, project=project, begin=begin))
    await store.close()
    took = time.perf_counter() - began
    row(f"{DEPLOYMENTS:,} deployments written beside the running server", "-", f"{took:.0f} s")


def _add(tx: Transaction, *, project: str, begin: int) -> None:
    now = utc_now()
    spec = PackageSpec(Runtime.CLOUD, (Executable("app", "registry.example.com/team/app:1"),))
    status = DeploymentStatus(Phase.SUCCEEDED, Status.RUNNING, generation=1)
    for number in range(begin, begin + AT_A_TIME):
        made = Deployment(
            new_guid("dep", os.urandom, milliseconds=time.time_ns() // 1_000_000),
            f"rests-{number}",
            project,
            "user-nobody",
            created_at=now,
            updated_at=now,
            wish=Wish("pkg-rests", "rests", "v1", spec, document=b"{}"),
            status=status,
            engine="embedded",
        )
        tx.deployments.add(made, due=now + FAR)
