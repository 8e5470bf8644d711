"""What a token with scopes opens: a walk over the whole route table, for every scope there is."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from test_permissions import ask, walked

from parts.live import Live, live_server
from towline.domain.account import Permission, ProjectRole
from towline.domain.scopes import SCOPES, ScopeKind

WHOLE_TOKENS_ONLY = {
    ("GET", "/v2/credentials/policy/"),
    ("PUT", "/v2/credentials/policy/"),
    ("GET", "/v2/tokens/"),
    ("POST", "/v2/tokens/"),
    ("DELETE", "/v2/tokens/{guid}/"),
    ("PUT", "/v2/users/me/"),
    ("PUT", "/v2/users/{email}/"),
    ("PUT", "/v2/organizations/{guid}/"),
    ("GET", "/v2/organizations/{guid}/invitations/"),
    ("POST", "/v2/organizations/{guid}/invitations/"),
    ("DELETE", "/v2/organizations/{guid}/invitations/{invitation}/"),
    ("POST", "/v2/organizations/{guid}/users/{email}/disable/"),
    ("POST", "/v2/organizations/{guid}/users/{email}/enable/"),
    ("GET", "/v2/organizations/{guid}/claims/"),
    ("PUT", "/v2/organizations/{guid}/claims/"),
    ("GET", "/v2/sessions/"),
    ("DELETE", "/v2/sessions/"),
    ("DELETE", "/v2/sessions/{guid}/"),
    ("POST", "/v2/usergroups/"),
    ("PUT", "/v2/usergroups/{name}/"),
    ("DELETE", "/v2/usergroups/{name}/"),
    ("POST", "/v2/serviceaccounts/"),
    ("PUT", "/v2/serviceaccounts/{name}/"),
    ("DELETE", "/v2/serviceaccounts/{name}/"),
    ("GET", "/v2/serviceaccounts/{name}/tokens/"),
    ("POST", "/v2/serviceaccounts/{name}/tokens/"),
    ("PATCH", "/v2/serviceaccounts/{name}/tokens/{token}/"),
    ("DELETE", "/v2/serviceaccounts/{name}/tokens/{token}/"),
    ("POST", "/v2/projects/"),
    ("PUT", "/v2/projects/{guid}/"),
    ("DELETE", "/v2/projects/{guid}/"),
    ("GET", "/v2/webhooks/"),
    ("POST", "/v2/webhooks/"),
    ("GET", "/v2/webhooks/{name}/"),
    ("DELETE", "/v2/webhooks/{name}/"),
    ("POST", "/v2/webhooks/{name}/test/"),
    ("GET", "/v2/engines/"),
    ("POST", "/v2/engines/"),
    ("GET", "/v2/engines/{name}/"),
    ("DELETE", "/v2/engines/{name}/"),
    ("POST", "/v2/engines/{name}/check/"),
    ("PUT", "/v2/engines/{name}/default/"),
    ("DELETE", "/v2/engines/{name}/default/"),
    ("GET", "/v2/engines/{name}/images/"),
    ("POST", "/v2/engines/{name}/images/collect/"),
}


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with live_server() as made:
        yield made


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    """One client for a thousand calls: each new one reads the machine's certificates."""
    with httpx.Client(timeout=30) as opened:
        yield opened


def made(live: Live, *scopes: str, project: str | None = None, days: int = 1) -> str:
    """Return the text of a token with these scopes, made over HTTP by Jane, who may everything."""
    spec = {"scopes": list(scopes), "days": days, **({"projectGUID": project} if project else {})}
    body = {"kind": "Token", "metadata": {"name": "robot"}, "spec": spec}
    answer = httpx.post(f"{live.url}/v2/tokens/", json=body, headers=live.headers())
    assert answer.status_code == 201, answer.text
    token: str = answer.json()["token"]
    return token


def written(kind: ScopeKind) -> str:
    return f"{kind.value}:*" if SCOPES[kind].named else kind.value


@pytest.mark.parametrize("kind", list(SCOPES), ids=lambda kind: kind.value)
def test_a_scope_opens_what_the_table_says_and_nothing_else(
    live: Live, client: httpx.Client, kind: ScopeKind
) -> None:
    token = made(live, written(kind))
    for operation in walked(live):
        if operation.permission is Permission.OPEN:
            continue
        opened = operation.scope in (ScopeKind.EVERYBODY, kind, SCOPES[kind].includes) and operation.scope
        answer = ask(live, operation, token, client)
        assert (answer.status_code != 403) == bool(opened), (kind, operation)
        assert answer.status_code < 500


def test_every_operation_names_its_scope_or_is_for_whole_tokens_and_listed_here(live: Live) -> None:
    none = {
        (each.method, each.path)
        for each in live.table.operations
        if each.scope is None and each.permission is not Permission.OPEN
    }
    assert none == WHOLE_TOKENS_ONLY


def test_reading_never_asks_for_the_scope_of_a_change(live: Live) -> None:
    writes = {kind for kind in SCOPES if kind.value.endswith((":write", ":store"))}
    for operation in live.table.operations:
        if operation.method == "GET":
            assert operation.scope not in writes, operation


def test_a_token_for_one_project_need_not_name_it_and_opens_no_other(live: Live) -> None:
    token = made(live, "secrets:read", "projects:read", project=live.project)
    alone = {"Authorization": f"Bearer {token}"}
    assert httpx.get(f"{live.url}/v2/secrets/", headers=alone).status_code == 200
    other = httpx.post(
        f"{live.url}/v2/projects/", json={"metadata": {"name": "walled"}, "spec": {}}, headers=live.headers()
    ).json()["metadata"]["guid"]
    assert httpx.get(f"{live.url}/v2/secrets/", headers={**alone, "project": other}).status_code == 404
    assert httpx.get(f"{live.url}/v2/projects/{other}/", headers=alone).status_code == 404
    assert httpx.get(f"{live.url}/v2/projects/{live.project}/", headers=alone).status_code == 200
    listed = httpx.get(f"{live.url}/v2/projects/", headers=alone)
    assert (listed.status_code, "one project" in listed.text) == (403, True)


def test_a_role_that_shrank_shrinks_its_tokens(live: Live) -> None:
    """The scope says yes and the role says no: no."""
    email = "shrinking@example.com"
    session = live.member(email, role=ProjectRole.ADMIN)
    body = {
        "kind": "Token",
        "metadata": {"name": "robot"},
        "spec": {"scopes": ["secrets:use:*", "deployments:read"], "projectGUID": live.project},
    }
    token = httpx.post(f"{live.url}/v2/tokens/", json=body, headers=live.headers(session)).json()["token"]
    asked = {"json": {"serverURL": "r.example.com"}, "headers": live.headers(token)}
    assert httpx.post(f"{live.url}/v2/credentials/get/", **asked).status_code == 404
    principal = live.run(live.world.accounts.authenticate(token))
    live.run(
        live.world.store.write(
            lambda tx: tx.tenants.set_member(live.project, principal.user.guid, ("project_developer",))
        )
    )
    live.world.accounts.forget_access()
    assert httpx.post(f"{live.url}/v2/credentials/get/", **asked).status_code == 403
    assert httpx.get(f"{live.url}/v2/deployments/", headers=live.headers(token)).status_code == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"metadata": {"name": "robot"}}, "spec"),
        ({"spec": {"scopes": ["secrets:read"]}}, "metadata"),
        ({"metadata": {"name": "robot"}, "spec": {}}, "spec.scopes"),
        ({"metadata": {"name": "robot"}, "spec": {"scopes": []}}, "spec.scopes"),
        ({"metadata": {"name": "robot"}, "spec": {"scopes": ["secrets:read", "all"]}}, "spec.scopes[1]"),
        ({"metadata": {"name": "robot"}, "spec": {"scopes": ["secrets:read"], "days": 0}}, "days"),
        ({"metadata": {"name": " "}, "spec": {"scopes": ["secrets:read"]}}, "name"),
        ({"kind": "Secret", "metadata": {"name": "r"}, "spec": {"scopes": ["secrets:read"]}}, "kind"),
    ],
)
def test_what_is_wrong_with_a_token_to_make_is_named(live: Live, body: dict, field: str) -> None:
    answer = httpx.post(f"{live.url}/v2/tokens/", json=body, headers=live.headers())
    assert (answer.status_code, answer.json()["field"]) == (400, field)


def test_a_token_is_shown_once_listed_without_and_gone_when_revoked(live: Live) -> None:
    token = made(live, "secrets:use:shown", project=live.project)
    listed = httpx.get(f"{live.url}/v2/tokens/", headers=live.headers())
    assert token not in listed.text
    [known] = [each for each in listed.json()["items"] if each["spec"].get("scopes") == ["secrets:use:shown"]]
    assert known["spec"]["projectGUID"] == live.project
    path = f"{live.url}/v2/tokens/{known['metadata']['guid']}/"
    assert httpx.delete(path, headers=live.headers()).status_code == 200
    assert httpx.get(f"{live.url}/v2/secrets/", headers=live.headers(token)).status_code == 401
    assert httpx.delete(path, headers=live.headers()).status_code == 404
