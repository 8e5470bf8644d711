"""The OpenAPI document is true: schemathesis calls every operation with what it allows, and with what not."""

from types import SimpleNamespace

import httpx
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from parts.live import Live
from towline import api
from towline.wire.openapi import openapi

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    ignored_auth,
    unsupported_method,
]

ENDLESS = ["/v2/deployments/{name}/logs/", "/v2/events/stream/"]
ENDS_THE_SESSION = "/user/logout"
ENDS_THE_PROJECT = "/v2/projects/{guid}/"
SERVICES = (
    "accounts",
    "device_logins",
    "projects",
    "secrets",
    "secret_uses",
    "packages",
    "deployments",
    "proofs",
    "registries",
    "webhooks",
    "doors",
    "tool_logins",
    "handouts",
    "mirrors",
    "tally",
    "organizations",
    "invitations",
    "single_sign_on",
    "groups",
    "service_accounts",
    "engines",
    "disks",
)
table = api.build(SimpleNamespace(**dict.fromkeys(SERVICES)), checks={})  # only its words are looked at
schema = schemathesis.openapi.from_dict(openapi(table.operations, version="0")).exclude(
    path=[*ENDLESS, ENDS_THE_SESSION]
)


@schema.parametrize()
@settings(
    max_examples=30, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)
def test_no_call_brings_a_5xx_or_an_answer_that_is_not_described(case: schemathesis.Case, live: Live) -> None:
    own = {"project": live.project} if case.headers.get("project") else {}
    case.headers.update(own)
    if case.path == "/v2/organizations/{guid}/":
        case.path_parameters = {**case.path_parameters, "guid": live.organization}
    case.call_and_validate(
        base_url=live.url, headers={"Authorization": f"Bearer {live.token}"}, checks=CHECKS
    )


def test_every_operation_of_the_table_is_described_once(live: Live, http: httpx.Client) -> None:
    document = http.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    rows = [(method, path, row) for path, rows in document["paths"].items() for method, row in rows.items()]
    table = {(each.method, each.path) for each in live.table.operations}
    assert {(method.upper(), path) for method, path, _ in rows} == table
    names = [row["operationId"] for _, _, row in rows]
    assert len(names) == len(set(names)) == len(table)


def test_only_the_answers_of_the_doors_know_a_password(http: httpx.Client) -> None:
    schemas = http.get("/openapi.json").json()["components"]["schemas"]
    holders = {name for name, each in schemas.items() if "password" in each.get("properties", {})}
    assert holders == {"LoginIn", "DockerIn", "CredentialIn", "KubeletDocument"}
    paths = http.get("/openapi.json").json()["paths"]
    doors = {
        path
        for path, methods in paths.items()
        for each in methods.values()
        if "KubeletDocument" in str(each["responses"]) or "CredentialDocument" in str(each["responses"])
    }
    assert doors == {"/v2/credentials/get/", "/v2/credentials/kubelet/"}
