"""Several engines in one server: this machine, a Docker Engine by its socket, and one over TCP with TLS."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from test_main_job import secret

from parts.dockerd import Dockerd, own_dockerd
from parts.forks import towline
from parts.images import busybox_layout
from parts.registry import RealRegistry, htpasswd_auth, push, running_registry
from parts.require import require
from parts.server import Server, running_server, until

LOOP = "trap 'exit 0' TERM; echo hello from $HOSTNAME; while :; do sleep 0.2; done"
LABEL = "towline.io/engine"


@pytest.fixture(scope="module")
def daemons() -> Iterator[tuple[Dockerd, Dockerd]]:
    with own_dockerd(bridge="none") as first, own_dockerd(bridge="none") as second:
        yield first, second


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    folder = tmp_path_factory.mktemp("private")
    with running_registry(folder, auth=htpasswd_auth(folder)) as registry:
        push(registry, busybox_layout(folder / "one", command=("sh", "-c", LOOP)), "team/app:1")
        yield registry


@pytest.fixture
def server(tmp_path: Path, daemons: tuple[Dockerd, Dockerd], private: RealRegistry) -> Iterator[Server]:
    """Serve with the embedded engine, ``one`` by its socket and ``two`` over TLS."""
    require("runc")
    with ExitStack() as closing:
        made = closing.enter_context(running_server(tmp_path))
        closing.callback(ended, made, daemons)
        add(made, "one", {"address": daemons[0].host, "network": "host"})
        add(made, "two", {"address": daemons[1].tcp, "network": "host", "tls": keys(daemons[1])})
        package(made, private)
        yield made


def add(server: Server, name: str, spec: dict[str, object]) -> None:
    server.call("POST", "/v2/engines/", {"kind": "Engine", "metadata": {"name": name}, "spec": spec})


def keys(dockerd: Dockerd) -> dict[str, str]:
    assert dockerd.folder is not None
    return {each: (dockerd.folder / f"{each}.pem").read_text() for each in ("ca", "cert", "key")}


def package(server: Server, registry: RealRegistry, command: tuple[str, ...] = ()) -> None:
    """Make the package ``app`` of the private image; without ``command`` the image's own runs."""
    server.call("POST", "/v2/secrets/", secret(registry))
    pull = {"depends": {"kind": "secret", "nameOrGUID": "pull"}}
    docker = {"image": f"{registry.netloc}/team/app:1", "pullSecret": pull}
    run: dict[str, object] = {"name": "app", "type": "docker", "docker": docker}
    if command:
        run["command"] = list(command)
    spec = {"runtime": "cloud", "cloud": {"replicas": 1}, "executables": [run]}
    body = {"kind": "Package", "metadata": {"name": "app", "version": "v1"}, "spec": spec}
    server.call("POST", "/v2/packages/", body)


def wish(name: str, engine: str = "") -> dict[str, object]:
    depends = {"kind": "package", "nameOrGUID": "app", "version": "v1"}
    labels = {LABEL: engine} if engine else {}
    return {
        "kind": "Deployment",
        "metadata": {"name": name, "depends": depends, "labels": labels},
        "spec": {"runtime": "cloud"},
    }


def deploy(server: Server, name: str, engine: str = "") -> None:
    server.call("POST", "/v2/deployments/", wish(name, engine))


def is_running(server: Server, *names: str) -> bool:
    return all(server.status(name)["status"] == "Running" for name in names)


def findings(server: Server, name: str) -> list[str]:
    return [finding["code"] for finding in server.status(name)["findings"]]


def ended(server: Server, daemons: tuple[Dockerd, Dockerd]) -> None:
    """Delete all deployments and see their containers end, so that the next test finds none."""
    for each in server.call("GET", "/v2/deployments/?limit=100")["items"]:
        server.call("DELETE", f"/v2/deployments/{each['metadata']['name']}/")
    until(lambda: not any(each.containers() for each in daemons), "the containers to end")


def everywhere(server: Server) -> None:
    for engine in ("embedded", "one", "two"):
        deploy(server, f"on-{engine}", engine)
    until(lambda: is_running(server, "on-embedded", "on-one", "on-two"), "all three to run")


def engine(server: Server, name: str) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = server.call("GET", f"/v2/engines/{name}/")
    return found


def test_each_deployment_runs_on_its_engine_and_nowhere_else(
    server: Server, daemons: tuple[Dockerd, Dockerd]
) -> None:
    everywhere(server)
    for name, daemon in zip(("one", "two"), daemons, strict=True):
        (container,) = daemon.containers()
        assert container["Labels"]["io.towline.name"] == f"on-{name}"
        assert server.status(f"on-{name}")["engine"] == name
        path = f"/v2/deployments/on-{name}/logs/?replica=0&executable=app&follow=false"
        until(lambda path=path: b"hello from" in server.ask("GET", path)[1], "the log")
    listed = {each["metadata"]["name"]: each for each in server.call("GET", "/v2/engines/")["items"]}
    assert list(listed) == ["embedded", "one", "two"]
    assert [each["status"]["deployments"] for each in listed.values()] == [1, 1, 1]
    assert all(each["status"]["answers"] for each in listed.values())
    assert listed["embedded"]["status"]["own"]


def test_an_engine_that_is_stopped_is_told_by_its_own_deployments_alone(
    server: Server, daemons: tuple[Dockerd, Dockerd]
) -> None:
    everywhere(server)
    daemons[1].stop()
    try:
        until(lambda: findings(server, "on-two") == ["engine-unreachable"], "the absence to be told")
        deploy(server, "new-on-one", "one")
        deploy(server, "new-on-two", "two")
        until(lambda: is_running(server, "new-on-one"), "the others to go on")
        until(lambda: findings(server, "new-on-two") == ["engine-unreachable"], "the new one to say so")
        assert is_running(server, "on-embedded", "on-one")
        until(lambda: not engine(server, "two")["status"]["answers"], "the engine's health")
    finally:
        daemons[1].start()
    until(lambda: is_running(server, "on-two", "new-on-two"), "all to go on")
    assert len(daemons[1].containers()) == 2
    until(lambda: engine(server, "two")["status"]["answers"], "the engine's health")


def test_a_killed_server_finds_all_its_containers_again(
    server: Server, daemons: tuple[Dockerd, Dockerd]
) -> None:
    everywhere(server)
    before = [daemon.containers()[0]["Id"] for daemon in daemons]
    monitors = embedded_containers(server)
    server.kill()
    server.start()
    until(lambda: is_running(server, "on-embedded", "on-one", "on-two"), "all to be known again")
    assert [[each["Id"] for each in daemon.containers()] for daemon in daemons] == [[each] for each in before]
    assert embedded_containers(server) == monitors
    server.call("DELETE", "/v2/deployments/on-two/")
    until(lambda: not daemons[1].containers(), "the one that is deleted to end")
    assert is_running(server, "on-one")


def test_a_start_without_one_engine_serves_the_others(
    server: Server, daemons: tuple[Dockerd, Dockerd]
) -> None:
    everywhere(server)
    server.kill()
    daemons[1].stop()
    try:
        server.start()
        until(lambda: is_running(server, "on-embedded", "on-one"), "the others to be known")
        until(lambda: findings(server, "on-two") == ["engine-unreachable"], "the absence to be told")
    finally:
        daemons[1].start()
    until(lambda: is_running(server, "on-two"), "the last to be known")
    assert len(daemons[1].containers()) == 1


def test_images_of_others_are_never_deleted(
    server: Server, daemons: tuple[Dockerd, Dockerd], private: RealRegistry
) -> None:
    foreign = imported(daemons[0], "somebody/elses:1")
    deploy(server, "short", "one")
    until(lambda: is_running(server, "short"), "the deployment to run")
    kept = server.call("GET", "/v2/engines/one/images/")
    ours = [each for each in kept["images"] if each["ours"]]
    assert [each["used"] for each in ours] == [True]
    assert ours[0]["reference"].startswith(f"{private.netloc}/team/app@sha256:")
    assert {each["reference"] for each in kept["images"] if not each["ours"]} == {"somebody/elses:1"}
    assert kept["disk_used"] > 0
    assert kept["disk_free"] > 0
    assert server.call("POST", "/v2/engines/one/images/collect/") == {"deleted": 0}
    server.call("DELETE", "/v2/deployments/short/")
    until(lambda: not daemons[0].containers(), "the container to end")
    until(lambda: images(server) == {"somebody/elses:1"}, "our image to go")
    assert server.call("POST", "/v2/engines/one/images/collect/") == {"deleted": 0}
    assert daemons[0].ask("GET", "/images/somebody/elses:1/json")["Id"] == foreign
    daemons[0].ask("DELETE", "/images/somebody/elses:1")


def images(server: Server) -> set[str]:
    return {each["reference"] for each in server.call("GET", "/v2/engines/one/images/")["images"]}


def test_the_same_engine_is_not_added_twice(server: Server, daemons: tuple[Dockerd, Dockerd]) -> None:
    spec = {"address": daemons[0].tcp, "tls": keys(daemons[0])}
    body = {"kind": "Engine", "metadata": {"name": "again"}, "spec": spec}
    status, said = server.ask("POST", "/v2/engines/", body)
    assert status == 409
    assert b"under the name 'one'" in said


def test_the_keys_of_an_engine_are_in_no_file_and_no_reply(
    server: Server, daemons: tuple[Dockerd, Dockerd]
) -> None:
    kept = b"".join(each.read_bytes() for each in server.data.rglob("*") if each.is_file())
    middle = keys(daemons[1])["key"].splitlines()[1].encode()
    assert middle not in kept + server.log.read_bytes() + server.replies
    assert b"PRIVATE KEY" not in kept + server.log.read_bytes() + server.replies


def test_an_engine_goes_only_when_nothing_lives_there_or_somebody_insists(
    server: Server, daemons: tuple[Dockerd, Dockerd]
) -> None:
    deploy(server, "tenant", "two")
    until(lambda: is_running(server, "tenant"), "the deployment to run")
    status, said = server.ask("DELETE", "/v2/engines/two/")
    assert (status, b"1 deployment" in said) == (409, True)
    server.call("DELETE", "/v2/engines/two/?force=true")
    until(lambda: findings(server, "tenant") == ["engine-unreachable"], "the tenant to say so")
    assert "was removed" in server.status("tenant")["findings"][0]["detail"]
    assert len(daemons[1].containers()) == 1
    add(server, "two", {"address": daemons[1].tcp, "network": "host", "tls": keys(daemons[1])})
    until(lambda: is_running(server, "tenant"), "the tenant to be found again")
    assert len(daemons[1].containers()) == 1


def test_an_engine_is_the_projects_default_the_installations_or_named(server: Server) -> None:
    status, said = server.ask("POST", "/v2/deployments/", wish("lost", "nowhere"))
    assert status == 400
    assert b"use one of embedded, one, two" in said
    server.call("PUT", "/v2/engines/one/default/", {})
    deploy(server, "by-installation")
    server.call("PUT", "/v2/engines/two/default/", {"project": server.project})
    deploy(server, "by-project")
    deploy(server, "by-name", "embedded")
    named = {name: server.status(name)["engine"] for name in ("by-installation", "by-project", "by-name")}
    assert named == {"by-installation": "one", "by-project": "two", "by-name": "embedded"}
    status, said = server.ask("PATCH", "/v2/deployments/by-name/", wish("by-name", "one"))
    assert status == 400
    assert b"keeps its engine" in said
    server.call("PATCH", "/v2/deployments/by-project/", wish("by-project"))
    assert server.status("by-project")["engine"] == "two"
    until(lambda: is_running(server, "by-installation", "by-project", "by-name"), "all to run")


def test_the_own_engine_is_not_changed_while_something_lives_there(
    server: Server, daemons: tuple[Dockerd, Dockerd]
) -> None:
    everywhere(server)
    server.stop()
    command = [*server.words(server.port), "--engine", "docker", "--docker-host", daemons[0].host]
    refused = towline(*command, timeout=60)
    server.start()
    assert refused.returncode == 1
    assert "own engine is embedded, and 1 deployment lives there" in refused.stderr
    until(lambda: is_running(server, "on-embedded", "on-one", "on-two"), "all to be known again")


def embedded_containers(server: Server) -> dict[str, object]:
    """Return when each container of the embedded engine was started, by its folder."""
    folders = (server.data / "engine" / "containers").iterdir()
    return {each.name: json.loads((each / "status.json").read_text()).get("pid") for each in folders}


def imported(dockerd: Dockerd, reference: str) -> str:
    """Give the Engine an image that Towline knows nothing of; return its id."""
    name, _, tag = reference.partition(":")
    archive = io.BytesIO()
    with tarfile.open(mode="w", fileobj=archive) as written:
        written.add("/bin/true", "true")
    dockerd.send("/images/create", {"fromSrc": "-", "repo": name, "tag": tag}, archive.getvalue())
    return str(dockerd.ask("GET", f"/images/{reference}/json")["Id"])
