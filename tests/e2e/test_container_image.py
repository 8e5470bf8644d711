"""The image of deploy/Containerfile, run as ``towline kubernetes install`` has it: read-only, as nobody."""

from __future__ import annotations

import copy
import os
import subprocess
from typing import Any

import pytest

from parts import container_image
from parts.container_image import about, built, running
from parts.debian import run
from parts.kube.lab import running_kubernetes
from parts.registry import free_port
from parts.server import EMAIL, PASSWORD, Server, until
from towline.engines.kubernetes.installation import manifests
from towline.engines.kubernetes.installation.options import Options
from towline.engines.kubernetes.installation.workload import USER
from towline.store.keyring import Keyring

KUBECONFIG = "/var/lib/towline/kubeconfig"


@pytest.fixture(scope="module")
def image():
    with built() as name:
        yield name


@pytest.fixture
def volumes(tmp_path):
    """Folders as a kubelet hands them over: of the group of the pod, the keyring for reading alone."""
    made = {name: tmp_path / name for name in ("data", "tmp", "keyring")}
    for folder in made.values():
        folder.mkdir()
        os.chown(folder, 0, USER)
        folder.chmod(0o2775)
    keyring = made["keyring"] / "keyring.json"
    keyring.write_text(Keyring.fresh().document().reveal())
    os.chown(keyring, 0, USER)
    keyring.chmod(0o440)
    return made


def pod() -> dict[str, Any]:
    """Return the pod that is installed; its API server is told by a file, as no kubelet is here."""
    options = Options(image="towline", settings={"kubernetes_kubeconfig": KUBECONFIG})
    (deployment,) = (each for each in manifests.documents(options) if each["kind"] == "Deployment")
    return copy.deepcopy(deployment["spec"]["template"]["spec"])


def container(port: int) -> dict[str, Any]:
    """Return its container, on a port that is free on this machine."""
    (found,) = pod()["containers"]
    found["env"] = [
        {"name": each["name"], "value": str(port) if each["name"] == "TOWLINE_PORT" else each["value"]}
        for each in found["env"]
    ]
    return found


def signed_in(server: Server, made: str) -> None:
    words = ("admin", "create-user", "--email", EMAIL, "--password-stdin", "--organization", "acme")
    run(*("podman", "exec", "-i", made, "towline", *words, "--project", "demo"), given=PASSWORD)
    login = server.call("POST", "/user/login?type=med", {"email": EMAIL, "password": PASSWORD})
    server.token = login["data"]["token"]
    server.project = server.call("GET", "/v2/users/me/")["spec"]["projects"][0]["guid"]


def test_it_serves_as_the_manifests_have_it_and_keeps_what_it_was_told(tmp_path, image, volumes):
    user = pod()["securityContext"]["runAsUser"]
    server = Server(tmp_path, free_port())
    with running_kubernetes(tmp_path) as cluster:
        (volumes["data"] / "kubeconfig").write_text(cluster.api.kubeconfig())
        with running(image, container(server.port), volumes=volumes, user=user) as made:
            until(lambda: server.ask("GET", "/readyz")[0] == 200, "the server to be ready")
            assert server.ask("GET", "/healthz") == (200, b'{"alive":true}')
            run("podman", "exec", made, "/opt/towline/bin/python", "/opt/towline/healthcheck.py")
            signed_in(server, made)
            secret = {"metadata": {"name": "demo"}, "spec": {"type": "Opaque", "data": {"WORD": "swordfish"}}}
            body = {"apiVersion": "api.rapyuta.io/v2", "kind": "Secret", **secret}
            server.call("POST", "/v2/secrets/", body)
            status = run("podman", "exec", made, "cat", "/proc/1/status")
        assert cluster.api.count("GET /api/v1/pods") > 0
        with running(image, container(server.port), volumes=volumes, user=user):
            until(lambda: server.ask("GET", "/readyz")[0] == 200, "the server to be ready again")
            (kept,) = server.call("GET", "/v2/secrets/")["items"]
    assert kept["metadata"]["name"] == "demo"
    lines = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert {lines[each] for each in ("CapEff", "CapBnd", "CapPrm")} == {"0" * 16}
    assert lines["NoNewPrivs"] == "1"
    assert lines["Uid"].split() == [str(USER)] * 4


def test_nothing_can_be_written_but_where_the_manifests_mount_something(image, volumes, tmp_path):
    with running(image, container(0), volumes=volumes, user=USER, shell="sleep 600") as made:
        for folder in ("/", "/etc", "/opt/towline", "/usr/bin", "/root", "/etc/towline/keyring"):
            said = subprocess.run(
                ["podman", "exec", made, "sh", "-c", f"echo x > {folder}/x"], capture_output=True, check=False
            )
            assert said.returncode != 0, folder
        for folder in ("/tmp", "/var/lib/towline"):
            run("podman", "exec", made, "sh", "-c", f"echo x > {folder}/x")
        assert run("podman", "exec", made, "cat", "/etc/towline/keyring/keyring.json").startswith("{")


def test_the_image_says_what_it_is_and_runs_as_nobody(image):
    found = about(image)["Config"]
    assert found["User"] == f"{USER}:{USER}"
    assert found["Labels"]["org.opencontainers.image.title"] == "towline"
    assert found["Entrypoint"] == ["/opt/towline/bin/towline"]
    assert about(image)["Healthcheck"]["Test"][-1] == "/opt/towline/healthcheck.py"
    assert "8420/tcp" in found["ExposedPorts"]


def test_it_is_compiled_and_holds_nothing_that_only_building_needs(image):
    script = (
        "import importlib.util as u, pathlib, towline, lightkube, psycopg\n"
        "root = pathlib.Path(towline.__file__).parent\n"
        "sources = list(root.rglob('*.py'))\n"
        "print(len(sources), sum(pathlib.Path(u.cache_from_source(str(s))).exists() for s in sources))\n"
        "print([name for name in ('pip', 'hatchling', 'editables', 'pytest') if u.find_spec(name)])\n"
    )
    words = ("podman", "run", "--rm", *container_image.LIMITS, "--network", "none")
    said = run(*words, "--entrypoint", "/opt/towline/bin/python", image, "-c", script)
    counts, left = said.splitlines()
    sources, compiled = counts.split()
    assert int(sources) > 300
    assert sources == compiled
    assert left == "[]"
