"""Pull secrets out of a cluster: the real lightkube and a kubeconfig; a server plays the API's part."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

if TYPE_CHECKING:
    from conftest import Shell

CANARY = "Kanari-Obviously-A-Test"
TOKEN = "token-of-jane"


def packed(document: object) -> str:
    return base64.b64encode(json.dumps(document).encode()).decode()


def secret(name: str, kind: str, data: dict[str, str]) -> dict[str, object]:
    metadata = {"name": name, "namespace": "shop"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind, "data": data}


ENTRY = {"auth": base64.b64encode(f"jane:{CANARY}".encode()).decode()}
SECRETS = [
    secret("new", "kubernetes.io/dockerconfigjson",
           {".dockerconfigjson": packed({"auths": {"new.example": ENTRY}})}),
    secret("old", "kubernetes.io/dockercfg", {".dockercfg": packed({"old.example": ENTRY})}),
    secret("keys", "Opaque", {"key": packed("value")}),
]  # fmt: skip


class Cluster(BaseHTTPRequestHandler):
    """``/api/v1/namespaces/shop/secrets`` as Kubernetes answers it; all else is forbidden."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        wanted = parse_qs(url.query).get("fieldSelector", [""])[0].partition("=")[2]
        path = "/api/v1/namespaces/shop/secrets"
        one = [each for each in SECRETS if url.path == f"{path}/{each['metadata']['name']}"]  # type: ignore[index]
        if self.headers["Authorization"] != f"Bearer {TOKEN}" or not url.path.startswith(path):
            self._say(403, {"kind": "Status", "message": "jane may not list secrets", "code": 403})
        elif one:
            self._say(200, one[0])
        elif url.path == path:
            items = [each for each in SECRETS if each["type"] == wanted]
            self._say(200, {"kind": "SecretList", "apiVersion": "v1", "metadata": {}, "items": items})
        else:
            self._say(404, {"kind": "Status", "message": "secrets not found", "code": 404})

    def _say(self, status: int, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Cluster) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def kubeconfig(cluster: str, tmp_path: Path) -> str:
    contexts = {"shop": "shop", "other": "elsewhere"}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "shop",
        "clusters": [{"name": "c", "cluster": {"server": cluster}}],
        "users": [{"name": "jane", "user": {"token": TOKEN}}],
        "contexts": [
            {"name": name, "context": {"cluster": "c", "user": "jane", "namespace": namespace}}
            for name, namespace in contexts.items()
        ],
    }
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(document))
    return str(file)


def imported(shell: Shell, kubeconfig: str, *words: str):
    return shell.towline("secret", "import", "--from-kubernetes", "--dry-run", "-o", "json", *words,
                         KUBECONFIG=kubeconfig)  # fmt: skip


def test_the_pull_secrets_of_the_current_namespace_are_found(shell: Shell, kubeconfig: str) -> None:
    done = imported(shell, kubeconfig)
    assert done.returncode == 0, done.stderr
    found = {
        row["name"]: (row["registry"], row["username"], row["source"]) for row in json.loads(done.stdout)
    }
    assert found == {
        "new": ("new.example", "jane", "Kubernetes Secret shop/new"),
        "old": ("old.example", "jane", "Kubernetes Secret shop/old"),
    }
    assert CANARY not in done.stdout + done.stderr


def test_one_secret_alone_is_found(shell: Shell, kubeconfig: str) -> None:
    done = imported(shell, kubeconfig, "--secret", "old")
    assert [row["name"] for row in json.loads(done.stdout)] == ["old"]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--secret", "absent"], 3, "the cluster refuses: secrets not found"),
        (["--secret", "keys"], 2, "is not a Secret for pulling"),
        (["--context", "other"], 5, "the cluster refuses: jane may not list secrets"),
        (["--context", "absent"], 2, "the kubeconfig cannot be used"),
        (["--namespace", "elsewhere"], 5, "the cluster refuses"),
    ],
)
def test_what_the_cluster_refuses_is_one_line(
    shell: Shell, kubeconfig: str, words: list[str], code: int, says: str
) -> None:
    done = imported(shell, kubeconfig, *words)
    assert done.returncode == code
    [line] = done.stderr.splitlines()
    assert says in line


@pytest.mark.parametrize("content", [None, "{", "kind: Config", "[1]", "server: 5"])
def test_a_kubeconfig_that_is_none_is_one_line(shell: Shell, content: str | None) -> None:
    file = shell.home / "broken"
    if content is not None:
        file.write_text(content)
    done = imported(shell, str(file))
    assert done.returncode in (1, 2)
    [line] = done.stderr.splitlines()
    assert line.startswith("towline: the ")


def test_a_cluster_that_does_not_answer_is_one_line(shell: Shell, kubeconfig: str) -> None:
    file = Path(kubeconfig)
    text = file.read_text()
    file.write_text(text.replace(text.split("server: ")[1].split()[0], "http://127.0.0.1:1"))
    done = imported(shell, kubeconfig)
    assert (done.returncode, done.stdout) == (1, "")
    assert "the cluster does not answer" in done.stderr
