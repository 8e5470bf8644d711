"""Measure against a real server, registry and engine, and print a table. Nothing here judges a test."""

from __future__ import annotations

import asyncio
import compileall
import http.client
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from demo import place, registry
from demo.client import Client

EMAIL, PASSWORD = "bench@example.com", "bench-password"
ROWS: list[tuple[str, str, str]] = []


def row(what: str, budget: str, figure: str) -> None:
    """Print one line of the table."""
    ROWS.append((what, budget, figure))
    print(f"{what:58} {budget:>22}   {figure}", flush=True)


def best(work: Callable[[], object], tries: int = 15) -> float:
    """Return the least milliseconds of ``tries`` runs."""
    times = []
    for _ in range(tries):
        began = time.perf_counter()
        work()
        times.append((time.perf_counter() - began) * 1000)
    return min(times)


def quiet(*command: str) -> None:
    """Run a command to its end without output."""
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main() -> int:
    """Run all measurements in a folder that is removed afterwards."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    compileall.compile_dir(str(place.HERE / "src"), quiet=1)
    place.FOLDER = Path(tempfile.mkdtemp(prefix="towline-bench-"))
    os.environ["XDG_CONFIG_HOME"] = str(place.FOLDER / "config")
    print(f"{'what':58} {'budget':>22}   figure")
    try:
        _all()
    finally:
        for name in ("towline", "registry"):
            place.stop(name)
        shutil.rmtree(place.FOLDER)
    return 0


def _all() -> None:
    place.need_programs()
    private = registry.run("bench-registry-password")
    client = _server()
    _command_line(client)
    _reading(client)
    asyncio.run(_creating(client))
    _deploying(client, private)


def _server() -> Client:
    data = str(place.FOLDER / "data")
    subprocess.run(
        [place.towline(), "admin", "create-user", "--data", data, "--email", EMAIL, "--password-stdin",
         "--organization", "bench", "--project", "bench"],
        input=PASSWORD.encode(), check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    client = Client(registry.free_port())
    began = time.perf_counter()
    pid = place.start("towline", [place.towline(), "serve", "--data", data, "--port", str(client.port)])
    while client.ask("GET", "/healthz")[0] != 200:
        time.sleep(0.002)
    row(
        "serve: cold start to the first answer", "<= 400 ms", f"{(time.perf_counter() - began) * 1000:.0f} ms"
    )
    status = Path(f"/proc/{pid}/status").read_text()
    resident = int(status.split("VmRSS:")[1].split()[0]) / 1024
    row("serve: resident memory at rest", "<= 70 MB", f"{resident:.0f} MB")
    client.sign_in(EMAIL, PASSWORD)
    return client


def _command_line(client: Client) -> None:
    row("towline --help", "<= 40 ms", f"{best(lambda: quiet(place.towline(), '--help')):.0f} ms")
    address = f"http://127.0.0.1:{client.port}"
    words = [place.towline(), "login", address, "--email", EMAIL, "--password-stdin", "--project", "bench"]
    subprocess.run(words, input=PASSWORD.encode(), check=True, capture_output=True)
    row("towline secret list", "<= 60 ms", f"{best(lambda: quiet(place.towline(), 'secret', 'list')):.0f} ms")


def _opaque(name: str) -> bytes:
    spec = {"type": "Opaque", "data": {"KEY": "value"}}
    return json.dumps({"kind": "Secret", "metadata": {"name": name}, "spec": spec}).encode()


def _headers(client: Client) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {client.token}",
        "project": client.project,
        "Content-Type": "application/json",
    }


def _reading(client: Client) -> None:
    for number in range(50):
        client.call("POST", "/v2/secrets/", json.loads(_opaque(f"read-{number}")))
    connection = http.client.HTTPConnection("127.0.0.1", client.port)

    def fetch(path: str) -> None:
        connection.request("GET", path, headers=_headers(client))
        connection.getresponse().read()

    for what, path in (("GET a secret", "/v2/secrets/read-1/"), ("list of 50", "/v2/secrets/?limit=50")):
        times = []
        for _ in range(2000):
            began = time.perf_counter()
            fetch(path)
            times.append((time.perf_counter() - began) * 1000)
        row(f"{what}, one client, Python's http.client", "-", f"median {statistics.median(times):.2f} ms")


async def _creating(client: Client) -> None:
    """Create from 64 connections at once; the clients share the machine with the server."""
    each, clients = 40, 64
    head = "".join(f"{name}: {value}\r\n" for name, value in _headers(client).items())

    async def worker(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
        for turn in range(each):
            body = _opaque(f"made-{number}-{turn}")
            request = (
                f"POST /v2/secrets/ HTTP/1.1\r\nHost: bench\r\n{head}Content-Length: {len(body)}\r\n\r\n"
            )
            writer.write(request.encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            if b" 201 " not in answer.split(b"\r\n")[0]:
                raise place.DemoFailed(answer.decode())
            size = int(answer.lower().split(b"content-length:")[1].split()[0])
            await reader.readexactly(size)
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(worker(number) for number in range(clients)))
    rate = each * clients / (time.perf_counter() - began)
    row("durable, sealed creates over HTTP, 64 clients", ">= 5,000/s a core", f"{rate:,.0f}/s")


def _deploying(client: Client, private: registry.Registry) -> None:
    login = {"registry": private.address, "username": registry.USER}
    client.secret("pull", **login, password="wrong")
    client.package("app", image=private.image, secret="pull")
    began = time.perf_counter()
    client.deploy("app", package="app")
    _until(client, "app", lambda status: status["status"] == "Error")
    row("wrong password to DEP_E153", "registry + 100 ms", f"{(time.perf_counter() - began) * 1000:.0f} ms")
    client.secret("pull", **login, password=private.password, method="PUT")
    began = time.perf_counter()
    _until(client, "app", _runs)
    row(
        "corrected secret to the process (pull of 1 MB)",
        "<= 1 s",
        f"{(time.perf_counter() - began) * 1000:.0f} ms",
    )
    began = time.perf_counter()
    client.deploy("again", package="app")
    _until(client, "again", _runs)
    row("cached image: wish to the process", "<= 300 ms", f"{(time.perf_counter() - began) * 1000:.0f} ms")
    for name in ("app", "again"):
        client.call("DELETE", f"/v2/deployments/{name}/")
    containers = place.FOLDER / "data" / "engine" / "containers"
    place.wait_for("the containers to end", lambda: None if any(containers.iterdir()) else True)


def _runs(status: dict) -> bool:
    return status["executables_status"].get("app", {}).get("replicas_running") == 1


def _until(client: Client, name: str, seen: Callable[[dict], bool]) -> None:
    place.wait_for(name, lambda: True if seen(client.status(name)) else None)


if __name__ == "__main__":
    sys.exit(main())
