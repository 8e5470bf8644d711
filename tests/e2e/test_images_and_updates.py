"""Images that others made, values from opaque secrets, and updates, with the real server and containers."""

import subprocess

import pytest

from parts.images import busybox_layout
from parts.registry import PASSWORD, USER, htpasswd_auth, push, running_registry
from parts.require import require
from parts.server import running_server, until

NUMBER = "86429754"


@pytest.fixture(scope="module")
def private(tmp_path_factory):
    folder = tmp_path_factory.mktemp("private")
    with running_registry(folder, auth=htpasswd_auth(folder)) as registry:
        loop = f'echo "first $KEY"; exec sleep {NUMBER}'
        push(registry, busybox_layout(folder / "one", command=("sh", "-c", loop)), "team/app:1")
        built = _built_with_buildah(folder)
        zstd = ("--dest-compress-format", "zstd")
        reference = push(registry, built, "team/built:1", extra=zstd)
        login = ["--creds", f"{USER}:{PASSWORD}", "--tls-verify=false"]
        raw = subprocess.run(
            ["skopeo", "inspect", "--raw", *login, f"docker://{reference}"], check=True, capture_output=True
        )
        assert b"layer.v1.tar+zstd" in raw.stdout
        yield registry


@pytest.fixture
def server(tmp_path):
    require("runc")
    require("root")
    with running_server(tmp_path) as made:
        yield made


def _built_with_buildah(folder):
    require("buildah")
    require("busybox")

    def run(*words):
        return subprocess.run(["buildah", *words], check=True, capture_output=True, text=True).stdout.strip()

    container = run("from", "scratch")
    try:
        run("copy", container, "/bin/busybox", "/bin/busybox")
        command = f'["/bin/busybox","sh","-c","echo second; exec /bin/busybox sleep {NUMBER}"]'
        run("config", "--cmd", command, container)
        run("commit", "--quiet", container, f"oci:{folder / 'built'}")
    finally:
        run("rm", container)
    return folder / "built"


def package(server, registry, version, image):
    pull = {"depends": {"kind": "secret", "nameOrGUID": "pull"}}
    run = {"name": "app", "docker": {"image": f"{registry.netloc}/{image}", "pullSecret": pull}}
    reference = {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "K"}}}
    spec = {"runtime": "cloud", "executables": [run], "environmentVars": [reference]}
    metadata = {"name": "app", "version": version}
    server.call("POST", "/v2/packages/", {"kind": "Package", "metadata": metadata, "spec": spec})


def log(server) -> str:
    path = "/v2/deployments/app/logs/?replica=0&executable=app&follow=false"
    return server.ask("GET", path)[1].decode()


def runs(server, generation):
    def seen():
        status = server.status("app")
        up = (status["phase"], status["status"]) == ("Succeeded", "Running")
        return True if up and status.get("generation") == generation else None

    return seen


def test_a_value_arrives_and_an_update_moves_to_an_image_of_buildahs_with_zstd_layers(server, private):
    docker = {"registry": private.netloc, "username": USER, "password": PASSWORD, "email": "j@example.com"}
    for name, spec in (
        ("pull", {"type": "Docker", "docker": docker}),
        ("keys", {"type": "Opaque", "data": {"K": "from-a-secret"}}),
    ):
        server.call("POST", "/v2/secrets/", {"kind": "Secret", "metadata": {"name": name}, "spec": spec})
    package(server, private, "v1", "team/app:1")
    package(server, private, "v2", "team/built:1")
    depends = {"kind": "package", "nameOrGUID": "app", "version": "v1"}
    body = {
        "kind": "Deployment",
        "metadata": {"name": "app", "depends": depends},
        "spec": {"runtime": "cloud"},
    }
    server.call("POST", "/v2/deployments/", body)
    until(runs(server, 1), "the first generation")
    assert "first from-a-secret" in log(server)
    body["metadata"]["depends"] = {**depends, "version": "v2"}
    server.call("PATCH", "/v2/deployments/app/", body)
    until(runs(server, 2), "the second generation")
    assert "second" in log(server)
    server.call("DELETE", "/v2/deployments/app/")
