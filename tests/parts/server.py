"""A real ``towline serve`` as a process with a data folder of its own, and its API as a client uses it."""

from __future__ import annotations

import functools
import http.client
import json
import os
import shutil
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from parts.forks import Process, the_towline, towline
from parts.registry import Certificate, free_port

T = TypeVar("T")

EMAIL = "jane@example.com"
PASSWORD = "correct horse battery staple"
PATIENCE = 45.0
SHARED_STORE = {"TOWLINE_DATABASE", "TOWLINE_KEYRING"}


@dataclass
class Server:
    """The process, who is signed in, and everything that the API replied."""

    folder: Path
    port: int
    process: Process | None = None
    token: str = ""
    project: str = ""
    replies: bytes = b""
    options: tuple[str, ...] = ("--engine", "embedded")
    certificate: Certificate | None = None
    """By which it is asked over HTTPS."""

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """What the process wrote."""
        return self.folder / "serve.log"

    def words(self, port: int) -> list[str]:
        """Return the words after ``towline`` that serve this data folder."""
        words = ["serve", "--data", str(self.data), "--port", str(port), *self.options]
        if self.certificate:
            words += ["--tls-cert", str(self.certificate.chain), "--tls-key", str(self.certificate.key)]
        return words

    def start(self) -> None:
        """Start, and return once it is ready."""
        self.begin()
        until(lambda: self.ask("GET", "/readyz")[0] == 200, "the server to be ready")

    def begin(self) -> None:
        """Start, without waiting for anything."""
        with self.log.open("ab") as log, Path(os.devnull).open() as nothing:
            streams = (nothing.fileno(), log.fileno(), log.fileno())
            self.process = the_towline().start(self.words(self.port), streams=streams)

    def stop(self) -> int:
        """End by SIGTERM; return the exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        """End by SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(PATIENCE)

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Return the JSON answer of a call that must succeed."""
        status, content = self.ask(method, path, body)
        assert status < 300, f"{method} {path}: {status} {content[:500]!r}"
        return json.loads(content) if content else None

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        """Return status and content; status 0 when nothing listens."""
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers |= {"Authorization": f"Bearer {self.token}", "project": self.project}
        connection = self.connection()
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            content = answer.read()
        except ConnectionRefusedError:
            return 0, b""
        finally:
            connection.close()
        self.replies += content
        return answer.status, content

    def connection(self) -> http.client.HTTPConnection:
        """Return a connection to be opened, which trusts nobody but the certificate's authority."""
        if self.certificate is None:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        trust = ssl.create_default_context(cadata=self.certificate.ca_pem)
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=trust)

    def status(self, name: str) -> Any:
        """Return a deployment's status."""
        return self.call("GET", f"/v2/deployments/{name}/")["status"]


def _make_account(data: Path) -> None:
    """Make the tests' person, organization and project where a server with this data folder finds them."""
    words = ["--email", EMAIL, "--password-stdin", "--organization", "acme", "--project", "demo"]
    towline("admin", "create-user", "--data", data, *words, stdin=PASSWORD, check=True)


@functools.cache
def _with_an_account() -> tempfile.TemporaryDirectory[str]:
    """Return a data folder in which somebody has an account: made once, as each start of Python costs."""
    folder = tempfile.TemporaryDirectory(prefix="towline-account-")
    _make_account(Path(folder.name))
    return folder


@contextmanager
def running_server(
    folder: Path, *options: str, port: int = 0, certificate: Certificate | None = None
) -> Iterator[Server]:
    """Serve until the block ends, then delete every deployment and end the process."""
    made = Server(folder, port or free_port(), options=options or Server.options, certificate=certificate)
    if SHARED_STORE.intersection(os.environ):  # then an account is not in the folder alone
        _make_account(made.data)
    else:
        shutil.copytree(_with_an_account().name, made.data, dirs_exist_ok=True)
    try:
        made.start()
        login = made.call("POST", "/user/login?type=med", {"email": EMAIL, "password": PASSWORD})
        made.token = login["data"]["token"]
        made.project = made.call("GET", "/v2/users/me/")["spec"]["projects"][0]["guid"]
        yield made
    finally:
        _end(made)


def until(seen: Callable[[], T], what: str) -> T:
    """Return what ``seen`` returns as soon as that is true."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := seen():
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited {PATIENCE:g} s for {what}")


def _end(server: Server) -> None:
    if server.process is None:
        return
    try:
        if server.process.poll() is not None:
            server.start()
        for each in server.call("GET", "/v2/deployments/?limit=100")["items"]:
            server.call("DELETE", f"/v2/deployments/{each['metadata']['name']}/")
        containers = server.data / "engine" / "containers"
        until(lambda: not (containers.is_dir() and any(containers.iterdir())), "the containers to end")
    finally:
        server.stop()
