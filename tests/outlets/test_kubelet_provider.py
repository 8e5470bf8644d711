"""towline-kubelet-provider answers a kubelet's requests as the v1 types say, and fails in one line."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from parts.callers import PASSWORD, REGISTRY, Caller, keep, token_of
from parts.live import Live
from parts.registry import free_port

API = "credentialprovider.kubelet.k8s.io/v1"
IMAGE = f"{REGISTRY}/team/app"
ISSUER = "https://kubernetes.default.svc.cluster.local"
KEY = RSAKey.generate_key(2048, {"kid": "cluster"})
FIELDS = {"apiVersion", "kind", "cacheKeyType", "cacheDuration", "serviceAccountTokenCacheType", "auth"}


def request(image: str = IMAGE, **more: Any) -> str:
    document = {"apiVersion": API, "kind": "CredentialProviderRequest", "image": image, **more}
    return json.dumps(document)


def answered(caller: Caller, stdin: str, **environ: str) -> dict[str, Any]:
    """Return the response, checked against what a kubelet takes."""
    done = caller.start("kubelet", stdin=stdin, **environ)
    assert (done.returncode, done.stderr) == (0, "")
    response: dict[str, Any] = json.loads(done.stdout)
    assert set(response) <= FIELDS
    assert (response["apiVersion"], response["kind"]) == (API, "CredentialProviderResponse")
    assert response["cacheKeyType"] in ("Image", "Registry", "Global")
    assert re.fullmatch(r"([0-9]+(h|m|s))+", response["cacheDuration"])
    for login in (response.get("auth") or {}).values():
        assert set(login) == {"username", "password"}
    assert ("serviceAccountToken" in stdin) == ("serviceAccountTokenCacheType" in response)
    return response


def test_a_registrys_credential_is_given_under_the_registrys_key(caller: Caller) -> None:
    response = answered(caller, request())
    assert response["auth"] == {REGISTRY: {"username": "robot", "password": PASSWORD}}
    assert response["cacheKeyType"] == "Registry"
    assert response["cacheDuration"] == "60s"


def test_where_a_path_decides_it_is_given_for_the_image(caller: Caller) -> None:
    keep(caller.live, "paths", "paths.example.com/team", "team")
    keep(caller.live, "paths-all", "paths.example.com", "all")
    team = answered(caller, request("paths.example.com/team/app"))
    other = answered(caller, request("paths.example.com/teamwork/app"))
    assert (team["cacheKeyType"], other["cacheKeyType"]) == ("Image", "Image")
    assert team["auth"] == {"paths.example.com/team/app": {"username": "team", "password": PASSWORD}}
    assert other["auth"] == {"paths.example.com/teamwork/app": {"username": "all", "password": PASSWORD}}


def test_docker_hub_is_matched_as_kubelets_do(caller: Caller) -> None:
    keep(caller.live, "hub", "docker.io")
    assert list(answered(caller, request("docker.io/library/nginx"))["auth"]) == ["docker.io"]


def test_an_image_that_no_secret_is_for_gets_no_auth_and_is_not_remembered(caller: Caller) -> None:
    response = answered(caller, request("public.example.com/app"))
    assert "auth" not in response
    assert response["cacheDuration"] == "0s"


@pytest.mark.parametrize(
    ("stdin", "says"),
    [
        ("", "is not a CredentialProviderRequest"),
        ("{", "is not a CredentialProviderRequest"),
        ("[" * 100_000, "is not a CredentialProviderRequest"),
        ("[]", "is not a CredentialProviderRequest"),
        ('{"kind":"Pod","apiVersion":"v1"}', f"set apiVersion: {API}"),
        (json.dumps({"kind": "CredentialProviderRequest", "apiVersion": f"{API}beta1"}), "set apiVersion"),
        (request(""), "names no image"),
        (request("https://x/y"), "an image reference has no scheme"),
        ("x" * (2 << 20), "larger than 1 MiB"),
    ],
)
def test_a_bad_request_is_one_line_for_the_kubelets_log(caller: Caller, stdin: str, says: str) -> None:
    done = caller.start("kubelet", stdin=stdin)
    assert (done.returncode, done.stdout) == (1, "")
    assert says in done.stderr
    assert done.stderr.startswith("towline-kubelet-provider: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"TOWLINE_TOKEN": "tow_wrong"}, "is not one of Towline's"),
        ({"TOWLINE_URL": f"http://127.0.0.1:{free_port()}"}, "no connection"),
        ({"TOWLINE_TOKEN": "", "TOWLINE_TOKEN_FILE": "/absent"}, "cannot be read"),
    ],
)
def test_a_failure_names_its_cause(caller: Caller, environ: dict[str, str], says: str) -> None:
    done = caller.start("kubelet", stdin=request(), **environ)
    assert (done.returncode, done.stdout) == (1, "")
    assert says in done.stderr


def test_a_scope_limits_what_a_node_gets(caller: Caller) -> None:
    small = token_of(caller.live, "secrets:use:other-*")
    assert "auth" not in answered(caller, request(), TOWLINE_TOKEN=small)
    done = caller.start("kubelet", stdin=request(), TOWLINE_TOKEN=token_of(caller.live, "secrets:read"))
    assert "lacks the scope secrets:use" in done.stderr


@pytest.fixture
def trusted(live: Live) -> Iterator[None]:
    rows = [
        {"namespace": "prod", "serviceAccount": "*", "secrets": ["pull"]},
        {"namespace": "ci", "serviceAccount": "builder", "secrets": ["ci-*"]},
    ]
    jwks = KeySet([KEY]).as_dict(private=False)
    issuer = {"issuer": ISSUER, "audience": "towline", "jwks": jwks, "workloads": rows}
    path = f"{live.url}/v2/credentials/policy/"
    httpx.put(path, json={"spec": {"issuers": [issuer]}}, headers=live.headers()).raise_for_status()
    yield
    httpx.put(path, json={}, headers=live.headers()).raise_for_status()


def account(namespace: str, name: str, audience: str = "towline", key: RSAKey = KEY) -> str:
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": [audience],
        "exp": now + 86_400 * 365 * 40,  # the live server's clock stands still in its own year
        "sub": f"system:serviceaccount:{namespace}:{name}",
        "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name}},
    }
    return jwt.encode({"alg": "RS256", "kid": "cluster"}, claims, key)


def test_a_service_account_gets_what_its_row_names(caller: Caller, trusted: None) -> None:
    response = answered(caller, request(serviceAccountToken=account("prod", "web")))
    assert response["auth"] == {REGISTRY: {"username": "robot", "password": PASSWORD}}
    assert response["serviceAccountTokenCacheType"] == "ServiceAccount"
    rows = caller.live.run(caller.live.world.rows())
    assert rows[-1][3]["service-account"] == "prod/web"
    assert rows[-1][3]["image"].startswith(IMAGE)


def test_another_service_account_gets_nothing(caller: Caller, trusted: None) -> None:
    for namespace, name in (("ci", "builder"), ("dev", "web")):
        response = answered(caller, request(serviceAccountToken=account(namespace, name)))
        assert "auth" not in response


def test_a_token_that_is_not_believed_is_a_failure_and_a_row(caller: Caller, trusted: None) -> None:
    forged = account("prod", "web", key=RSAKey.generate_key(2048, {"kid": "cluster"}))
    for token in (forged, account("prod", "web", audience="another"), "rubbish"):
        done = caller.start("kubelet", stdin=request(serviceAccountToken=token))
        assert (done.returncode, done.stdout) == (1, "")
        assert token not in done.stderr
    rows = caller.live.run(caller.live.world.rows())
    assert [row[2] for row in rows[-3:]] == ["service-account-refused"] * 3
