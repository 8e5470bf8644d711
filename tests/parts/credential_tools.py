"""The real docker, podman and credential helpers, each with a home of its own."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socketserver
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from parts.require import require

PATIENCE = 60.0


@dataclass
class RecordingEngine:
    """A Docker Engine that pulls nothing: it writes down which credential the docker CLI hands over."""

    address: str
    sent: list[str] = field(default_factory=list)

    def pull(self, image: str, config: Path, *, path: str, **more: str) -> dict[str, Any]:
        """Return what the real docker sends along when it is told to pull ``image`` with this folder."""
        docker = shutil.which("docker")
        assert docker is not None
        self.sent.clear()
        subprocess.run(
            [docker, "--host", self.address, "pull", image],
            env={"PATH": path, "HOME": str(config), "DOCKER_CONFIG": str(config), **more},
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        [header] = self.sent
        found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(header)) if header else {}
        return found


@contextmanager
def recording_engine() -> Iterator[RecordingEngine]:
    """Run the engine on a socket of its own."""
    require("docker")
    # A socket's path may be 107 bytes long, which pytest's folders exceed.
    with tempfile.TemporaryDirectory() as folder:
        made = RecordingEngine(f"unix://{folder}/engine")

        class Door(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self._answer()

            def do_GET(self) -> None:
                self._answer()

            def do_POST(self) -> None:
                self._answer()

            def _answer(self) -> None:
                is_pull = "/images/create" in self.path
                if is_pull:
                    made.sent.append(self.headers.get("X-Registry-Auth", ""))
                content = b'{"message":"nothing is pulled here"}' if is_pull else b"{}"
                self.send_response(404 if is_pull else 200)
                self.send_header("Api-Version", "1.41")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        with socketserver.ThreadingUnixStreamServer(f"{folder}/engine", Door) as server:
            server.daemon_threads = True
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            try:
                yield made
            finally:
                server.shutdown()
                thread.join()


def write_helper(folder: Path, name: str, source: str) -> None:
    """Write the program ``docker-credential-NAME``; ``source`` is Python."""
    program = folder / f"docker-credential-{name}"
    program.write_text(f"#!{sys.executable} -I\n{source}")
    program.chmod(0o755)


def answering_helper(folder: Path, name: str, logins: Mapping[str, Mapping[str, str]]) -> None:
    """Write a helper that knows these logins by server, in the vectors' words; one may be a problem."""
    write_helper(
        folder,
        name,
        "import json, sys\n"
        f"known = json.loads({json.dumps(json.dumps(logins))})\n"
        "if sys.argv[1] == 'list':\n"
        "    print(json.dumps({server: login['username'] for server, login in known.items()}))\n"
        "    sys.exit()\n"
        "login = known.get(sys.stdin.read())\n"
        "if login is None or 'problem' in login:\n"
        "    print(login['problem'] if login else 'credentials not found in native keychain')\n"
        "    sys.exit(1)\n"
        "print(json.dumps({'Username': login['username'], 'Secret': login['secret']}))\n",
    )


def podman_login(key: str, environ: Mapping[str, str], *, authfile: Path | None = None) -> str:
    """Return the user name that the real podman finds for ``key``; empty where it finds none or fails."""
    require("podman")
    named = ["--authfile", str(authfile)] if authfile else []
    done = subprocess.run(
        [str(shutil.which("podman")), "login", "--get-login", *named, key],
        env=dict(environ),
        capture_output=True,
        timeout=PATIENCE,
        check=False,
        text=True,
    )
    return done.stdout.strip() if done.returncode == 0 else ""


def docker_login(registry: str, config: Path, *, user: str, password: str, **environ: str) -> None:
    """Log in with the real docker, which writes ``config.json`` or calls the helper named there."""
    require("docker")
    docker = str(shutil.which("docker"))
    config.mkdir(parents=True, exist_ok=True)
    # No engine listens there, so the CLI asks the registry itself; on an empty PATH it finds no helper of its
    # own choice.
    done = subprocess.run(
        [docker, "--host", "unix:///nowhere/engine", "login", "-u", user, "--password-stdin", registry],
        input=password.encode(),
        env={"PATH": "/nowhere", "HOME": str(config), **environ, "DOCKER_CONFIG": str(config)},
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()


@contextmanager
def password_store(home: Path) -> Iterator[dict[str, str]]:
    """Make a gpg key and an empty password store in ``home``; yield the environment that uses them."""
    for part in ("gpg", "pass", "docker-credential-pass"):
        require(part)
    # The agent's socket lies in the home of gpg, whose path must be short.
    with tempfile.TemporaryDirectory() as keys:
        environ = {**os.environ, "HOME": str(home), "GNUPGHOME": keys}
        make = ["gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", "test@example.com"]
        for command in ([*make, "default", "default"], ["pass", "init", "test@example.com"]):
            subprocess.run(command, env=environ, capture_output=True, check=True, timeout=PATIENCE)
        try:
            yield environ
        finally:
            subprocess.run(["gpgconf", "--kill", "gpg-agent"], env=environ, check=True, timeout=PATIENCE)
