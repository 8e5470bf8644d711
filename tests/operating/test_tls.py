"""Towline serves HTTPS by itself: who trusts its authority is served, and nobody is in the clear."""

import contextlib
import socket
from pathlib import Path
from urllib.parse import urlencode

import pytest

from parts.registry import certificate
from parts.require import require
from parts.server import EMAIL, PASSWORD, Server, running_server
from parts.shell import Shell


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory):
    require("runc")
    require("root")
    folder = tmp_path_factory.mktemp("tls")
    with running_server(folder, certificate=certificate(folder)) as made:
        yield made


@pytest.fixture
def authority(server: Server, tmp_path: Path) -> Path:
    assert server.certificate is not None
    file = tmp_path / "ca.pem"
    file.write_text(server.certificate.ca_pem)
    return file


def test_the_command_line_signs_in_once_it_knows_the_authority(server, authority, tmp_path):
    login = ("login", f"https://127.0.0.1:{server.port}", "--email", EMAIL, "--password-stdin")
    shell = Shell(tmp_path)
    refused = shell.towline(*login, stdin=PASSWORD)
    assert refused.returncode == 1
    assert "is not trusted" in refused.stderr
    assert "set TOWLINE_CA to the file with its CA certificate" in refused.stderr
    done = shell.towline(*login, stdin=PASSWORD, TOWLINE_CA=str(authority))
    assert done.returncode == 0, done.stderr
    listed = shell.towline("secret", "list", "--output", "json")
    assert (listed.returncode, listed.stderr) == (0, "")


def test_nothing_is_said_in_the_clear(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as clear:
        clear.sendall(b"GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert clear.recv(100) == b""


def test_browsers_send_the_session_back_over_https_alone(server):
    form = urlencode({"email": EMAIL, "password": PASSWORD})
    connection = server.connection()
    connection.request("POST", "/sign-in", form, {"Content-Type": "application/x-www-form-urlencoded"})
    answer = connection.getresponse()
    connection.close()
    (cookie,) = answer.headers.get_all("Set-Cookie")
    name, _, rest = cookie.partition("=")
    assert name == "__Host-towline"
    assert {"httponly", "secure"} <= {each.strip().lower() for each in rest.split(";")}
