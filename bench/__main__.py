"""Measure against a real server, registry and engine, and print a table. Nothing here judges a test.

``python -m bench docker`` measures the Docker Engine alone.
"""

from __future__ import annotations

import compileall
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from demo import place, registry
from demo.client import Client

from bench import cluster, docker, many, postgresql, proofs, pulling, reading, resting, size, watching
from bench.load import Server, request
from bench.table import OVER, at_least, at_most, best, heading, row
from towline.store.sqlite import SqliteStore

TRIES = 5
UNLIMITED = ("--requests-per-address", "0", "--requests-per-token", "0")
EMAIL, PASSWORD = "bench@example.com", "bench-password"


def quiet(*command: str) -> None:
    """Run a command to its end without output."""
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main() -> int:
    """Run all measurements in a folder that is removed afterwards."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    compileall.compile_dir(str(place.HERE / "src"), quiet=1)
    place.FOLDER = Path(tempfile.mkdtemp(prefix="towline-bench-"))
    for limit in ("REQUESTS_PER_ADDRESS", "REQUESTS_PER_TOKEN"):  # one client asks for thousands
        os.environ[f"TOWLINE_{limit}"] = "1000000"
    os.environ["XDG_CONFIG_HOME"] = str(place.FOLDER / "config")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    heading()
    if find_spec("rich") is not None:
        print("the tests' libraries are here: structlog loads rich, the server takes 8 MB and 60 ms more\n")
    try:
        _all()
    except KeyboardInterrupt:
        return 130
    finally:
        for name in ("bare", "towline", postgresql.NAME, "registry"):
            place.stop(name)
        shutil.rmtree(place.FOLDER)
    print(f"\nover budget: {', '.join(OVER) or 'nothing'}")
    return 0


def _leave(*_: object) -> None:
    raise KeyboardInterrupt  # so that what was started ends, as with Ctrl-C


def _all() -> None:
    place.need_programs()
    private = registry.run("bench-registry-password")
    if sys.argv[1:] == ["docker"]:
        docker.compare(private)
        return
    size.show()
    client, pid = _server()
    _command_line(client)
    for number in range(50):
        client.call("POST", "/v2/secrets/", json.loads(_opaque(f"read-{number}")))
    server, headers = Server(pid, client.port), _headers(client)
    reading.compare(server, headers, project=client.project)
    _creating(server, headers)
    client.package(watching.NAME, image=private.image, secret="not-there")
    watching.compare(server, headers, project=client.project, email=EMAIL)
    opened = partial(SqliteStore.open, place.FOLDER / "data" / "towline.db")
    many.compare(server, headers, project=client.project, opened=opened)
    resting.compare(server, project=client.project, database="SQLite", opened=opened)
    postgresql.measure()
    _deploying(client, private)
    proofs.compare()
    pulling.compare(private)
    docker.compare(private)
    cluster.measure(place.FOLDER)


def _server() -> tuple[Client, int]:
    data = str(place.FOLDER / "data")
    subprocess.run(
        [place.towline(), "admin", "create-user", "--data", data, "--email", EMAIL, "--password-stdin",
         "--organization", "bench", "--project", "bench"],
        input=PASSWORD.encode(), check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    client = Client(registry.free_port())
    pid = 0

    def start() -> None:
        nonlocal pid
        pid = place.start("towline", [*place.serve(data, client.port), *UNLIMITED])
        while client.ask("GET", "/healthz")[0] != 200:
            time.sleep(0.002)

    first = best(start, tries=TRIES, before=lambda: place.stop("towline"))
    at_most("serve: cold start to the first answer", 400, first, unit="ms")
    status = Path(f"/proc/{pid}/status").read_text()
    resident = int(status.split("VmRSS:")[1].split()[0]) / 1024
    at_most("serve: resident memory at rest", 70, resident, unit="MB")
    client.sign_in(EMAIL, PASSWORD)
    return client, pid


def _command_line(client: Client) -> None:
    at_most("towline --help", 40, best(lambda: quiet(place.towline(), "--help")), unit="ms")
    address = f"http://127.0.0.1:{client.port}"
    words = [place.towline(), "login", address, "--email", EMAIL, "--password-stdin", "--project", "bench"]
    subprocess.run(words, input=PASSWORD.encode(), check=True, capture_output=True)
    at_most("towline secret list", 60, best(lambda: quiet(place.towline(), "secret", "list")), unit="ms")
    _credential_helper(client)


def _credential_helper(client: Client) -> None:
    """Take a credential out as docker does; the registry is one that no question is sent to."""
    docker = {"registry": "localhost:1", "username": "bench", "password": "pull-me", "email": EMAIL}
    body = {"kind": "Secret", "metadata": {"name": "helper"}, "spec": {"type": "Docker", "docker": docker}}
    client.call("POST", "/v2/secrets/", body)
    program = str(Path(place.towline()).with_name("docker-credential-towline"))

    def get() -> None:
        subprocess.run([program, "get"], input=b"localhost:1", check=True, stdout=subprocess.DEVNULL)

    at_most("docker-credential-towline get", 60, best(get), unit="ms")


def _opaque(name: str) -> bytes:
    spec = {"type": "Opaque", "data": {"KEY": "value"}}
    return json.dumps({"kind": "Secret", "metadata": {"name": name}, "spec": spec}).encode()


def _headers(client: Client) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {client.token}",
        "project": client.project,
        "Content-Type": "application/json",
    }


def _creating(server: Server, headers: dict[str, str]) -> None:
    """Create from 64 connections at once."""

    def ask(turn: int, number: int) -> bytes:
        return request("POST", "/v2/secrets/", headers, _opaque(f"made-{turn}-{number}"))

    rounds = [server.spent(partial(ask, turn), count=4000, clients=64) for turn in range(4)]
    quickest = max(each.a_second for each in rounds)
    row("durable, sealed creates, 64 clients on another core: in all", "-", f"{quickest:,.0f}/s")
    least = min(each.cpu for each in rounds)
    at_least("durable, sealed creates, a CPU second of the server", 5000, 1 / least, unit="/s")


def _deploying(client: Client, private: registry.Registry) -> None:
    login = {"registry": private.address, "username": registry.USER}
    client.secret("pull", **login, password="wrong")
    client.package("app", image=private.image, secret="pull")
    made: list[str] = []

    def deployed(seen: Callable[[dict[str, Any]], bool]) -> None:
        made.append(name := f"app-{len(made) + 1}")
        client.deploy(name, package="app")
        _until(client, name, seen)

    refused = best(lambda: deployed(lambda status: status["status"] == "Error"), tries=TRIES)
    at_most("wrong password to DEP_E153", 100, refused, unit="ms")
    client.secret("pull", **login, password=private.password, method="PUT")
    healed = best(lambda: _until(client, "app-1", _runs), tries=1)
    at_most(f"corrected secret to the process of {TRIES} deployments", 1000, healed, unit="ms")
    again = best(lambda: deployed(_runs), tries=TRIES)
    at_most("cached image: wish to the process", 300, again, unit="ms")
    for name in made:  # by name: the first pages of the list are of those that rest
        client.call("DELETE", f"/v2/deployments/{name}/")
    containers = place.FOLDER / "data" / "engine" / "containers"
    place.wait_for("the containers to end", lambda: None if any(containers.iterdir()) else True)


def _runs(status: dict[str, Any]) -> bool:
    return bool(status["executables_status"].get("app", {}).get("replicas_running") == 1)


def _until(client: Client, name: str, seen: Callable[[dict[str, Any]], bool]) -> None:
    place.wait_for(name, lambda: True if seen(client.status(name)) else None, pause=0.01)


if __name__ == "__main__":
    sys.exit(main())
