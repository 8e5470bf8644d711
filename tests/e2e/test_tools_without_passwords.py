"""Real docker, skopeo and podman pull a private image on a machine that holds no password: Towline has it."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from parts.dockerd import running_dockerd
from parts.images import busybox_layout
from parts.registry import PASSWORD, USER, RealRegistry, htpasswd_auth, push, running_registry
from parts.require import require
from parts.server import Server, running_server
from parts.token_server import User, token_server

PROGRAMS = Path(sys.executable).parent


@dataclass
class Machine:
    """A home folder with docker's settings in it, and a token for Towline in the environment."""

    home: Path
    server: Server
    registry: RealRegistry
    token: str

    @property
    def config(self) -> Path:
        return self.home / ".docker" / "config.json"

    @property
    def image(self) -> str:
        return f"{self.registry.netloc}/team/app:1"

    def run(
        self, *words: str, stdin: str = "", code: int = 0, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a program here; it must end with ``code``."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("TOWLINE_", "XDG_"))
        }
        environment = {
            **kept,
            "HOME": str(self.home),
            "XDG_RUNTIME_DIR": str(self.home / "run"),
            "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
            "TOWLINE_URL": f"http://127.0.0.1:{self.server.port}",
            "TOWLINE_TOKEN": self.token,
            **environ,
        }
        done = subprocess.run(
            words, input=stdin, capture_output=True, text=True, check=False, env=environment, timeout=120
        )
        assert done.returncode == code, (words, done.stdout, done.stderr)
        return done

    def towline(self, *words: str) -> str:
        return self.run("towline", *words).stdout

    def rows(self, action: str) -> list[dict[str, str]]:
        """Return the details of the audit rows of this kind, as the database keeps them."""
        program = (
            "import json, sqlite3, sys; rows = sqlite3.connect(sys.argv[1]).execute('SELECT body FROM audit "
            "ORDER BY seq').fetchall(); print(json.dumps([json.loads(body) for body, in rows]))"
        )
        database = str(self.server.data / "towline.db")
        printed = subprocess.run(
            [sys.executable, "-c", program, database], capture_output=True, check=True
        ).stdout
        found: list[dict[str, Any]] = json.loads(printed)
        return [
            {**dict(row["detail"]), "outcome": row["outcome"], "actor": row["actor"]}
            for row in found
            if row["action"] == action
        ]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    folder = tmp_path_factory.mktemp("registry")
    with running_registry(folder, auth=htpasswd_auth(folder)) as made:
        layout = busybox_layout(folder / "image", command=("true",))
        push(made, layout, "team/app:1")
        yield made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("server")) as made:
        yield made


@pytest.fixture(scope="module")
def engine() -> Iterator[str]:
    require("docker")
    with running_dockerd() as made:
        yield made.host


@pytest.fixture
def machine(tmp_path: Path, server: Server, registry: RealRegistry) -> Iterator[Machine]:
    for each in server.call("GET", "/v2/secrets/?limit=100")["items"]:
        server.call("DELETE", f"/v2/secrets/{each['metadata']['name']}/")
    docker = {"registry": registry.netloc, "username": USER, "password": PASSWORD, "email": "j@example.com"}
    spec = {"type": "Docker", "docker": docker}
    made = server.call("POST", "/v2/secrets/", {"kind": "Secret", "metadata": {"name": "pull"}, "spec": spec})
    assert made["status"]["verdict"] == "verified"
    scopes = ["secrets:use:*", "credentials:store"]
    spec = {"scopes": scopes, "projectGUID": server.project}
    token = server.call(
        "POST", "/v2/tokens/", {"kind": "Token", "metadata": {"name": "laptop"}, "spec": spec}
    )
    here = Machine(tmp_path, server, registry, token["token"])
    (tmp_path / "run").mkdir(mode=0o700)
    here.towline("credential-helper", "install", "--registry", registry.netloc)
    yield here
    kept = b"".join(
        each.read_bytes() for each in tmp_path.rglob("*") if each.is_file() and not each.is_symlink()
    )
    assert PASSWORD.encode() not in kept
    assert base64.b64encode(f"{USER}:{PASSWORD}".encode()) not in kept


def test_docker_pulls_a_private_image_with_the_helper_alone(machine: Machine, engine: str) -> None:
    machine.run("docker", "-H", engine, "pull", machine.image)
    listed = machine.run("docker", "-H", engine, "images", "--format", "{{.Repository}}:{{.Tag}}").stdout
    assert machine.image in listed
    [used] = machine.rows("secret.opened")[-1:]
    assert used["door"] == "credential-helper"
    assert (used["name"], used["version"]) == ("pull", "1")
    assert (used["token"], used["peer"]) == ("laptop", "127.0.0.1")
    assert used["registry"] == machine.registry.netloc
    assert used["actor"] == "jane@example.com"
    machine.run("docker", "-H", engine, "rmi", machine.image)


def test_docker_is_refused_once_the_token_is_revoked(machine: Machine, engine: str) -> None:
    for each in machine.server.call("GET", "/v2/tokens/")["items"]:
        if each["metadata"]["name"] == "laptop":
            machine.server.call("DELETE", f"/v2/tokens/{each['metadata']['guid']}/")
    done = machine.run("docker", "-H", engine, "pull", machine.image, code=1)
    assert "no basic auth credentials" in done.stderr  # docker asks on without what the helper refused
    asked = machine.run("docker-credential-towline", "get", stdin=machine.registry.netloc, code=1)
    assert "not valid any more" in asked.stdout


def test_skopeo_looks_at_and_copies_a_private_image(machine: Machine) -> None:
    require("skopeo")
    file = str(machine.config)
    shown = machine.run(
        "skopeo", "inspect", "--tls-verify=false", f"docker://{machine.image}", REGISTRY_AUTH_FILE=file
    )
    assert json.loads(shown.stdout)["Name"].endswith("/team/app")
    target = machine.home / "copy"
    words = ("copy", "--insecure-policy", "--quiet", "--src-tls-verify=false", f"docker://{machine.image}")
    machine.run("skopeo", *words, f"oci:{target}", REGISTRY_AUTH_FILE=file)
    assert (target / "index.json").exists()


def test_podman_pulls_a_private_image(machine: Machine) -> None:
    require("podman")
    require("root")
    with tempfile.TemporaryDirectory(prefix="podman-") as short:  # its path may have 50 characters
        storage = ["--root", f"{short}/root", "--runroot", f"{short}/run", "--storage-driver=vfs"]
        words = ["podman", *storage, "pull", "--quiet", "--tls-verify=false", machine.image]
        machine.run(*words, REGISTRY_AUTH_FILE=str(machine.config))
    [used] = machine.rows("secret.opened")[-1:]
    assert used["door"] == "credential-helper"


def test_docker_login_stores_in_towline_and_docker_logout_erases_it(machine: Machine, engine: str) -> None:
    words = ("docker", "-H", engine, "login", "--username", USER, "--password-stdin", machine.registry.netloc)
    assert "Login Succeeded" in machine.run(*words, stdin=PASSWORD).stdout
    assert PASSWORD not in machine.config.read_text()
    names = {each["metadata"]["name"]: each for each in machine.server.call("GET", "/v2/secrets/")["items"]}
    stored = machine.registry.netloc.replace(".", "-").replace(":", "-")
    assert set(names) == {"pull", stored}
    assert names[stored]["spec"]["docker"]["username"] == USER
    assert names[stored]["status"]["verdict"] == "verified"
    machine.run("docker", "-H", engine, "pull", machine.image)
    assert machine.rows("secret.opened")[-1]["name"] == stored
    machine.run("docker", "-H", engine, "rmi", machine.image)
    machine.run("docker", "-H", engine, "logout", machine.registry.netloc)
    assert [each["metadata"]["name"] for each in machine.server.call("GET", "/v2/secrets/")["items"]] == [
        "pull"
    ]


def test_docker_logout_erases_nothing_that_others_stored(machine: Machine, engine: str) -> None:
    machine.run("docker", "-H", engine, "logout", machine.registry.netloc)
    assert [each["metadata"]["name"] for each in machine.server.call("GET", "/v2/secrets/")["items"]] == [
        "pull"
    ]
    assert machine.rows("credential.refused")[-1]["outcome"] == "not-found"


def test_a_helper_goes_on_without_its_server_as_long_as_the_owner_lets_it(machine: Machine) -> None:
    machine.server.call("PUT", "/v2/credentials/policy/", {"spec": {"offlineMinutes": 60}})
    asked = ("docker-credential-towline", "get")
    first = machine.run(*asked, stdin=machine.registry.netloc).stdout
    machine.server.stop()
    try:
        assert machine.run(*asked, stdin=machine.registry.netloc).stdout == first
        other = machine.run(*asked, stdin=machine.registry.netloc, code=1, TOWLINE_TOKEN="tow_other").stdout
        assert "nothing is kept" in other
    finally:
        machine.server.start()
    for each in machine.server.call("GET", "/v2/tokens/")["items"]:
        if each["metadata"]["name"] == "laptop":
            machine.server.call("DELETE", f"/v2/tokens/{each['metadata']['guid']}/")
    assert "not valid any more" in machine.run(*asked, stdin=machine.registry.netloc, code=1).stdout
    machine.server.stop()
    try:
        gone = machine.run(*asked, stdin=machine.registry.netloc, code=1).stdout
        assert "nothing is kept" in gone  # a refusal wiped it
    finally:
        machine.server.start()
        machine.server.call("PUT", "/v2/credentials/policy/", {})


def test_skopeo_pulls_with_a_token_for_one_repository_and_from_no_other(
    machine: Machine, tmp_path: Path
) -> None:
    """The bearer door at a real token registry: the password stays in Towline, its token does the work."""
    require("skopeo")
    folder = tmp_path / "token-registry"
    folder.mkdir()
    owner = User("s3cret-of-the-owner", dict.fromkeys(("team/app", "team/other"), ("pull", "push")))
    with token_server({"owner": owner}) as tokens, running_registry(folder, auth=tokens.auth(folder)) as made:
        layout = busybox_layout(folder / "image", command=("true",))
        for name in ("team/app:1", "team/other:1"):
            push(made, layout, name, login=f"owner:{owner.password}")
        docker = {
            "registry": made.netloc,
            "username": "owner",
            "password": owner.password,
            "email": "j@example.com",
        }
        body = {"metadata": {"name": "owned"}, "spec": {"type": "Docker", "docker": docker}}
        machine.server.call("POST", "/v2/secrets/", body)
        given = machine.server.call("POST", "/v2/secrets/owned/token/", {"repository": "team/app"})
        assert (given["registry"], given["scope"]) == (made.netloc, "repository:team/app:pull")
        words = ("skopeo", "inspect", "--raw", "--tls-verify=false", f"--registry-token={given['token']}")
        manifest = machine.run(*words, f"docker://{made.netloc}/team/app:1").stdout
        assert json.loads(manifest)["schemaVersion"] == 2
        refused = machine.run(*words, f"docker://{made.netloc}/team/other:1", code=1).stderr
        assert "unauthorized" in refused or "authentication required" in refused
    assert machine.rows("secret.opened")[-1]["door"] == "bearer"
    assert given["token"].encode() not in machine.server.log.read_bytes()
    kept = b"".join(each.read_bytes() for each in machine.server.data.glob("towline.db*"))
    assert given["token"].encode() not in kept


def test_an_identity_token_of_docker_login_is_kept_and_pulls(
    machine: Machine, engine: str, tmp_path: Path
) -> None:
    """The registry's token server gives docker a refresh token: no password is stored anywhere at all."""
    folder = tmp_path / "token-registry"
    folder.mkdir()
    owner = User("s3cret-of-the-owner", {"team/app": ("pull", "push")})
    served = token_server({"owner": owner}, offline=True)
    with served as tokens, running_registry(folder, auth=tokens.auth(folder)) as made:
        push(
            made,
            busybox_layout(folder / "image", command=("true",)),
            "team/app:1",
            login=f"owner:{owner.password}",
        )
        machine.towline("credential-helper", "install", "--registry", made.netloc)
        words = ("docker", "-H", engine, "login", "--username", "owner", "--password-stdin", made.netloc)
        assert "Login Succeeded" in machine.run(*words, stdin=owner.password).stdout
        stored = json.loads(machine.run("docker-credential-towline", "get", stdin=made.netloc).stdout)
        assert stored["Username"] == "<token>"
        assert stored["Secret"] in tokens.refreshing
        machine.run("docker", "-H", engine, "pull", f"{made.netloc}/team/app:1")
        machine.run("docker", "-H", engine, "rmi", f"{made.netloc}/team/app:1")
        machine.run("docker", "-H", engine, "logout", made.netloc)
