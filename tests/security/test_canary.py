"""A canary: a password put through everything, then looked for in every byte that came out anywhere."""

import base64
import html
import http.server
import json
import threading
import urllib.parse
from pathlib import Path

import httpx
import pytest

from parts.images import busybox_layout
from parts.registry import htpasswd_auth, push, running_registry
from parts.require import require
from parts.server import EMAIL, PASSWORD, running_server, until

USER = "robot"
CANARIES = ("Kanari\"<&>'+/=? ä%1", "zweiter-Kanari:{}\\\n2", "opaker Kanari <3>")


def forms(text: str, *, user: str = USER) -> set[bytes]:
    """Return every form in which a text might slip out, as itself and as part of a login."""
    raw = text.encode()
    found = {
        raw,
        urllib.parse.quote(text).encode(),
        urllib.parse.quote(text, safe="").encode(),
        urllib.parse.quote_plus(text).encode(),
        json.dumps(text)[1:-1].encode(),
        json.dumps(text, ensure_ascii=False)[1:-1].encode(),
        html.escape(text).encode(),
        repr(text)[1:-1].encode(),
        raw.hex().encode(),
    }
    for plain in (raw, f"{user}:{text}".encode(), b"\0" + raw, b"\0\0" + raw):
        packed = base64.b64encode(plain)
        found |= {packed.rstrip(b"=")[:-1], base64.urlsafe_b64encode(plain).rstrip(b"=")[:-1]}
    inner = {base64.b64encode(raw[skipped:])[:-4] for skipped in range(3)}
    return {form for form in found | inner if len(form) > 7}


def test_the_forms_are_found_where_they_are():
    for before in (b"", b"x", b"xy", b"robot:"):
        hidden = base64.b64encode(before + CANARIES[0].encode())
        assert any(form in hidden for form in forms(CANARIES[0])), before
    assert not any(form in b"nothing of the kind is here, not even Kanari" for form in forms(CANARIES[0]))


class Echo(http.server.BaseHTTPRequestHandler):
    """A registry that says back all that it hears, decoded too, and refuses it."""

    def do_GET(self):
        """Answer a GET or HEAD."""
        heard = self.headers.get("Authorization", "")
        plain = base64.b64decode(heard.removeprefix("Basic ") + "==") if heard.startswith("Basic ") else b""
        said = f"{heard} {plain.decode(errors='replace')} <b>{self.path}</b>"
        body = json.dumps({"errors": [{"code": "UNAUTHORIZED", "message": said, "detail": said}]}).encode()
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="echo"')
        self.send_header("X-Echo", urllib.parse.quote(said))
        self.send_header("Docker-Content-Digest", urllib.parse.quote(said))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self):
        """Answer a HEAD."""
        self.do_GET()

    def log_message(self, *_):
        """Say nothing."""


class Sink(http.server.BaseHTTPRequestHandler):
    """Where webhooks lead: keeps what it is sent."""

    heard: list[bytes]

    def do_POST(self):
        self.heard.append(str(self.headers).encode() + self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def serve():
    """Serve handlers on loopback until the test ends."""
    servers = []

    def serving(handler):
        made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=made.serve_forever, daemon=True).start()
        servers.append(made)
        return f"127.0.0.1:{made.server_port}"

    yield serving
    for each in servers:
        each.shutdown()
        each.server_close()


def docker(name, registry, password):
    spec = {"registry": registry, "username": USER, "password": password, "email": "a@example.com"}
    return {"kind": "Secret", "metadata": {"name": name}, "spec": {"type": "Docker", "docker": spec}}


def deploy(server, name, image):
    pull = {"depends": {"kind": "secret", "nameOrGUID": name}}
    run = {"name": "app", "type": "docker", "docker": {"image": image, "pullSecret": pull}}
    variable = {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "K"}}}
    spec = {"runtime": "cloud", "executables": [run], "environmentVars": [variable]}
    server.call(
        "POST", "/v2/packages/", {"kind": "Package", "metadata": {"name": name, "version": "1"}, "spec": spec}
    )
    depends = {"kind": "package", "nameOrGUID": name, "version": "1"}
    metadata = {"name": name, "depends": depends}
    server.call("POST", "/v2/deployments/", {"kind": "Deployment", "metadata": metadata, "spec": {}})


def pages(server):
    """Return everything that the console and the API show to the project's admin."""
    seen = []
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", follow_redirects=True) as client:
        client.post("/sign-in", data={"email": EMAIL, "password": PASSWORD})
        home = f"/projects/{server.project}"
        paths = ["", "/audit", "/secrets", "/members", "/packages", "/deployments"]
        for name in ("echo", "wrong", "good", "keys"):
            paths += [f"/secrets/{name}", f"/secrets/{name}/edit", f"/secrets/{name}/delete"]
        for name in ("echo", "wrong", "good"):
            paths += [f"/deployments/{name}", f"/packages/{name}/1", f"/packages/{name}/1/preflight"]
        for path in paths:
            answer = client.get(home + path)
            assert answer.status_code == 200, path
            seen.append(answer.content + str(answer.headers).encode())
    nouns = ("events", "secrets", "deployments", "packages", "webhooks")
    api = ("/metrics", *(f"/v2/{noun}/" for noun in nouns))
    return [*seen, *(server.ask("GET", path)[1] for path in api)]


def test_no_form_of_a_password_comes_out_anywhere(tmp_path, serve, monkeypatch):
    require("runc")
    require("root")
    monkeypatch.setenv("TOWLINE_LOG_LEVEL", "debug")
    registry_folder, server_folder = tmp_path / "registry", tmp_path / "server"
    registry_folder.mkdir()
    server_folder.mkdir()
    echo = serve(Echo)
    Sink.heard = []
    sink = serve(Sink)
    with (
        running_registry(registry_folder, auth=htpasswd_auth(registry_folder)) as registry,
        running_server(server_folder) as server,
    ):
        layout = busybox_layout(registry_folder / "image", command=("sleep", "1000"))
        push(registry, layout, "team/app:1")
        hook = {"url": f"http://{sink}/", "format": "json"}
        server.call("POST", "/v2/webhooks/", {"kind": "Webhook", "metadata": {"name": "sink"}, "spec": hook})
        data = {"type": "Opaque", "data": {"K": CANARIES[2]}}
        server.call("POST", "/v2/secrets/", {"kind": "Secret", "metadata": {"name": "keys"}, "spec": data})
        server.call("POST", "/v2/secrets/", docker("echo", f"http://{echo}", CANARIES[0]))
        server.call("POST", "/v2/secrets/", docker("wrong", registry.netloc, CANARIES[1]))
        server.call("POST", "/v2/secrets/", docker("good", registry.netloc, CANARIES[1]))
        for body in (docker("echo", echo, CANARIES[0]), docker("NO", echo, CANARIES[0])):
            assert server.ask("POST", "/v2/secrets/", body)[0] >= 400
        broken = json.dumps(docker("x", echo, CANARIES[0]))[:-3]
        assert httpx.post(
            f"http://127.0.0.1:{server.port}/v2/secrets/",
            content=broken,
            headers={"Authorization": f"Bearer {server.token}", "project": server.project},
        ).is_client_error
        for name, image in (("echo", f"{echo}/a/b:1"), ("wrong", f"{registry.netloc}/team/app:1")):
            deploy(server, name, image)
            until(lambda name=name: server.status(name)["status"] == "Error", "the refusal")
            server.call("POST", f"/v2/secrets/{name}/verify/", {"image": image})
        deploy(server, "good", f"{registry.netloc}/team/app:1")
        server.call("PUT", "/v2/secrets/good/", docker("good", registry.netloc, "p@ss:wörd 1$"))
        until(lambda: server.status("good")["status"] == "Running", "the deployment to run")
        until(lambda: Sink.heard, "a delivery")
        out = {
            "replies": server.replies,
            "pages": b"".join(pages(server)),
            "log": server.log.read_bytes(),
            "webhooks": b"".join(Sink.heard),
            "command lines": command_lines(),
        }
        for file in server.data.rglob("*"):
            if file.is_file() and "images" not in file.parts and "rootfs" not in file.parts:
                out[str(file.relative_to(server.data))] = file.read_bytes()
        assert server.stop() == 0
        out["log at the end"] = server.log.read_bytes()
        server.start()
    found = [
        (where, form)
        for where, content in out.items()
        for text in CANARIES
        for form in forms(text)
        if form in content
    ]
    assert [(where, form) for where, form in found if not allowed(where)] == []


def command_lines() -> bytes:
    """Return the command line of every process, and the environment of our own.

    A container's process has what its package gives it, and root alone may look.
    """
    seen = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes()
            seen.append(line)
            if b"towline" in line:
                seen.append((folder / "environ").read_bytes())
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return b"".join(seen)


def allowed(where: str) -> bool:
    """A running container's own configuration holds its environment, for root alone."""
    return where.startswith("engine/containers/") and where.endswith("/config.json")
