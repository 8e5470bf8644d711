"""A real Docker Engine for tests: a daemon of its own, with folders, socket and network of nobody else's."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from parts.registry import certificate, free_port
from parts.require import require

PATIENCE = 40.0


@dataclass
class Dockerd:
    """A daemon, at debug level unless told otherwise: ``log`` is all that it says.

    An Engine of somebody else's has no folder.
    """

    host: str
    folder: Path | None = None
    process: subprocess.Popen[bytes] | None = None
    tcp: str = ""
    """The same Engine over TCP with TLS; ca.pem, cert.pem and key.pem are in ``folder``."""
    bridge: str = "none"
    debug: bool = True

    @property
    def socket(self) -> str:
        """The path of the Engine's socket."""
        return self.host.removeprefix("unix://")

    @cached_property
    def is_podman(self) -> bool:
        """Whether it is podman that answers, which takes Docker's API only so far (decision 39)."""
        return any(part["Name"] == "Podman Engine" for part in self.ask("GET", "/version")["Components"])

    @property
    def log(self) -> Path:
        """The daemon's own log."""
        assert self.folder is not None
        return self.folder / "log"

    def start(self) -> None:
        """Start the daemon, and return once it answers."""
        assert self.folder is not None
        self._configure()
        command = ["dockerd", "--config-file", str(self.folder / "daemon.json"), "--iptables=false",
                   "--bridge", self.bridge, "--host", self.host, "--host", self.tcp,
                   "--data-root", str(self.folder / "data"), "--exec-root", str(self.folder / "exec"),
                   "--pidfile", str(self.folder / "pid"), "--shutdown-timeout", "2",
                   "--tlsverify", *_certificates(self.folder)]  # fmt: skip
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + PATIENCE
        while not self.answers():
            assert time.monotonic() < deadline, f"dockerd does not answer: {self.log.read_text()[-2000:]}"
            assert self.process.poll() is None, f"dockerd ended: {self.log.read_text()[-2000:]}"
            time.sleep(0.05)

    def set_debug(self, *, debug: bool) -> None:
        """Change the daemon's level while it runs; return once it is changed."""
        assert self.process is not None
        self.debug = debug
        self._configure()
        self.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + PATIENCE
        while self.ask("GET", "/info")["Debug"] is not debug:
            assert time.monotonic() < deadline, "dockerd does not read its configuration again"
            time.sleep(0.05)

    def _configure(self) -> None:
        assert self.folder is not None
        (self.folder / "daemon.json").write_text(json.dumps({"debug": self.debug}))

    def stop(self) -> None:
        """End the daemon, and its containers with it."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(PATIENCE)
            self.process = None

    def answers(self) -> bool:
        """Whether the Engine answers."""
        try:
            return bool(self.ask("GET", "/_ping") == "OK")
        except OSError:
            return False

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Return what the Engine answers, decoded where it is JSON."""
        connection = _OverSocket(self.socket)
        try:
            headers = {"Content-Type": "application/json"}
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        assert answer.status < 400 or answer.status == 404, f"{method} {path}: {answer.status} {content!r}"
        is_json = answer.headers.get_content_type() == "application/json" and not path.startswith("/events")
        return json.loads(content) if content and is_json else content.decode(errors="replace")

    def send(self, path: str, query: dict[str, str], content: bytes) -> None:
        """Post an archive."""
        connection = _OverSocket(self.socket)
        try:
            connection.request(
                "POST", f"{path}?{urlencode(query)}", content, {"Content-Type": "application/x-tar"}
            )
            answer = connection.getresponse()
            said = answer.read()
        finally:
            connection.close()
        assert answer.status < 400, said

    def now(self) -> str:
        """Return the Engine's time as its events take it."""
        return f"{datetime.fromisoformat(self.ask('GET', '/info')['SystemTime']).timestamp():.6f}"

    def events(self, since: str) -> str:
        """Return what the Engine has told since then, as it wrote it; podman knows no end of it."""
        until = "" if self.is_podman else f"&until={self.now()}"
        return str(self.ask("GET", f"/events?stream=false&since={since}{until}"))

    def containers(self, **labels: str) -> list[Any]:
        """Return the descriptions of all containers with these labels of Towline's."""
        return list(self.ask("GET", f"/containers/json?all=1&filters={_filters(labels)}"))

    def inspect(self, ident: str) -> Any:
        """Return all that the Engine tells about a container."""
        return self.ask("GET", f"/containers/{ident}/json")

    def sweep(self, **labels: str) -> None:
        """Delete the containers and volumes with these labels."""
        for each in self.containers(**labels):
            self.ask("DELETE", f"/containers/{each['Id']}?force=1&v=1")
        for each in self.volumes(**labels):
            self.ask("DELETE", f"/volumes/{each['Name']}?force=1")

    def volumes(self, **labels: str) -> list[Any]:
        """Return the volumes with these labels of ours."""
        return list(self.ask("GET", f"/volumes?filters={_filters(labels)}")["Volumes"] or ())


def _filters(labels: Mapping[str, str]) -> str:
    wanted = [f"io.towline.{name}={value}" for name, value in labels.items()]
    return quote(json.dumps({"label": wanted or ["io.towline.installation"]}))


@contextmanager
def running_dockerd() -> Iterator[Dockerd]:
    """Run a daemon until the block ends; where ``DOCKER_HOST`` names an Engine, it is that one."""
    if named := os.environ.get("DOCKER_HOST", ""):
        given = Dockerd(named)
        assert given.answers(), f"{named} does not answer"
        yield given
        return
    with own_dockerd(bridge="none") as made:
        yield made


@contextmanager
def own_dockerd(*, bridge: str, debug: bool = True) -> Iterator[Dockerd]:
    """Run a daemon with nothing of anybody else's until the block ends."""
    require("root")
    require("dockerd")
    folder = Path(tempfile.mkdtemp(prefix="towline-dockerd-"))  # a socket's path must be short
    tcp = f"tcp://127.0.0.1:{free_port()}"
    made = Dockerd(f"unix://{folder}/socket", folder, tcp=tcp, bridge=bridge, debug=debug)
    issued = certificate(folder)
    (folder / "ca.pem").write_text(issued.ca_pem)
    issued.chain.rename(folder / "cert.pem")
    issued.key.rename(folder / "key.pem")
    try:
        made.start()
        yield made
    finally:
        made.stop()
        _unmounted(folder)
        shutil.rmtree(folder)


def _certificates(folder: Path) -> list[str]:
    names = {"tlscacert": "ca.pem", "tlscert": "cert.pem", "tlskey": "key.pem"}
    return [word for option, name in names.items() for word in (f"--{option}", str(folder / name))]


def _unmounted(folder: Path) -> None:
    """Take away what a daemon leaves mounted: the network namespace of ``--network host``."""
    places = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for place in sorted((each for each in places if each.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "--lazy", place], check=True)


@contextmanager
def bridged_dockerd() -> Iterator[Dockerd]:
    """Run a daemon that has a bridge for its containers, until the block ends."""
    for part in ("root", "dockerd", "ip"):
        require(part)
    name = f"tl{os.getpid()}"
    subprocess.run(["ip", "link", "add", "name", name, "type", "bridge"], check=True)
    try:
        subnet = f"172.31.{os.getpid() % 200 + 20}.1/24"
        subprocess.run(["ip", "address", "add", subnet, "dev", name], check=True)
        subprocess.run(["ip", "link", "set", name, "up"], check=True)
        with own_dockerd(bridge=name) as made:
            yield made
    finally:
        subprocess.run(["ip", "link", "delete", name], check=True)


class _OverSocket(HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self._path)
