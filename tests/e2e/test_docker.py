"""The main job on a real Docker Engine: run, refuse, correct, survive, update, end."""

import base64
from collections.abc import Sequence
from pathlib import Path

import pytest
from test_main_job import deployed, runs, secret

from parts.dockerd import Dockerd, running_dockerd
from parts.images import busybox_layout
from parts.registry import PASSWORD, USER, free_port, htpasswd_auth, push, running_registry
from parts.server import Server, running_server, until

LOOP = "trap 'exit 0' TERM; echo hello from a private image; while :; do sleep 0.2; done"


@pytest.fixture(scope="module")
def dockerd():
    with running_dockerd() as made:
        yield made


@pytest.fixture(scope="module")
def private(tmp_path_factory):
    folder = tmp_path_factory.mktemp("private")
    with running_registry(folder, auth=htpasswd_auth(folder)) as registry:
        push(registry, busybox_layout(folder / "one", command=("sh", "-c", LOOP)), "team/app:1")
        ends = busybox_layout(folder / "two", command=("sh", "-c", "echo cannot; exit 3"))
        push(registry, ends, "team/app:2")
        later = busybox_layout(folder / "three", command=("sh", "-c", "sleep 0.5; echo no more; exit 4"))
        push(registry, later, "team/app:3")
        yield registry


@pytest.fixture
def server(tmp_path, dockerd):
    with running_server(tmp_path, *options(dockerd)) as made:
        yield made
        for each in made.call("GET", "/v2/deployments/?limit=100")["items"]:
            made.call("DELETE", f"/v2/deployments/{each['metadata']['name']}/")
        until(lambda: not dockerd.containers(), "the containers to end")


def options(dockerd: Dockerd) -> tuple[str, ...]:
    return ("--engine", "docker", "--docker-host", dockerd.host, "--docker-network", "host")


def test_a_private_image_starts_logs_and_ends(server, private, dockerd):
    deployed(server, private)
    until(lambda: runs(server), "the deployment to run")
    path = "/v2/deployments/app/logs/?replica=0&executable=app&follow=false&tail=1"
    until(lambda: b"hello from a private image" in server.ask("GET", path)[1], "the log")
    (made,) = dockerd.containers()
    guid = server.call("GET", "/v2/deployments/app/")["metadata"]["guid"]
    assert guid in made["Names"][0]
    assert made["Labels"]["io.towline.deployment"] == guid
    server.call("DELETE", "/v2/deployments/app/")
    until(lambda: not dockerd.containers(), "the container to end")


def test_a_wrong_password_is_told_and_its_correction_is_enough(server, private):
    deployed(server, private, password="not-the-password")
    until(lambda: server.status("app")["status"] == "Error", "the refusal")
    status = server.status("app")
    assert (status["phase"], status["error_codes"]) == ("Provisioning", ["DEP_E153"])
    assert status["findings"][0]["code"] == "wrong-credentials"
    server.call("PUT", "/v2/secrets/pull/", secret(private))
    until(lambda: runs(server), "the corrected deployment to run")


def test_the_password_is_in_no_file_log_or_reply(server, private):
    deployed(server, private)
    until(lambda: runs(server), "the deployment to run")
    login = base64.b64encode(f"{USER}:{PASSWORD}".encode())
    kept = b"".join(each.read_bytes() for each in [*files_of(server.data), server.log])
    for trace in (PASSWORD.encode(), login, base64.b64encode(PASSWORD.encode())):
        assert trace not in kept
        assert trace not in server.replies


def test_a_killed_server_finds_its_container_again(server, private, dockerd):
    deployed(server, private)
    until(lambda: runs(server), "the deployment to run")
    (before,) = dockerd.containers()
    server.kill()
    server.start()
    until(lambda: runs(server), "the deployment to be known again")
    (after,) = dockerd.containers()
    assert (after["Id"], after["Status"].split()[0]) == (before["Id"], "Up")


def test_a_bad_update_leaves_the_old_generation_serving(server, private, dockerd):
    deployed(server, private)
    until(lambda: runs(server), "the deployment to run")
    (before,) = dockerd.containers()
    updated(server, private, "team/app:2")
    until(lambda: server.status("app")["status"] == "Error", "the update to fail")
    status = server.status("app")
    assert (status["phase"], status["error_codes"]) == ("Provisioning", ["DEP_E155"])
    assert "cannot" in status["findings"][0]["detail"]
    assert before["Id"] in {each["Id"] for each in dockerd.containers() if each["State"] == "running"}
    updated(server, private, "team/app:1", version="v3")
    until(lambda: runs(server), "the next update to run")
    until(lambda: len(dockerd.containers()) == 1, "the older generations to end")
    assert dockerd.containers()[0]["Labels"]["io.towline.generation"] == "3"


def test_an_update_that_takes_the_place_and_ends_is_taken_back(server, private, dockerd):
    """Both want the same port, so that the old container is ended first; the new one ends a little later."""
    web = [{"name": "web", "type": "internal-tcp", "port": 80, "targetPort": free_port()}]
    server.call("POST", "/v2/secrets/", secret(private))
    server.call("POST", "/v2/packages/", package(private, "team/app:1", "v1", endpoints=web))
    server.call("POST", "/v2/deployments/", deployment("v1"))
    until(lambda: runs(server), "the deployment to run")
    (before,) = dockerd.containers()
    updated(server, private, "team/app:3", endpoints=web)
    until(lambda: "update-rolled-back" in codes(server), "the update to be taken back")
    status = server.status("app")
    assert (status["phase"], status["error_codes"], status["serving"]) == ("Provisioning", ["DEP_E155"], 1)
    assert "no more" in status["findings"][0]["detail"]
    assert up(dockerd) == [before["Id"]]
    (event,) = server.call("GET", "/v2/events/?kind=deployment.rolled-back")["items"]
    assert event["facts"]["after"] == "generation 1"
    assert (
        b"no more" in server.ask("GET", "/v2/deployments/app/logs/?replica=0&executable=app&follow=false")[1]
    )
    server.kill()
    server.start()
    until(lambda: server.ask("GET", "/readyz")[0] == 200, "the server to be ready")
    assert codes(server) == ["exited", "update-rolled-back"]
    dockerd.ask("POST", f"/containers/{before['Id']}/stop?t=0")
    until(lambda: up(dockerd) == [before["Id"]], "what serves to be started again")
    updated(server, private, "team/app:1", version="v3", endpoints=web)
    until(lambda: runs(server), "the next update to run")
    until(lambda: len(dockerd.containers()) == 1, "the older generations to end")
    assert dockerd.containers()[0]["Labels"]["io.towline.generation"] == "3"


def up(dockerd) -> list[str]:
    return [each["Id"] for each in dockerd.containers() if each["State"] == "running"]


def test_an_engine_that_is_down_is_told_and_all_goes_on_when_it_is_back(server, private, dockerd):
    if dockerd.folder is None:
        return  # an Engine of somebody else's is not ended
    deployed(server, private)
    until(lambda: runs(server), "the deployment to run")
    dockerd.stop()
    until(lambda: codes(server) == ["engine-unreachable"], "the engine's absence to be told")
    assert server.status("app")["error_codes"] == ["DEP_E201"]
    server.stop()
    server.process = None
    start_without_engine(server)
    until(lambda: codes(server) == ["engine-unreachable"], "a fresh server to tell it too")
    dockerd.start()
    until(lambda: runs(server), "the deployment to run again")
    assert len(dockerd.containers()) == 1


def test_the_first_start_takes_a_docker_that_answers_and_writes_it_down(tmp_path, dockerd):
    with running_server(tmp_path, "--docker-host", dockerd.host) as made:
        assert b'"engine":"docker"' in made.log.read_bytes().replace(b" ", b"")
        made.stop()
        made.options = ("--docker-host", "unix:///nowhere")
        made.process = None
        start_without_engine(made)
        assert b"engine.chosen" not in made.log.read_bytes().partition(b"engine.unreachable")[2]
        made.options = ("--docker-host", dockerd.host)
        made.stop()
        made.process = None
        made.start()


def start_without_engine(server: Server) -> None:
    """Start; without its engine a server answers and says that it is not ready."""
    server.begin()
    until(lambda: server.ask("GET", "/healthz")[0] == 200, "the server to answer")
    assert server.ask("GET", "/readyz")[0] == 503


def package(registry, image: str, version: str, *, endpoints: Sequence[object] = ()) -> object:
    pull = {"depends": {"kind": "secret", "nameOrGUID": "pull"}}
    run = {
        "name": "app",
        "type": "docker",
        "docker": {"image": f"{registry.netloc}/{image}", "pullSecret": pull},
    }
    spec = {"runtime": "cloud", "cloud": {"replicas": 1}, "executables": [run], "endpoints": endpoints}
    return {"kind": "Package", "metadata": {"name": "app", "version": version}, "spec": spec}


def deployment(version: str) -> object:
    depends = {"kind": "package", "nameOrGUID": "app", "version": version}
    body = {"kind": "Deployment", "metadata": {"name": "app", "depends": depends}}
    return {**body, "spec": {"runtime": "cloud"}}


def updated(server, registry, image: str, version: str = "v2", *, endpoints: Sequence[object] = ()) -> None:
    server.call("POST", "/v2/packages/", package(registry, image, version, endpoints=endpoints))
    server.call("PATCH", "/v2/deployments/app/", deployment(version))


def codes(server) -> list[str]:
    return [finding["code"] for finding in server.status("app").get("findings") or ()]


def files_of(folder: Path) -> list[Path]:
    return [each for each in folder.rglob("*") if each.is_file()]
