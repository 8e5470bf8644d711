"""The main job, with the real server, registry and containers: run, refuse, correct, survive, end."""

import base64
from pathlib import Path

import pytest

from parts.forks import towline
from parts.images import busybox_layout
from parts.registry import PASSWORD, USER, htpasswd_auth, push, running_registry
from parts.require import require
from parts.server import running_server, until

MARK = "86429753"
COMMAND = ("sh", "-c", f"echo hello from a private image; exec sleep {MARK}")


@pytest.fixture(scope="module")
def private(tmp_path_factory):
    folder = tmp_path_factory.mktemp("private")
    with running_registry(folder, auth=htpasswd_auth(folder)) as registry:
        push(registry, busybox_layout(folder / "one", command=COMMAND), "team/app:1")
        layout = busybox_layout(
            folder / "many", command=COMMAND, architectures=("arm64", "amd64"), indexed=True
        )
        push(registry, layout, "team/many:1", extra=("--all",))
        yield registry


@pytest.fixture
def server(tmp_path):
    require("runc")
    require("root")
    with running_server(tmp_path) as made:
        yield made


def secret(registry, password: str = PASSWORD):
    docker = {"registry": registry.netloc, "username": USER, "password": password, "email": "j@example.com"}
    return {"kind": "Secret", "metadata": {"name": "pull"}, "spec": {"type": "Docker", "docker": docker}}


def deployed(server, registry, image: str = "team/app:1", password: str = PASSWORD) -> None:
    server.call("POST", "/v2/secrets/", secret(registry, password))
    pull = {"depends": {"kind": "secret", "nameOrGUID": "pull"}}
    docker = {"image": f"{registry.netloc}/{image}", "pullSecret": pull}
    spec = {
        "runtime": "cloud",
        "cloud": {"replicas": 1},
        "executables": [{"name": "app", "type": "docker", "docker": docker}],
    }
    metadata = {"name": "app", "version": "v1"}
    server.call("POST", "/v2/packages/", {"kind": "Package", "metadata": metadata, "spec": spec})
    depends = {"kind": "package", "nameOrGUID": "app", "version": "v1"}
    body = {"kind": "Deployment", "metadata": {"name": "app", "depends": depends}}
    server.call("POST", "/v2/deployments/", {**body, "spec": {"runtime": "cloud"}})


def runs(server) -> bool:
    status = server.status("app")
    return (status["phase"], status["status"]) == ("Succeeded", "Running")


def containers() -> set[int]:
    found = set()
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if each.read_bytes() == f"sleep\0{MARK}\0".encode():
                found.add(int(each.parent.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


@pytest.mark.parametrize("image", ["team/app:1", "team/many:1"])
def test_a_private_image_starts_and_logs(server, private, image):
    deployed(server, private, image)
    until(lambda: runs(server), "the deployment to run")
    path = "/v2/deployments/app/logs/?replica=0&executable=app&follow=false&tail=1"
    until(lambda: b"hello from a private image" in server.ask("GET", path)[1], "the log")


def test_a_wrong_password_is_told_and_its_correction_is_enough(server, private):
    deployed(server, private, password="not-the-password")
    until(lambda: server.status("app")["status"] == "Error", "the refusal")
    status = server.status("app")
    assert (status["phase"], status["error_codes"]) == ("Provisioning", ["DEP_E153"])
    assert status["findings"][0]["code"] == "wrong-credentials"
    assert 401 in [each.get("status") for each in status["findings"][0]["evidence"]]
    server.call("PUT", "/v2/secrets/pull/", secret(private))
    until(lambda: runs(server), "the corrected deployment to run")


def test_the_password_is_in_no_file_log_or_reply(server, private):
    deployed(server, private)
    until(lambda: runs(server), "the deployment to run")
    login = base64.b64encode(f"{USER}:{PASSWORD}".encode())
    files = [each for each in server.data.rglob("*") if each.is_file() and "images" not in each.parts]
    kept = b"".join(each.read_bytes() for each in [*files, server.log])
    for trace in (PASSWORD.encode(), login, base64.b64encode(PASSWORD.encode())):
        assert trace not in kept
        assert trace not in server.replies


def test_a_killed_server_finds_its_container_again_and_deletes_it(server, private):
    deployed(server, private)
    until(lambda: runs(server), "the deployment to run")
    before = containers()
    server.kill()
    assert containers() == before
    assert len(before) == 1
    server.start()
    until(lambda: runs(server), "the deployment to be known again")
    assert containers() == before
    server.call("DELETE", "/v2/deployments/app/")
    until(lambda: not containers(), "the container to end")


def test_sigterm_ends_the_server_cleanly(server):
    assert server.stop() == 0


def test_a_second_server_on_the_same_data_folder_is_refused(server):
    second = towline(*server.words(0), timeout=30)
    assert second.returncode != 0
    assert second.stderr
