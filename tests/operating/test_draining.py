"""The end of a real server that is told to end: who is told what, and what is still finished."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from parts.forks import towline
from parts.require import require
from parts.server import EMAIL, PASSWORD, Server, running_server, until

SECRET = json.dumps({"metadata": {"name": "late"}, "spec": {"type": "Opaque", "data": {"K": "v"}}}).encode()


@pytest.fixture
def server(tmp_path: Path):
    require("runc")
    require("root")
    with running_server(tmp_path, "--engine", "embedded", "--drain-notice-seconds", "600") as made:
        yield made


@contextmanager
def begun(
    server: Server, method: str, path: str, body: bytes = b"", *, sent: int = 0
) -> Iterator[socket.socket]:
    """Begin a request, of whose body only a part is sent."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    lines = (
        f"{method} {path} HTTP/1.1",
        "Host: t",
        f"Authorization: Bearer {server.token}",
        f"project: {server.project}",
        f"Content-Length: {len(body)}",
    )
    with connection:
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body[:sent])
        yield connection


def answered(connection: socket.socket) -> http.client.HTTPResponse:
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    return answer


def test_load_balancers_and_streams_are_told_and_what_was_begun_is_finished(server: Server) -> None:
    assert server.process is not None
    with (
        begun(server, "GET", "/v2/events/stream/") as watching,
        begun(server, "POST", "/v2/secrets/", SECRET, sent=10) as late,
        answered(watching) as events,
    ):
        assert events.readline() == b": still here\n"
        told(server, server.process, events, late)
    assert server.process.wait(30) == 0
    server.options = ("--engine", "embedded")
    server.start()
    assert server.call("GET", "/v2/secrets/late/")["metadata"]["name"] == "late"


def told(
    server: Server, process: subprocess.Popen[bytes], events: http.client.HTTPResponse, late: socket.socket
) -> None:
    until(lambda: server.ask("GET", "/metrics")[1].count(b"towline_streams 1.0"), "the stream to be counted")
    process.send_signal(signal.SIGTERM)
    assert events.read().endswith(b"retry: 1000\n: the server ends; connect again\n\n")
    status, content = server.ask("GET", "/readyz")
    assert (status, json.loads(content)) == (503, {"ready": False, "error": "the server is about to end"})
    assert server.ask("GET", "/v2/secrets/")[0] == 200
    process.send_signal(signal.SIGTERM)
    until(lambda: is_closed(server), "the server to take no more connections")
    late.sendall(SECRET[10:])
    with answered(late) as kept:
        assert kept.status == 201


def is_closed(server: Server) -> bool:
    """Whether nothing listens; a connection that waited to be taken as the listener closed is reset."""
    try:
        return server.ask("GET", "/healthz")[0] == 0
    except ConnectionResetError:
        return True


def test_a_request_that_never_ends_holds_the_end_up_no_longer_than_was_set(tmp_path: Path) -> None:
    require("runc")
    require("root")
    with (
        running_server(tmp_path, "--engine", "embedded", "--drain-seconds", "1") as server,
        begun(server, "POST", "/v2/secrets/", SECRET, sent=10),
    ):
        assert server.stop() == 0


def test_who_watches_events_on_the_command_line_is_told_how_to_go_on(tmp_path: Path) -> None:
    require("runc")
    require("root")
    environ = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "home")}
    with running_server(tmp_path) as server:
        login = ("login", f"http://127.0.0.1:{server.port}", "--email", EMAIL, "--password-stdin")
        towline(*login, stdin=PASSWORD, env=environ, check=True)
        hook = {"metadata": {"name": "ops"}, "spec": {"url": f"http://127.0.0.1:{server.port}/"}}
        server.call("POST", "/v2/webhooks/", hook)
        watch = [sys.executable, "-m", "towline", "event", "watch", "--since", "0", "-o", "json"]
        with subprocess.Popen(
            watch, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as watching:
            assert watching.stdout is not None
            server.call("POST", "/v2/webhooks/ops/test/")
            assert json.loads(watching.stdout.readline())["subject"]["name"] == "ops"
            assert server.stop() == 0
            _, said = watching.communicate(timeout=30)
    assert watching.returncode == 1
    assert said == "towline: the server ended the stream; go on with: towline event watch --since 1\n"
