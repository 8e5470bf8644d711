"""What is read of a cluster's pull secrets, however somebody spoiled one."""

from __future__ import annotations

import base64

import msgspec
import pytest

from towline.engines.kubernetes import survey


def seen(kind: str, key: str, content: bytes) -> survey.PullSecret:
    document = {
        "metadata": {"namespace": "shop", "name": "regcred"},
        "type": kind,
        "data": {key: base64.b64encode(content).decode()},
    }
    return survey._pull_secret(msgspec.convert(document, survey._Secret))


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff", b"[]", b"null", b"{", b"[" * 100_000, b'{"auths":' + b"9" * 10_000 + b"}"],
    ids=["empty", "bytes", "list", "null", "cut", "deep", "long number"],
)
def test_a_spoiled_secret_is_named_and_the_others_are_read(content: bytes) -> None:
    found = seen("kubernetes.io/dockerconfigjson", ".dockerconfigjson", content)
    assert (found.where, found.entries) == ("shop/regcred", ())
    assert found.problem == "it holds no docker configuration"


@pytest.mark.parametrize(
    ("kind", "key", "content"),
    [
        ("kubernetes.io/dockerconfigjson", ".dockerconfigjson", b'{"auths":{"r.example":{"auth":"YTpi"}}}'),
        ("kubernetes.io/dockercfg", ".dockercfg", b'{"r.example":{"auth":"YTpi"}}'),
    ],
)
def test_both_kinds_of_pull_secret_are_read(kind: str, key: str, content: bytes) -> None:
    found = seen(kind, key, content)
    assert [(each.key, each.entry.username) for each in found.entries] == [("r.example", "a")]
    assert found.problem == ""
