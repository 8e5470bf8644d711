"""The Docker Engine: what Towline adds to it, against Docker's own command line on the same daemon."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import quote

from demo import place, registry
from demo.client import Client

from bench import load, pulling
from bench.table import at_most, row

EMAIL, PASSWORD = "bench@example.com", "bench-password"
ROUNDS = 15
PULLS = 7
AT_ONCE = 200


def compare(private: registry.Registry) -> None:
    """Start a daemon and a server of their own, measure, and take both down."""
    missing = [program for program in ("dockerd", "docker") if shutil.which(program) is None]
    if missing or os.geteuid() != 0:
        row("deploying on a Docker Engine", "-", f"needs root and {', '.join(missing) or 'nothing else'}")
        return
    engine = _Engine(place.FOLDER / "engine.socket")
    try:
        engine.start()
        client, pid = _server(engine)
        _starting(engine, client, private)
        _pulling(engine, client, private)
        _at_once(client, pid)
    finally:
        place.stop("towline-docker")
        engine.sweep()
        place.stop("dockerd")
        namespace = place.FOLDER / "dockerd" / "exec" / "netns" / "default"
        subprocess.run(["umount", str(namespace)], check=False, stderr=subprocess.DEVNULL)


class _Engine:
    """A daemon, asked over its socket."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.host = f"unix://{path}"

    def start(self) -> None:
        folder = place.FOLDER / "dockerd"
        words = ["--iptables=false", "--bridge=none", "--host", self.host, "--data-root", f"{folder}/data"]
        more = ["--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/pid"]
        folder.mkdir()
        place.start("dockerd", [place.program("dockerd"), *words, *more])
        place.wait_for("dockerd", lambda: True if self._path.exists() and self._answers() else None)

    def ask(self, method: str, path: str) -> Any:
        connection = http.client.HTTPConnection("engine")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(self._path))
        try:
            connection.request(method, quote(path, safe="/?&=@:"))
            content = connection.getresponse().read()
        finally:
            connection.close()
        return json.loads(content) if content[:1] in (b"{", b"[") else content

    def run(self, *words: str) -> None:
        """Run Docker's own command line."""
        environment = {**os.environ, "DOCKER_HOST": self.host, "DOCKER_CONFIG": str(place.FOLDER)}
        subprocess.run(["docker", *words], check=True, env=environment, stdout=subprocess.DEVNULL)

    def started_at(self, container: str) -> float:
        state = self.ask("GET", f"/containers/{container}/json")["State"]
        return datetime.fromisoformat(state["StartedAt"]).timestamp()

    def of(self, deployment: str) -> list[str]:
        wanted = json.dumps({"label": [f"io.towline.name={deployment}"], "status": ["running"]})
        return [each["Id"] for each in self.ask("GET", f"/containers/json?filters={wanted}")]

    def all(self) -> list[str]:
        return [each["Id"] for each in self.ask("GET", "/containers/json?all=1")]

    def sweep(self) -> None:
        for each in self.all():
            self.ask("DELETE", f"/containers/{each}?force=1&v=1")

    def forget(self, image: str) -> None:
        """Delete an image with its layers."""
        self.ask("DELETE", f"/images/{image}?force=1")
        self.ask("POST", "/images/prune?filters=" + json.dumps({"dangling": ["false"]}))

    def _answers(self) -> bool:
        try:
            return bool(self.ask("GET", "/_ping") == b"OK")
        except OSError:
            return False


def _server(engine: _Engine) -> tuple[Client, int]:
    data = str(place.FOLDER / "data-docker")
    words = ["--email", EMAIL, "--password-stdin", "--organization", "bench", "--project", "bench"]
    admin = [place.towline(), "admin", "create-user", "--data", data, *words]
    subprocess.run(admin, input=PASSWORD.encode(), check=True, stdout=subprocess.DEVNULL)
    client = Client(registry.free_port())
    serve = [place.towline(), "serve", "--data", data, "--port", str(client.port), "--engine", "docker"]
    options = ["--docker-host", engine.host, "--docker-network", "host", "--log-level", "warning"]
    options += ["--requests-per-address", "0", "--requests-per-token", "0"]
    pid = place.start("towline-docker", [*serve, *options])
    place.wait_for("the server", lambda: True if client.ask("GET", "/readyz")[0] == 200 else None)
    client.sign_in(EMAIL, PASSWORD)
    return client, pid


def _starting(engine: _Engine, client: Client, private: registry.Registry) -> None:
    """Compare the times from a wish to its process's start, turn by turn; the image is there."""
    client.secret("pull", registry=private.address, username=registry.USER, password=private.password)
    client.package("app", image=private.image, secret="pull")
    client.deploy("warm", package="app")
    place.wait_for("the first container", lambda: engine.of("warm") or None)
    image = engine.ask("GET", f"/containers/{engine.of('warm')[0]}/json")["Image"]
    ours, theirs = [], []
    for number in range(ROUNDS):
        began = time.time()
        engine.run("run", "-d", "--network", "host", "--name", f"bare-{number}", image)
        theirs.append(engine.started_at(f"bare-{number}") - began)
        began = time.time()
        client.deploy(f"app-{number}", package="app")
        found = place.wait_for("the container", lambda name=f"app-{number}": engine.of(name) or None)  # type: ignore[misc]
        ours.append(engine.started_at(found[0]) - began)
    for name in ("warm", *(f"app-{number}" for number in range(ROUNDS))):
        client.call("DELETE", f"/v2/deployments/{name}/")
    place.wait_for("the containers to end", lambda: None if engine.of("warm") else True)
    row("docker run, cached image, to the process's start", "-", f"{_middle(theirs, 1000):,.0f} ms")
    row("a deployment on the Docker Engine, wish to the same", "-", f"{_middle(ours, 1000):,.0f} ms")
    added = median(mine - bare for mine, bare in zip(ours, theirs, strict=True)) * 1000
    at_most(f"what Towline adds to docker run, median of {ROUNDS} pairs", 150, added, unit="ms")


def _pulling(engine: _Engine, client: Client, private: registry.Registry) -> None:
    """Compare a pull of 400 MB, cold each time, turn by turn."""
    manifest = pulling.push(private)
    image = f"{private.address}/{pulling.REPOSITORY}:1"
    login = {"auths": {private.address: {"auth": registry.basic(private)}}}
    (place.FOLDER / "config.json").write_text(json.dumps(login))
    client.package("large", image=image, secret="pull")
    ours: list[float] = []
    theirs: list[float] = []

    def bare() -> None:
        theirs.append(_timed(engine, lambda: engine.run("pull", "-q", image)))
        engine.forget(image)

    def deployed() -> None:
        name = f"large-{len(ours)}"
        ours.append(_timed(engine, lambda: client.deploy(name, package="large")))
        client.call("DELETE", f"/v2/deployments/{name}/")
        place.wait_for("the deployment to end", lambda: None if engine.of(name) else True)
        engine.sweep()
        engine.forget(f"{private.address}/{pulling.REPOSITORY}@{_digest(engine)}")

    for number in range(PULLS):  # who goes first takes turns: a disk remembers
        for pull in (bare, deployed) if number % 2 else (deployed, bare):
            pull()
    size = sum(each["size"] for each in manifest["layers"]) / 1e6
    row(f"docker pull, {size:.0f} MB", "-", f"{_middle(theirs):.2f} s ({min(theirs):.2f}-{max(theirs):.2f})")
    figures = f"{_middle(ours):.2f} s ({min(ours):.2f}-{max(ours):.2f})"
    row("the same image deployed, wish to the end of its pull", "-", figures)
    ratio = median(mine / docker for mine, docker in zip(ours, theirs, strict=True))
    at_most(
        f"a pull by Towline against docker pull, median of {PULLS} pairs", 1.03, ratio, unit="x", digits=2
    )


def _middle(seconds: list[float], factor: int = 1) -> float:
    return median(seconds) * factor


def _timed(engine: _Engine, work: Callable[[], object]) -> float:
    """Return the seconds from now to the daemon's own event that an image was pulled."""
    began = time.time()
    work()
    wanted = json.dumps({"event": ["pull"]})

    def pulled() -> float | None:
        said = engine.ask("GET", f"/events?since={began:.6f}&until={time.time():.6f}&filters={wanted}")
        return float(said["timeNano"]) / 1e9 if isinstance(said, dict) else None

    return place.wait_for("the pull", pulled, seconds=300) - began


def _digest(engine: _Engine) -> str:
    found = engine.ask("GET", "/images/json")
    digests = [each for image in found for each in image["RepoDigests"] or () if pulling.REPOSITORY in each]
    return digests[0].partition("@")[2] if digests else ""


def _at_once(client: Client, pid: int) -> None:
    """Deploy many at once: until all run, and what that costs the server."""
    began, before = time.perf_counter(), load.cpu(pid)
    for number in range(AT_ONCE):
        client.deploy(f"many-{number}", package="app")
    accepted = time.perf_counter() - began
    place.wait_for("all to run", lambda: True if _running(client) == AT_ONCE else None, seconds=900)
    took, spent = time.perf_counter() - began, load.cpu(pid) - before
    resident = int(Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0]) / 1024
    row(f"{AT_ONCE} deployments at once: accepted", "-", f"{accepted:.1f} s")
    row("all of them Running", "-", f"{took:.1f} s")
    row("the server's CPU for that, and its memory then", "-", f"{spent:.1f} s, {resident:.0f} MB")


def _running(client: Client) -> int:
    found = 0
    for begin in range(0, AT_ONCE, 100):
        items = client.call("GET", f"/v2/deployments/?limit=100&continue={begin}&phases=Succeeded")["items"]
        found += sum(each["status"]["status"] == "Running" for each in items)
    return found
