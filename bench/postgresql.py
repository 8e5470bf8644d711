"""The same server on a PostgreSQL of this machine that keeps what it acknowledges: the same figures."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from demo import place, registry
from demo.client import Client

from bench import many, resting
from bench.load import Server, request
from bench.reading import ONE, PAGE, least
from bench.table import at_most, best, row

if TYPE_CHECKING:
    from parts.postgres import PostgresServer
    from towline.ports import Store
    from towline.store.address import DatabaseAddress

EMAIL, PASSWORD = "bench@example.com", "bench-password"
NAME = "towline-postgresql"
TRIES = 3


def measure() -> None:
    """Print what the server spends on PostgreSQL."""
    if importlib.util.find_spec("psycopg") is None or importlib.util.find_spec("parts") is None:
        row("PostgreSQL", "not measured", "make .venv/.test, apt-get install postgresql")
        return
    from parts import postgres  # noqa: PLC0415  (needs the library)

    if postgres.programs() is None:
        row("PostgreSQL", "not measured", "apt-get install postgresql")
        return
    with postgres.running_server(durable=True) as database:
        try:
            _measured(database)
        finally:
            os.environ.pop("TOWLINE_DATABASE", None)
            place.stop(NAME)


def _measured(database: PostgresServer) -> None:
    address = database.database()
    password = address.password.reveal() if address.password else ""
    os.environ["TOWLINE_DATABASE"] = address.url.replace("@", f":{password}@", 1)
    client, server = _started()
    headers = {"Authorization": f"Bearer {client.token}", "project": client.project}
    for number in range(50):
        client.call("POST", "/v2/secrets/", json.loads(_opaque(f"read-{number}")))
    for what, path in (("GET a secret", ONE), ("list of 50", PAGE)):
        spent = least(server, path, headers, clients=32)
        row(f"PostgreSQL: {what}, CPU of the server", "-", f"{spent.cpu * 1e6:.0f} us")
        row(f"PostgreSQL: {what}, 32 clients: 99 of 100 within", "-", f"{spent.late:.1f} ms")
    _creating(server, headers)
    opened = partial(_opened, address)
    name = address.url.rpartition("/")[2]
    settle = partial(database.run, b"VACUUM ANALYZE", database=name)  # autovacuum would, in the midst of it
    many.compare(server, headers, project=client.project, opened=opened, settle=settle)
    resting.compare(server, project=client.project, database="PostgreSQL", opened=opened)


async def _opened(address: DatabaseAddress) -> Store:
    from towline.store.postgres import PostgresStore  # noqa: PLC0415  (needs the library)

    return await PostgresStore.open(address, connections=1)


def _started() -> tuple[Client, Server]:
    data = str(place.FOLDER / "data-postgresql")
    subprocess.run(
        [place.towline(), "admin", "create-user", "--data", data, "--email", EMAIL, "--password-stdin",
         "--organization", "bench", "--project", "bench"],
        input=PASSWORD.encode(), check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    client = Client(registry.free_port())
    pid = 0

    def start() -> None:
        nonlocal pid
        pid = place.start(NAME, place.serve(data, client.port))
        while client.ask("GET", "/healthz")[0] != 200:
            time.sleep(0.002)

    first = best(start, tries=TRIES, before=lambda: place.stop(NAME))
    at_most("PostgreSQL: cold start to the first answer", 500, first, unit="ms")
    status = Path(f"/proc/{pid}/status").read_text()
    resident = int(status.split("VmRSS:")[1].split()[0]) / 1024
    row("PostgreSQL: resident memory at rest", "-", f"{resident:.0f} MB")
    client.sign_in(EMAIL, PASSWORD)
    return client, Server(pid, client.port)


def _creating(server: Server, headers: Mapping[str, str]) -> None:
    headers = {**headers, "Content-Type": "application/json"}

    def ask(turn: int, number: int) -> bytes:
        return request("POST", "/v2/secrets/", headers, _opaque(f"made-{turn}-{number}"))

    rounds = [server.spent(partial(ask, turn), count=2000, clients=64) for turn in range(3)]
    quickest = max(each.a_second for each in rounds)
    row("PostgreSQL: durable, sealed creates, 64 clients: in all", "-", f"{quickest:,.0f}/s")
    least_cpu = min(each.cpu for each in rounds)
    row("PostgreSQL: creates, a CPU second of the server", "-", f"{1 / least_cpu:,.0f}/s")


def _opaque(name: str) -> bytes:
    spec = {"type": "Opaque", "data": {"KEY": "value"}}
    return json.dumps({"kind": "Secret", "metadata": {"name": name}, "spec": spec}).encode()
