"""Three real servers on one PostgreSQL, each with its embedded engine, killed and stopped through changes.

Each deployment lives on one machine; in the end each has its one container there and nowhere else.
"""

import http.client
import os
import random
import signal
import sys
import time
from contextlib import ExitStack

import pytest

from parts import layers, postgres
from parts.images import folders_layout
from parts.registry import free_port, push, running_registry
from parts.require import require
from parts.server import Server, running_server, until
from towline.store.keyring import Keyring

CHANGES = int(os.environ.get("STORM_CHANGES", "60")) // 10
RESTARTS = {CHANGES // 3, CHANGES * 2 // 3} if CHANGES >= 50 else {CHANGES // 2}
"""After which changes the database is restarted: twice in the full storm."""
SEED = int(os.environ.get("STORM_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
SERVERS = 3
VERSIONS = ("v1", "v2")


@pytest.fixture
def servers(tmp_path, monkeypatch):
    """Three servers with one database and keyring, and a package in two versions that sleeps."""
    for part in ("PostgreSQL", "runc", "root"):
        require(part)
    Keyring.at(tmp_path / "keyring.json")
    config = {"Cmd": ["/bin/sleep", "1000000"], "StopSignal": "SIGKILL", "Env": ["PATH=/bin"]}
    layout = folders_layout(tmp_path / "layout", layers.make_layers(tmp_path / "rootfs"), config=config)
    with (
        postgres.running_server() as database,
        running_registry(tmp_path, auth="") as registry,
        ExitStack() as running,
    ):
        url = database.database().url.replace("@", f":{postgres.PASSWORD}@", 1)
        monkeypatch.setenv("TOWLINE_DATABASE", url)
        monkeypatch.setenv("TOWLINE_KEYRING", (tmp_path / "keyring.json").read_text())
        for number in range(SERVERS):
            (tmp_path / f"s{number}").mkdir()
        first = running.enter_context(running_server(tmp_path / "s0"))
        made = [first]
        for number in range(1, SERVERS):
            server = Server(tmp_path / f"s{number}", free_port(), token=first.token, project=first.project)
            server.start()
            made.append(server)
        image = push(registry, layout, "team/app:1")
        for version in VERSIONS:
            first.call("POST", "/v2/packages/", package(image, version))
        yield made, database
        for server in made:
            if server.process.poll() is not None:
                server.start()
        for each in listed(first):
            first.call("DELETE", f"/v2/deployments/{each}/")
        until(lambda: not places(made), "the containers to end")
        for server in made[1:]:
            server.stop()


def package(image, version):
    run = {"name": "app", "type": "docker", "docker": {"image": image}}
    spec = {"runtime": "cloud", "executables": [run]}
    return {"kind": "Package", "metadata": {"name": "app", "version": version}, "spec": spec}


def listed(server):
    items = server.call("GET", "/v2/deployments/?limit=100")["items"]
    return {each["metadata"]["name"]: each for each in items}


def places(servers):
    """Return the containers of all machines: deployment, generation, executable, replica."""
    folders = [server.data / "engine" / "containers" for server in servers]
    return sorted(each.name for folder in folders if folder.is_dir() for each in folder.iterdir())


def test_each_deployment_has_its_one_container_on_one_machine(servers):
    machines, database = servers
    chance = random.Random(SEED)
    wished, kills, stops, began = {}, 0, 0, time.monotonic()
    for number in range(CHANGES):
        time.sleep(chance.uniform(0, 0.6))  # a random moment is what this test is about
        change(machines, chance, wished)
        if number in RESTARTS:
            database.stop("immediate")
            database.start()
        victim = chance.choice(machines)
        if number % 3 == 1:
            victim.kill()
            victim.begin()
            kills += 1
        elif number % 3 == 2:
            victim.process.send_signal(signal.SIGSTOP)
            time.sleep(chance.uniform(0.1, 4.0))
            victim.process.send_signal(signal.SIGCONT)
            stops += 1
    told = f"seed {SEED}: {CHANGES} changes on embedded engines, {len(wished)} deployments in the end,"
    told += f" {kills} kills, {stops} stops, {len(RESTARTS)} restarts of the database"
    first = machines[0]
    for server in machines:
        until(lambda each=server: each.ask("GET", "/readyz")[0] == 200, f"a server to be ready; {told}")
    until(lambda: as_wished(listed(first), wished), f"all to be as wished; {told}")
    expected = sorted(
        f"{each['metadata']['guid']}.{each['status']['generation']}.app.0" for each in listed(first).values()
    )
    until(lambda: places(machines) == expected, f"the containers to be {expected}; {told}")
    sys.stderr.write(f"{told}; 0 lost, 0 started twice, 0 orphans; {time.monotonic() - began:.0f} s\n")


def as_wished(there, wished):
    if {name: each["metadata"]["depends"]["version"] for name, each in there.items()} != wished:
        return False
    return all(each["status"]["status"] == "Running" for each in there.values())


def change(machines, chance, wished):
    """Deploy, update or delete at any server; where an answer is lost, ask what became of it."""
    name, version = f"e-{chance.randrange(4)}", chance.choice(VERSIONS)
    body = {
        "kind": "Deployment",
        "metadata": {"name": name, "depends": {"kind": "package", "nameOrGUID": "app", "version": version}},
        "spec": {"runtime": "cloud"},
    }
    if name not in wished:
        ask = ("POST", "/v2/deployments/", body)
    elif chance.random() < 0.5:
        ask = ("PATCH", f"/v2/deployments/{name}/", body)
    else:
        ask, version = ("DELETE", f"/v2/deployments/{name}/", None), None
    try:
        status = chance.choice(machines).ask(*ask)[0]
    except (OSError, http.client.HTTPException):
        status = 0
    if status in (200, 201, 204):
        wished[name] = version
    else:
        ready = until(lambda: next((m for m in machines if alive(m)), None), "a server to answer")
        found = listed(ready).get(name)
        wished[name] = found and found["metadata"]["depends"]["version"]
    if wished[name] is None:
        del wished[name]


def alive(server):
    try:
        return server.ask("GET", "/readyz")[0] == 200
    except (OSError, http.client.HTTPException):
        return False
