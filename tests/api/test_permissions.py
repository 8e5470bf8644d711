"""Who may what: a walk over the whole route table, for every kind of caller."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from parts.live import Live, live_server
from towline.api.operations import Operation, Place
from towline.domain.account import Permission, ProjectRole

HELD = {
    "viewer": Permission.VIEW,
    "developer": Permission.DEPLOY,
    "admin": Permission.MANAGE_PROJECT,
    "organization admin": Permission.MANAGE_ORGANIZATION,
}


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with live_server() as made:
        yield made


@pytest.fixture(scope="module")
def tokens(live: Live) -> dict[str, str]:
    return {
        "viewer": live.member("viewer@example.com", role=ProjectRole.VIEWER),
        "developer": live.member("developer@example.com", role=ProjectRole.DEVELOPER),
        "admin": live.member("admin@example.com", role=ProjectRole.ADMIN),
        "organization admin": live.token,
        "stranger": live.stranger("stranger@example.org"),
    }


def ask(
    live: Live, operation: Operation, token: str | None, client: httpx.Client | None = None
) -> httpx.Response:
    """Call an operation with an empty object as body: whoever may is told what is wrong with it."""
    guid = live.organization if operation.place is Place.ORGANIZATION else live.project
    path = operation.path.format(
        name="absent", mirror="absent", guid=guid, host="absent.example.com", email="absent@example.com"
    )
    headers = {"project": live.project}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    body = b"{}" if operation.body else None
    with (client or httpx).stream(operation.method, live.url + path, headers=headers, content=body) as answer:
        if not answer.headers["content-type"].startswith("text/event-stream"):  # that one does not end
            answer.read()
    return answer


def walked(live: Live) -> list[Operation]:
    """Return all operations but those that would end what the walk needs."""
    return [
        each
        for each in live.table.operations
        if (each.method, each.path) not in {("POST", "/user/logout"), ("DELETE", "/v2/projects/{guid}/")}
    ]


def test_without_a_token_only_the_open_operations_answer(live: Live) -> None:
    for operation in live.table.operations:
        answer = ask(live, operation, None)
        if operation.permission is Permission.OPEN:
            assert answer.status_code in (200, 400), operation
        else:
            assert answer.status_code == 401, operation
            assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_token_that_nobody_holds_is_refused_everywhere(live: Live) -> None:
    for operation in live.table.operations:
        if operation.signed_in:
            assert ask(live, operation, "tow_guessed").status_code == 401, operation


def test_the_open_operations_are_these_and_no_others(live: Live) -> None:
    found = {each.path for each in live.table.operations if each.permission is Permission.OPEN}
    described = {"/openapi.json", "/docs", "/docs/findings"}
    device = {"/.well-known/openid-configuration", "/oauth2/device/authorization", "/oauth2/token"}
    assert found == {"/user/login", "/refreshtoken", "/healthz", "/readyz", *device, *described}


@pytest.mark.parametrize("caller", list(HELD))
def test_a_role_opens_what_it_includes_and_nothing_else(
    live: Live, tokens: dict[str, str], caller: str
) -> None:
    for operation in walked(live):
        if operation.place in (Place.HEADER, Place.PATH):
            answer = ask(live, operation, tokens[caller])
            allowed = HELD[caller] >= operation.permission
            assert (answer.status_code != 403) == allowed, (caller, operation)
            assert answer.status_code < 500
            if not allowed:
                assert answer.json() == {"error": "subject is not authorized for this operation"}


def test_a_stranger_is_told_that_the_project_does_not_exist(live: Live, tokens: dict[str, str]) -> None:
    for operation in live.table.operations:
        if operation.place not in (Place.NOWHERE, Place.INSTALLATION):
            body_first = operation.place is Place.ORGANIZATION and operation.body
            expected = (400, 404) if body_first else (404,)
            assert ask(live, operation, tokens["stranger"]).status_code in expected, operation


@pytest.mark.parametrize("caller", ["viewer", "developer", "admin", "stranger"])
def test_the_installation_is_for_admins_of_the_organization_that_it_was_set_up_with(
    live: Live, tokens: dict[str, str], caller: str
) -> None:
    """A stranger is admin of another organization here: that is not enough."""
    found = [each for each in live.table.operations if each.place is Place.INSTALLATION]
    assert found
    for operation in found:
        assert ask(live, operation, tokens[caller]).status_code == 403, (caller, operation)
        assert ask(live, operation, tokens["organization admin"]).status_code in (200, 400, 404), operation


def test_only_an_organization_admin_replaces_members(live: Live, tokens: dict[str, str]) -> None:
    body = {"spec": {"members": []}}
    path = f"{live.url}/v2/organizations/{live.organization}/"
    for caller in ("viewer", "developer", "admin", "stranger"):
        answer = httpx.put(path, json=body, headers=live.headers(tokens[caller]))
        assert answer.status_code in (403, 404), caller


def test_only_admins_of_a_project_delete_it(live: Live, tokens: dict[str, str]) -> None:
    path = f"{live.url}/v2/projects/{live.project}/"
    for caller in ("viewer", "developer"):
        assert httpx.delete(path, headers=live.headers(tokens[caller])).status_code == 403
    assert httpx.delete(path, headers=live.headers(tokens["stranger"])).status_code == 404


def test_every_operation_of_a_project_asks_for_a_role(live: Live) -> None:
    for operation in live.table.operations:
        scoped = operation.place in (Place.HEADER, Place.PATH)
        assert scoped == (Permission.VIEW <= operation.permission <= Permission.MANAGE_PROJECT)
        changes = operation.method != "GET"
        if scoped and changes:
            assert operation.permission >= Permission.DEPLOY, operation
        harmless = operation.path.endswith(("/verify/", "/token/"))  # no password leaves by these
        if scoped and changes and "/secrets/" in operation.path and not harmless:
            assert operation.permission >= Permission.MANAGE_SECRETS, operation
