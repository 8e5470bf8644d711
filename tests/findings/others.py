"""What skopeo, podman and docker say about the same registry, to be read beside Towline's finding.

Each gets the password by a file or standard input, folders of its own, and some seconds. They reach
scripted hosts by a proxy. docker is asked through a dockerd of our own on a socket of our own.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from findings.cases import Case
from towline.domain.image import ImageReference
from towline.domain.registry import RegistryAddress

PROGRAMS = ("skopeo", "podman", "docker")
_SECONDS = 6
_DAEMON_SECONDS = 30.0
_MOST = 150
_MESSAGE = re.compile(r'level=\w+ msg="((?:[^"\\]|\\.)*)"')
_PREFIX = re.compile(
    r'^(?:Error parsing image name "[^"]*"|Error response from daemon|Error: initializing source \S+): (?=\S)'
)
_WITHOUT_NETWORKS = ("--iptables=false", "--bridge=none", "--storage-driver=vfs")


@dataclass(frozen=True)
class Way:
    """How a case's registry is reached: by ``proxy`` where it is scripted, trusting ``ca_pem``."""

    proxy: str = ""
    ca_pem: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """What tells programs about the proxy; loopback and names that do not resolve go without."""
        return {"HTTPS_PROXY": self.proxy, "NO_PROXY": "127.0.0.1,registry.invalid"} if self.proxy else {}


@dataclass(frozen=True)
class _Command:
    """A command line, what it is told on standard input, and its own part of the environment."""

    arguments: tuple[str, ...]
    told: str = ""
    environment: dict[str, str] = field(default_factory=dict)


class Others:
    """The programs that this machine has, and why it lacks the rest."""

    def __init__(self, programs: Sequence[str] = PROGRAMS, *, scripted: Way | None = None) -> None:
        self._programs = programs
        self._scripted = scripted or Way()
        self._stack = contextlib.ExitStack()
        self.absent: dict[str, str] = {}
        """The programs that cannot be asked, and why."""

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="towline-others-"))
            self._folder = Path(folder)
            self._authority.write_text(self._scripted.ca_pem)
            self.absent = {name: "not installed" for name in self._programs if shutil.which(name) is None}
            if "docker" in self._programs and "docker" not in self.absent and (why := self._daemon(stack)):
                self.absent["docker"] = why
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    async def say(self, case: Case, *, ca_pem: str = "") -> dict[str, str]:
        """Return the last words of each program that is asked what Towline was asked."""
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        asked = _Asked(case, folder, self._folder)
        asked.write_settings(ca_pem)
        present = [name for name in self._programs if name not in self.absent]
        said = await asyncio.gather(*(self._said(name, asked) for name in present))
        return dict(zip(present, said, strict=True))

    @property
    def _authority(self) -> Path:
        return self._folder / "authority.pem"

    async def _said(self, program: str, asked: _Asked) -> str:
        command = asked.command(program)
        environment = {**command.environment}
        if asked.case.real is None:
            environment |= {**self._scripted.environment, "SSL_CERT_FILE": str(self._authority)}
        words = await _words(command, environment)
        if program == "docker" and words == "ok" and asked.case.ask.image:
            await _words(asked.forget(), environment)
        return words

    def _daemon(self, stack: contextlib.ExitStack) -> str:
        """Start a dockerd of our own; return why there is none, else nothing."""
        if shutil.which("dockerd") is None:
            return "no dockerd"
        if os.geteuid() != 0:
            return "dockerd needs root"
        places = {"data-root": "data", "exec-root": "exec", "pidfile": "pid"}
        options = [f"--{name}={self._folder / place}" for name, place in places.items()]
        host = f"--host=unix://{self._folder / 'docker.sock'}"
        log = stack.enter_context((self._folder / "log").open("wb"))
        process = subprocess.Popen(
            ["dockerd", host, *options, *_WITHOUT_NETWORKS],
            stdout=log,
            stderr=log,
            env={**os.environ, **self._scripted.environment, "SSL_CERT_FILE": str(self._authority)},
        )
        stack.callback(_stopped, process)
        return "" if self._answers(process) else "dockerd did not start"

    def _answers(self, process: subprocess.Popen[bytes]) -> bool:
        asked = ["docker", "--host", f"unix://{self._folder / 'docker.sock'}", "version"]
        until = time.monotonic() + _DAEMON_SECONDS
        while process.poll() is None and time.monotonic() < until:
            if subprocess.run(asked, check=False, capture_output=True).returncode == 0:
                return True
            time.sleep(0.2)
        return False


@dataclass(frozen=True)
class _Asked:
    """A case as command lines, with the folder for its settings and the one of the daemon."""

    case: Case
    folder: Path
    daemon: Path

    def command(self, program: str) -> _Command:
        """Return how ``program`` is asked."""
        match program:
            case "skopeo":
                return self._skopeo()
            case "podman":
                return self._podman()
            case _:
                return self._docker()

    def forget(self) -> _Command:
        """Return how docker is told to forget the image, so that the next case begins anew."""
        return _Command(("docker", "rmi", "--force", self._image), environment=self._daemons)

    def write_settings(self, ca_pem: str) -> None:
        """Write the credential as docker keeps it, and the authority as all three read it."""
        wish = self.case.ask
        auths = {}
        if wish.username and wish.image:
            token = base64.b64encode(f"{wish.username}:{wish.password}".encode()).decode()
            auths[RegistryAddress.of(ImageReference.parse(wish.image)).key] = {"auth": token}
        (self.folder / "config.json").write_text(json.dumps({"auths": auths}))
        (self.folder / "certificates").mkdir()
        if ca_pem and self.case.real is not None and self.case.real.tls != "unknown-authority":
            (self.folder / "certificates" / "ca.crt").write_text(ca_pem)

    def _skopeo(self) -> _Command:
        if self.case.ask.login:
            return _Command(("skopeo", "login", *self._login()), told=self.case.ask.password)
        parts = zip(("os", "arch", "variant"), self.case.ask.platform.split("/"), strict=False)
        wanted = (f"--override-{name}={text}" for name, text in parts)
        asked = ("inspect", "--no-tags", *self._tls, *self._auth, f"docker://{self._image}")
        return _Command(("skopeo", *wanted, *asked))

    def _podman(self) -> _Command:
        store = ("--root", str(self.folder / "root"), "--runroot", str(self.folder / "run"))
        program = ("podman", *store, "--storage-driver", "vfs")
        if self.case.ask.login:
            return _Command((*program, "login", *self._login()), told=self.case.ask.password)
        wanted = ("--platform", self.case.ask.platform, *self._tls, *self._auth)
        return _Command((*program, "pull", "--quiet", *wanted, self._image))

    def _docker(self) -> _Command:
        wish = self.case.ask
        if wish.login:
            login = ("docker", "login", "--username", wish.username, "--password-stdin", self._registry)
            return _Command(login, told=wish.password, environment=self._daemons)
        pull = ("docker", "pull", "--quiet", "--platform", wish.platform, self._image)
        return _Command(pull, environment=self._daemons)

    def _login(self) -> tuple[str, ...]:
        wish = self.case.ask
        kept = ("--authfile", str(self.folder / "login.json"))
        return ("--username", wish.username, "--password-stdin", *kept, *self._tls, self._registry)

    @property
    def _image(self) -> str:
        return str(ImageReference.parse(self.case.ask.image))

    @property
    def _registry(self) -> str:
        return RegistryAddress.parse(self.case.ask.login).netloc

    @property
    def _auth(self) -> tuple[str, ...]:
        return ("--authfile", str(self.folder / "config.json"))

    @property
    def _tls(self) -> tuple[str, ...]:
        if self.case.real is None:
            return ()
        plain = self.case.real.tls == "plain"
        return ("--tls-verify=false",) if plain else ("--cert-dir", str(self.folder / "certificates"))

    @property
    def _daemons(self) -> dict[str, str]:
        return {"DOCKER_CONFIG": str(self.folder), "DOCKER_HOST": f"unix://{self.daemon / 'docker.sock'}"}


async def _words(command: _Command, environment: dict[str, str]) -> str:
    """Run a command; return ``ok`` or the last thing it says."""
    process = await asyncio.create_subprocess_exec(
        *command.arguments,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, **environment},
    )
    try:
        async with asyncio.timeout(_SECONDS):
            _, said = await process.communicate(command.told.encode())
    except TimeoutError:
        process.kill()
        await process.wait()
        return f"(no answer within {_SECONDS} s)"
    if process.returncode == 0:
        return "ok"
    lines = [line.strip() for line in said.decode(errors="replace").splitlines() if line.strip()]
    return _shortened(lines[-1] if lines else f"exit status {process.returncode}")


def _shortened(line: str) -> str:
    told = _MESSAGE.search(line)
    text = _PREFIX.sub("", told[1].replace('\\"', '"') if told else line)
    return text if len(text) <= _MOST else f"{text[: _MOST // 3]} … {text[-_MOST * 2 // 3 :]}"


def _stopped(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(_DAEMON_SECONDS)
