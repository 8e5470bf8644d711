"""A real server, registry and engine, two people in two organizations, and ``rio`` typed side by side."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import httpx

from parts.forks import towline
from parts.images import busybox_layout
from parts.registry import htpasswd_auth, push, running_registry
from parts.require import require
from parts.rio import Ran, Rio, require_rio, running_forks
from parts.server import EMAIL, PASSWORD, Server, running_server, until
from rio.manifests import write_manifests

if TYPE_CHECKING:
    from rio.steps import Step

COMMAND = ("sh", "-c", "echo hello from a private image; exec sleep 86429")
ANN = "ann@example.com"


@dataclass
class Stage:
    """Everything that runs, and what was noted while the steps were played."""

    server: Server
    folder: Path
    registry: str
    forks: Path
    facts: dict[str, object] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where the server is."""
        return f"http://127.0.0.1:{self.server.port}"

    def until_status(self, name: str, status: str) -> None:
        """Wait until a deployment has this status."""
        until(lambda: self.server.status(name)["status"] == status, f"{name} to be {status}")

    def asked(self, token: str) -> int:
        """Return the status that the server answers a token with."""
        return httpx.get(f"{self.url}/user/info", headers={"Authorization": f"Bearer {token}"}).status_code


@contextmanager
def running_stage(folder: Path) -> Iterator[Stage]:
    """Run it all until the block ends."""
    require_rio()
    for part in ("runc", "root"):
        require(part)
    for name in ("registry", "server"):
        (folder / name).mkdir()
    with running_registry(folder / "registry", auth=htpasswd_auth(folder / "registry")) as registry:
        push(registry, busybox_layout(folder / "image", command=COMMAND), "team/talker:1.0")
        with running_server(folder / "server") as server, running_forks() as forks:
            stage = Stage(server, folder, registry.netloc, forks)
            _settle_in(stage)
            yield stage


def play(stage: Stage, *lanes: tuple[Step, ...]) -> list[tuple[Step, Ran]]:
    """Play the lanes side by side, each in a folder of its own; return how every step ended."""
    ran: list[list[tuple[Step, Ran]]] = [[] for _ in lanes]
    broken: list[BaseException] = []

    def one(at: int, lane: tuple[Step, ...]) -> None:
        try:
            rio = _typist(stage, f"lane-{at}")
            for step in lane:
                if step.before is not None:
                    step.before(stage, rio)
                ended = rio.run(step.command, stdin=step.stdin, drive=step.drive and step.drive(stage))
                ran[at].append((step, ended))
                if step.after is not None:
                    step.after(stage, rio, ended)
        except BaseException as error:  # noqa: BLE001  (it is raised again by the thread that waits)
            broken.append(error)

    threads = [Thread(target=one, args=(at, lane)) for at, lane in enumerate(lanes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if broken:
        raise broken[0]
    return [each for lane in ran for each in lane]


def write_config(stage: Stage, rio: Rio) -> None:
    """Write the file that points ``rio`` here, as a user does it: with ``towline rio-config``."""
    words = ["rio-config", "--server", stage.url, "--output-file", str(rio.config), "--force"]
    _towline(stage, *words)


def write_signed_in_config(stage: Stage, rio: Rio) -> None:
    """Write it with the session of who is signed in, so that no ``rio auth login`` is needed."""
    login = ["login", stage.url, "--email", EMAIL, "--password-stdin", "--project", "demo"]
    _towline(stage, *login, stdin=PASSWORD)
    _towline(stage, "rio-config", "--output-file", str(rio.config), "--force")


def note_token(name: str) -> Callable[[Stage, Rio], None]:
    """Return what keeps the token that ``rio`` has now under a name."""

    def note(stage: Stage, rio: Rio) -> None:
        stage.facts[name] = json.loads(rio.config.read_text())["auth_token"]

    return note


def approve(stage: Stage) -> Callable[[Rio, subprocess.Popen[str]], str]:
    """Return what lets the waiting ``rio`` in, as a browser without scripts would."""
    return _answering(stage, "approve")


def deny(stage: Stage) -> Callable[[Rio, subprocess.Popen[str]], str]:
    """Return what turns the waiting ``rio`` away."""
    return _answering(stage, "deny")


def end_when_read(stage: Stage) -> Callable[[Rio, subprocess.Popen[str]], str]:
    """Return what reads a log until its line is there, then stops the deployment, which ends the log."""

    def drive(_: Rio, process: subprocess.Popen[str]) -> str:
        text = _printed(process, "hello from a private image")
        stage.server.call("DELETE", "/v2/deployments/talker-1/")
        return text

    return drive


def _answering(stage: Stage, button: str) -> Callable[[Rio, subprocess.Popen[str]], str]:
    def drive(_: Rio, process: subprocess.Popen[str]) -> str:
        text = _printed(process, "user_code=")
        found = re.search(r"http\S+", text)
        assert found is not None
        _press(stage, found[0], button)
        return text

    return drive


def _press(stage: Stage, address: str, button: str) -> None:
    """Follow the address to the sign-in and back, and press a button of the page."""
    with httpx.Client(base_url=stage.url, follow_redirects=True, timeout=30) as browser:
        form = browser.get(address)
        back = parse_qs(urlsplit(str(form.url)).query)["next"][0]
        page = browser.post("/sign-in", data={"email": EMAIL, "password": PASSWORD, "next": back})
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]+)"', page.text))
        assert browser.post("/device", data={**hidden, button: "yes"}).status_code == 200


def _printed(process: subprocess.Popen[str], wanted: str) -> str:
    """Read until a line holds ``wanted``; return all that was printed by then."""
    assert process.stdout is not None
    text = ""
    while wanted not in text:
        line = process.stdout.readline()
        if not line:
            raise AssertionError(f"rio ended before it printed {wanted!r}: {text}")
        text += line
    return text


def _typist(stage: Stage, name: str) -> Rio:
    folder = stage.folder / name
    folder.mkdir()
    write_manifests(folder, stage.registry)
    words = {"EMAIL": EMAIL, "PASSWORD": PASSWORD, "TOKEN": stage.server.token}
    return Rio(folder, words, stage.forks)


def _settle_in(stage: Stage) -> None:
    """Make Ann's organization and let Jane into it, so that there are two to choose from."""
    words = ["--email", ANN, "--password-stdin", "--organization", "umbrella", "--project", "lab"]
    _towline(stage, "admin", "create-user", "--data", str(stage.server.data), *words, stdin=PASSWORD)
    login = httpx.post(f"{stage.url}/user/login", json={"email": ANN, "password": PASSWORD})
    headers = {"Authorization": f"Bearer {login.json()['data']['token']}"}
    mine = httpx.get(f"{stage.url}/v2/users/me/", headers=headers).json()["spec"]["organizations"][0]
    path = f"{stage.url}/v2/organizations/{mine['guid']}/"
    body = httpx.get(path, headers=headers).json()
    body["spec"]["members"].append({"subject": {"name": EMAIL}, "roleNames": ["rio-org_member"]})
    httpx.put(path, headers=headers, json=body).raise_for_status()


def _towline(stage: Stage, *words: str, stdin: str = "") -> None:
    environ = {"XDG_CONFIG_HOME": str(stage.folder), "HOME": str(stage.folder)}
    towline(*words, stdin=stdin, env=environ, check=True, timeout=60)
