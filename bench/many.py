"""A hundred thousand secrets in one project: what a GET and a page cost then, against few."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import uvloop
from demo import place

from bench.load import Server, request
from bench.reading import ONE, PAGE, in_pings
from bench.resting import Open
from bench.table import at_most, row
from towline.domain.names import new_guid

if TYPE_CHECKING:
    from towline.ports import Transaction

MANY, AT_A_TIME = 100_000, 5_000
LAST = f"/v2/secrets/many-{MANY - 1}/"
RARE = "/v2/secrets/?limit=50&labelSelector=team%3Dnobody"


def compare(
    server: Server,
    headers: Mapping[str, str],
    *,
    project: str,
    opened: Open,
    settle: Callable[[], None] = lambda: None,
) -> None:
    """Fill the project and measure; ``settle`` does at once what a database does soon after so many rows."""
    few_one, few_page = in_pings(server, ONE, headers), in_pings(server, PAGE, headers)
    began = time.perf_counter()
    uvloop.run(_fill(opened, project))
    row(
        f"{MANY:,} more secrets written beside the running server",
        "-",
        f"{time.perf_counter() - began:.0f} s",
    )
    settle()
    one, page = in_pings(server, LAST, headers), in_pings(server, PAGE, headers)
    at_most(f"GET of one of {MANY:,} secrets: against few", 1.05, one / few_one, unit="x", digits=2)
    at_most(f"list page of {MANY:,} secrets: against few", 1.2, page / few_page, unit="x", digits=2)
    rare = request("GET", RARE, headers)
    spent = server.spent(lambda _: rare, count=10, clients=1)
    row("a label that none of them has, beside the loop", "-", f"{min(spent.delays) * 1000:.0f} ms")


async def _fill(opened: Open, project: str) -> None:
    store = await opened()
    for begin in range(0, MANY, AT_A_TIME):
        await store.write(partial(_add, project=project, begin=begin))
    await store.close()


def _add(tx: Transaction, *, project: str, begin: int) -> None:
    like = tx.secrets.get(project, "read-1")
    if like is None:
        raise place.DemoFailed("the secret read-1 is not there")
    for number in range(begin, begin + AT_A_TIME):
        guid = new_guid("secret", os.urandom, milliseconds=time.time_ns() // 1_000_000)
        metadata = replace(like.secret.metadata, guid=guid, name=f"many-{number}")
        tx.secrets.add(replace(like, secret=replace(like.secret, metadata=metadata)))
