"""The vectors of the readers against the real programs: what docker hands its engine, whom podman finds."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from parts.credential_tools import answering_helper, podman_login, recording_engine
from parts.images import busybox_layout
from parts.registry import PASSWORD, USER, htpasswd_auth, push, running_registry
from parts.require import require
from towline.domain.image import ImageReference

VECTORS = sorted((Path(__file__).parent.parent / "vectors" / "readers").glob("*.json"))
ONE_FILE = [
    path.stem
    for path in VECTORS
    if [each.get("form", "config.json") for each in json.loads(path.read_text())["sources"]]
    == ["config.json"]
]
BY_CHANCE = {"bad-entry-beside", "two-spellings", "longest-path"}
"""Here the real docker answers this way or that way, as Go's maps have no order; see the last test."""
NOT_IN_OLD_DOCKERS = {"ipv6", "no-username"}
"""The CLI 20.10, which distributions still have, knows no IPv6 hosts and lets a username be empty."""
SENT = {"password": "password", "identity-token": "identitytoken", "registry-token": "registrytoken"}


def load(stem):
    return json.loads((VECTORS[0].parent / f"{stem}.json").read_text())


def written(folder, case, name):
    """Write a vector's file and helpers; return the PATH on which they are."""
    [source] = case["sources"]
    (folder / name).write_text(source["text"] if "text" in source else json.dumps(source["config"]))
    programs = folder / "bin"
    programs.mkdir()
    for helper, logins in case.get("helpers", {}).items():
        if helper:
            answering_helper(programs, helper, logins)
    if case.get("found_store"):
        (programs / case["found_store"]).symlink_to("/bin/true")
    return str(programs)


def for_docker():
    """Return the vectors that hold for the docker of this machine."""
    program = shutil.which("docker")
    shown = (
        subprocess.run([program, "--version"], capture_output=True, check=True, text=True)
        if program
        else None
    )
    is_old = shown is not None and int(shown.stdout.split()[2].partition(".")[0]) < 25
    left_out = BY_CHANCE | (NOT_IN_OLD_DOCKERS if is_old else set())
    return [each for each in ONE_FILE if each not in left_out]


@pytest.fixture(scope="module")
def engine():
    with recording_engine() as made:
        yield made


@pytest.mark.parametrize("stem", for_docker())
def test_the_real_docker_sends_what_the_vector_says(engine, tmp_path, stem):
    case = load(stem)
    path = written(tmp_path, case, "config.json")
    sent = engine.pull(case["image"], tmp_path, path=path)
    wanted = case["expect"]["docker"]
    kinds = {kind: sent[member] for kind, member in SENT.items() if sent.get(member)}
    if wanted["kind"] == "none":
        assert kinds == {}
        assert not sent.get("username")
        return
    assert kinds.get(wanted["kind"], "") == wanted["secret"]
    if wanted["kind"] != "registry-token":  # a user name beside it plays no role
        assert sent.get("username", "") == wanted["username"]


def test_the_real_docker_takes_entries_by_chance_where_one_is_bad(engine, tmp_path):
    case = load("bad-entry-beside")
    path = written(tmp_path, case, "config.json")
    seen = {engine.pull(case["image"], tmp_path, path=path).get("password", "") for _ in range(12)}
    assert seen <= {"secret", ""}


@pytest.mark.parametrize("stem", [each for each in ONE_FILE if each not in BY_CHANCE])
def test_the_real_podman_finds_whom_the_vector_says(tmp_path, stem):
    case = load(stem)
    path = written(tmp_path, case, "auth.json")
    image = ImageReference.parse(case["image"])
    environ = {"PATH": path, "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    # This podman's command line takes no repository of an IPv6 host.
    key = image.registry if image.registry.startswith("[") else image.name
    found = podman_login(key, environ, authfile=tmp_path / "auth.json")
    assert found == case["expect"]["containers"].get("username", "")


def test_the_real_podman_reads_the_files_in_our_order(shell, tmp_path):
    environ = {
        "HOME": str(tmp_path),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "PATH": os.environ["PATH"],
    }
    files = {
        "run/containers/auth.json": "runtime",
        "config/containers/auth.json": "config",
        ".docker/config.json": "docker",
        ".dockercfg": "flat",
    }
    for file, user in files.items():
        auths = {"reg.example": {"auth": subprocess_base64(f"{user}:secret")}}
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(json.dumps(auths if file == ".dockercfg" else {"auths": auths}))
    for file, user in files.items():
        done = shell.towline("credential", "resolve", "reg.example/x", "--reader", "containers", "-o", "json",
                             **environ)  # fmt: skip
        assert json.loads(done.stdout)["username"] == user
        assert podman_login("reg.example", environ) == user
        (tmp_path / file).unlink()


@pytest.mark.parametrize("variable", ["REGISTRY_AUTH_FILE", "DOCKER_CONFIG"])
def test_the_real_podman_obeys_our_variables_first(shell, tmp_path, variable):
    environ = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run"), "PATH": os.environ["PATH"]}
    for folder, user in (("run/containers", "runtime"), ("named", "named")):
        (tmp_path / folder).mkdir(parents=True)
        auths = {"reg.example": {"auth": subprocess_base64(f"{user}:secret")}}
        for name in ("auth.json", "config.json"):
            (tmp_path / folder / name).write_text(json.dumps({"auths": auths}))
    named = tmp_path / "named" / "auth.json" if variable == "REGISTRY_AUTH_FILE" else tmp_path / "named"
    environ[variable] = str(named)
    done = shell.towline("credential", "resolve", "reg.example/x", "--reader", "containers", "-o", "json",
                         **environ)  # fmt: skip
    assert json.loads(done.stdout)["username"] == podman_login("reg.example", environ) == "named"


def test_the_real_skopeo_takes_the_longest_path(tmp_path):
    require("skopeo")
    layout = busybox_layout(tmp_path / "layout", command=("true",))
    with running_registry(tmp_path, auth=htpasswd_auth(tmp_path)) as registry:
        image = push(registry, layout, "team/app:1")
        right, wrong = (subprocess_base64(f"{USER}:{word}") for word in (PASSWORD, "wrong"))
        for host, path, works in ((wrong, right, True), (right, wrong, False)):
            auths = {registry.netloc: {"auth": host}, f"{registry.netloc}/team": {"auth": path}}
            (tmp_path / "auth.json").write_text(json.dumps({"auths": auths}))
            done = subprocess.run(
                ["skopeo", "inspect", "--tls-verify=false", "--authfile", str(tmp_path / "auth.json"),
                 f"docker://{image}"],
                capture_output=True, check=False, timeout=60,
            )  # fmt: skip
            assert (done.returncode == 0) is works


def subprocess_base64(text):
    program = shutil.which("base64")
    done = subprocess.run([program, "-w0"], input=text.encode(), capture_output=True, check=True)
    return done.stdout.decode()
