"""Liveness probes as clients send them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from towline.domain.errors import InvalidInput
from towline.domain.package import LivenessProbe
from towline.wire.packages import draft

HTTP = {"path": "/", "port": 1}


def probe(**asked: Any) -> LivenessProbe | None:
    executable = {"name": "app", "docker": {"image": "app:1"}, "livenessProbe": asked or None}
    document = {
        "apiVersion": "api.rapyuta.io/v2",
        "kind": "Package",
        "metadata": {"name": "app", "version": "1"},
        "spec": {"runtime": "cloud", "executables": [executable]},
    }
    return draft(json.dumps(document).encode()).spec.executables[0].probe


def test_no_probe_is_none() -> None:
    assert probe() is None


def test_a_probe_by_http_has_all_that_was_asked() -> None:
    http = {
        "path": "healthz",
        "port": 8080,
        "scheme": "https",
        "httpHeaders": [{"name": "X-A", "value": "b"}],
    }
    times = {"initialDelaySeconds": 3, "periodSeconds": 4, "timeoutSeconds": 11, "failureThreshold": 5}
    found = probe(httpGet=http, **times)
    assert found == LivenessProbe(
        port=8080, path="/healthz", https=True, headers=(("X-A", "b"),), initial_delay=3, period=4,
        timeout=11, failures=5,
    )  # fmt: skip


def test_a_command_and_a_connection_are_ways_too() -> None:
    assert probe(exec={"command": ["cat", "/alive"]}) == LivenessProbe(command=("cat", "/alive"))
    assert probe(tcpSocket={"port": 22}) == LivenessProbe(port=22)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"periodSeconds": 5}, ""),
        ({"exec": {"command": ["true"]}, "tcpSocket": {"port": 1}}, ""),
        ({"exec": {}}, ".exec.command"),
        ({"exec": {"command": []}}, ".exec.command"),
        ({"exec": {"command": ["a\x00b"]}}, ".exec.command"),
        ({"tcpSocket": {}}, ".tcpSocket.port"),
        ({"tcpSocket": {"port": 70000}}, ".tcpSocket.port"),
        ({"httpGet": {"path": "/a b", "port": 1}}, ".httpGet.path"),
        ({"httpGet": {"path": "/\r\nX: y", "port": 1}}, ".httpGet.path"),
        ({"httpGet": {"path": "/", "port": 1, "scheme": "gopher"}}, ".httpGet.scheme"),
        ({"httpGet": {"path": "/", "port": 1, "host": "a b"}}, ".httpGet.host"),
        ({"httpGet": {**HTTP, "httpHeaders": [{"name": "a:", "value": ""}]}}, ".httpGet.httpHeaders[0]"),
        ({"httpGet": {**HTTP, "httpHeaders": [{"name": "a", "value": "\n"}]}}, ".httpGet.httpHeaders[0]"),
        ({"tcpSocket": {"port": 1}, "timeoutSeconds": 9}, ".timeoutSeconds"),
    ],
)  # fmt: skip
def test_a_probe_that_cannot_be_is_refused_by_its_field(asked: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        probe(**asked)
    assert refused.value.field == f"spec.executables[0].livenessProbe{field}"
