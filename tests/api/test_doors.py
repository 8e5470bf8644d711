"""The doors over HTTP: what they answer, to whom, and that nothing of it is kept on the way."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml

from parts.live import Live, live_server
from towline.domain.account import ProjectRole

REGISTRY = "registry.example.com:5000"
PASSWORD = ' p@ss:wörd/1 "$" '
JWKS = {"keys": [{"kty": "RSA", "kid": "one", "n": "AQAB", "e": "AQAB"}]}


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with live_server() as made:
        docker = {"registry": REGISTRY, "username": "robot", "password": PASSWORD, "email": "j@example.com"}
        body = {"metadata": {"name": "pull"}, "spec": {"type": "Docker", "docker": docker}}
        httpx.post(f"{made.url}/v2/secrets/", json=body, headers=made.headers()).raise_for_status()
        yield made


def post(live: Live, path: str, body: Any, token: str | None = None) -> httpx.Response:
    return httpx.post(f"{live.url}{path}", json=body, headers=live.headers(token))


def export(live: Live, form: str, **more: str) -> Any:
    answer = post(live, "/v2/secrets/pull/export/", {"format": form, "confirm": "pull", **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_credential_is_answered_and_stored_by_nobody_on_the_way(live: Live) -> None:
    answer = post(live, "/v2/credentials/get/", {"serverURL": f"https://{REGISTRY}"})
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {
        "serverURL": f"https://{REGISTRY}",
        "username": "robot",
        "secret": PASSWORD,
        "name": "pull",
        "version": 1,
    }


def test_an_empty_project_is_not_taken_for_all_projects(live: Live) -> None:
    spec = {"scopes": ["secrets:read"], "projectGUID": ""}
    answer = post(live, "/v2/tokens/", {"metadata": {"name": "wide"}, "spec": spec})
    assert (answer.status_code, answer.json()["field"]) == (400, "spec.projectGUID")


def test_a_developer_uses_secrets_but_takes_no_password_out(live: Live) -> None:
    developer = live.member("dev@example.com", role=ProjectRole.DEVELOPER)
    asked = (
        ("/v2/credentials/get/", {"serverURL": REGISTRY}),
        ("/v2/credentials/kubelet/", {"image": f"{REGISTRY}/team/app"}),
        ("/v2/secrets/pull/export/", {"format": "config.json", "confirm": "pull"}),
        ("/v2/credentials/store/", {"serverURL": REGISTRY, "username": "a", "secret": "b"}),
    )
    for path, body in asked:
        answer = post(live, path, body, developer)
        assert answer.status_code == 403, path
        assert "p@ss" not in answer.text
    doors = ["credential-helper", "kubelet", "export", "credential-helper"]
    rows = live.run(live.world.rows())[-len(doors) :]
    assert [row[:3] for row in rows] == [("dev@example.com", "credential.refused", "not-allowed")] * len(
        doors
    )
    assert [row[3] for row in rows] == [{"door": door, "peer": "127.0.0.1"} for door in doors]


def test_every_door_is_marked_as_one(live: Live) -> None:
    """Whoever is kept from a door by role or scope is in the trail: the route table says what a door is."""
    doors = {each.path for each in live.table.operations if each.door}
    named = {
        each.path
        for each in live.table.operations
        if each.path.startswith("/v2/credentials/")
        or each.path.endswith(("/export/", "/{name}/token/", "/mirrors/"))
    }
    assert doors == named - {"/v2/credentials/policy/", "/v2/credentials/verify/"}


def test_a_token_without_the_scope_is_in_the_trail(live: Live) -> None:
    spec = {"scopes": ["secrets:read"], "projectGUID": live.project}
    token = post(live, "/v2/tokens/", {"metadata": {"name": "small"}, "spec": spec}).json()["token"]
    assert post(live, "/v2/credentials/get/", {"serverURL": REGISTRY}, token).status_code == 403
    _, action, outcome, detail = live.run(live.world.rows())[-1]
    assert (action, outcome) == ("credential.refused", "not-allowed")
    assert detail == {"door": "credential-helper", "token": "small", "peer": "127.0.0.1"}


def test_a_developer_gets_a_token_for_a_repository(live: Live) -> None:
    developer = live.member("dev2@example.com", role=ProjectRole.DEVELOPER)
    answer = post(live, "/v2/secrets/pull/token/", {"repository": "team/app"}, developer)
    assert answer.status_code == 200
    found = answer.json()
    assert found["registry"] == REGISTRY
    assert found["scope"] == "repository:team/app:pull"
    assert found["token"] == live.world.pull_tokens.gives


def test_no_token_where_the_registry_gives_none(live: Live) -> None:
    live.world.pull_tokens.gives = ""
    answer = post(live, "/v2/secrets/pull/token/", {"repository": "team/app"})
    live.world.pull_tokens.gives = "a-registrys-token"
    assert (answer.status_code, "Basic" in answer.json()["error"]) == (409, True)


def test_config_json_holds_what_docker_reads(live: Live) -> None:
    document = json.loads(export(live, "config.json")["content"])
    assert document == {
        "auths": {REGISTRY: {"auth": base64.b64encode(f"robot:{PASSWORD}".encode()).decode()}}
    }


def test_dockercfg_is_the_flat_map(live: Live) -> None:
    document = json.loads(export(live, "dockercfg")["content"])
    assert set(document) == {REGISTRY}
    assert document[REGISTRY]["username"] == "robot"


def test_a_kubernetes_secret_has_the_type_and_all_that_any_reader_wants(live: Live) -> None:
    manifest = yaml.safe_load(export(live, "kubernetes", namespace="prod")["content"])
    assert manifest["kind"] == "Secret"
    assert manifest["type"] == "kubernetes.io/dockerconfigjson"
    assert manifest["metadata"] == {"name": "pull", "namespace": "prod"}
    auths = json.loads(base64.b64decode(manifest["data"][".dockerconfigjson"], validate=True))["auths"]
    assert list(auths) == [REGISTRY]
    entry = auths[REGISTRY]
    assert (entry["username"], entry["password"]) == ("robot", PASSWORD)
    assert base64.b64decode(entry["auth"]).decode() == f"robot:{PASSWORD}"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "format"),
        ({"format": "yaml", "confirm": "pull"}, "format"),
        ({"format": "config.json"}, "confirm"),
        ({"format": "config.json", "confirm": "Pull"}, "confirm"),
        ({"format": "kubernetes", "confirm": "pull", "namespace": "Prod\nx: y"}, "namespace"),
    ],
)
def test_what_is_wrong_with_an_export_is_named(live: Live, body: dict[str, str], field: str) -> None:
    answer = post(live, "/v2/secrets/pull/export/", body)
    assert (answer.status_code, answer.json()["field"]) == (400, field)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v2/credentials/get/", {}, "serverURL"),
        ("/v2/credentials/get/", {"serverURL": "ftp://x"}, "serverURL"),
        ("/v2/credentials/get/", {"serverURL": 7}, "serverURL"),
        ("/v2/credentials/kubelet/", {"image": "https://x/y"}, "image"),
        ("/v2/credentials/store/", {"serverURL": "r.example.com", "username": "a"}, "secret"),
        ("/v2/credentials/store/", {"serverURL": "r.example.com", "username": "", "secret": "b"}, "username"),
        ("/v2/secrets/pull/token/", {}, "image"),
        ("/v2/secrets/pull/token/", {"repository": "../../x"}, "repository"),
        ("/v2/secrets/pull/token/", {"image": "elsewhere.example.com/team/app"}, "image"),
    ],
)
def test_what_is_wrong_is_named(live: Live, path: str, body: dict[str, Any], field: str) -> None:
    answer = post(live, path, body)
    assert (answer.status_code, answer.json()["field"]) == (400, field)


def policy(**more: Any) -> dict[str, Any]:
    row = {"namespace": "prod", "serviceAccount": "*", "secrets": ["prod-*"]}
    issuer = {"issuer": "https://c.example", "audience": "towline", "jwks": JWKS, "workloads": [row], **more}
    return {"kind": "DoorPolicy", "spec": {"offlineMinutes": 60, "issuers": [issuer]}}


def test_what_a_project_allows_reads_back_as_it_was_set(live: Live) -> None:
    put = httpx.put(f"{live.url}/v2/credentials/policy/", json=policy(), headers=live.headers())
    assert put.status_code == 200, put.text
    got = httpx.get(f"{live.url}/v2/credentials/policy/", headers=live.headers())
    assert got.json()["spec"] == policy()["spec"]
    httpx.put(f"{live.url}/v2/credentials/policy/", json={}, headers=live.headers()).raise_for_status()


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"issuer": ""}, "spec.issuers[0].issuer"),
        ({"jwks": None}, "spec.issuers[0].jwks"),
        ({"jwks": {"keys": []}}, "spec.issuers[0].jwks.keys"),
        ({"jwks": {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}}, "spec.issuers[0].jwks.keys"),
        ({"jwks": {"keys": [{**JWKS["keys"][0], "d": "AQAB"}]}}, "spec.issuers[0].jwks.keys"),
        ({"workloads": None}, "spec.issuers[0].workloads"),
        ({"workloads": [{"namespace": "a", "serviceAccount": "b"}]}, "spec.issuers[0].workloads[0].secrets"),
    ],
)
def test_what_is_wrong_with_a_policy_is_named(live: Live, more: dict[str, Any], field: str) -> None:
    answer = httpx.put(f"{live.url}/v2/credentials/policy/", json=policy(**more), headers=live.headers())
    assert (answer.status_code, answer.json()["field"]) == (400, field)
