"""Who may what: a walk over the whole tables of routes and pages, for every kind of caller.

Callers hold the same roles by name, through a user group, by a provider's claim, and as service accounts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import httpx
import pytest

from parts.live import Live, live_server
from towline.api.operations import Operation, Place
from towline.console.pages import PageRow
from towline.console.pages import table as page_table
from towline.console.session import Sessions
from towline.console.visit import Room
from towline.domain.account import Permission, ProjectRole

IN_ORGANIZATIONS = (Place.ORGANIZATION, Place.ORGANIZATION_HEADER)
HELD = {
    "nobody in the project": Permission.SIGNED_IN,
    "viewer": Permission.VIEW,
    "viewer by a group": Permission.VIEW,
    "developer": Permission.DEPLOY,
    "developer by a claim": Permission.DEPLOY,
    "developer that is a program": Permission.DEPLOY,
    "admin": Permission.MANAGE_PROJECT,
    "admin by a group": Permission.MANAGE_PROJECT,
    "admin that is a program": Permission.MANAGE_PROJECT,
    "organization admin": Permission.MANAGE_ORGANIZATION,
}


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with live_server() as made:
        yield made


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    """One client for thousands of calls: each new one reads the machine's certificates."""
    with httpx.Client(timeout=30) as opened:
        yield opened


@pytest.fixture(scope="module")
def tokens(live: Live) -> dict[str, str]:
    made = {
        "viewer": live.member("viewer@example.com", role=ProjectRole.VIEWER),
        "developer": live.member("developer@example.com", role=ProjectRole.DEVELOPER),
        "admin": live.member("admin@example.com", role=ProjectRole.ADMIN),
        "nobody in the project": live.newcomer("nobody@example.com"),
        "viewer by a group": live.by_group("g1@example.com", role=ProjectRole.VIEWER),
        "developer by a claim": live.by_claim("c1@example.com", role=ProjectRole.DEVELOPER),
        "developer that is a program": live.service_account("dev", role=ProjectRole.DEVELOPER),
        "admin by a group": live.by_group("g2@example.com", role=ProjectRole.ADMIN),
        "admin that is a program": live.service_account("adm", role=ProjectRole.ADMIN),
        "organization admin": live.token,
        "stranger": live.stranger("stranger@example.org"),
    }
    for caller in ("viewer", "developer", "admin"):
        live.colleague(made[caller])
    return made


def ask(live: Live, operation: Operation, token: str | None, client: httpx.Client) -> httpx.Response:
    """Call an operation with an empty object as body: whoever may is told what is wrong with it."""
    guid = live.organization if operation.place in IN_ORGANIZATIONS else live.project
    path = operation.path.format(
        name="absent",
        mirror="absent",
        guid=guid,
        host="absent.example.com",
        email="absent@example.com",
        invitation="absent",
        token="1",
    )
    headers = {"project": live.project, "organizationguid": live.organization}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    body = b"{}" if operation.body else None
    with client.stream(operation.method, live.url + path, headers=headers, content=body) as answer:
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


def test_without_a_token_only_the_open_operations_answer(live: Live, client: httpx.Client) -> None:
    for operation in live.table.operations:
        answer = ask(live, operation, None, client)
        if operation.permission is Permission.OPEN:
            assert answer.status_code in (200, 400), operation
        else:
            assert answer.status_code == 401, operation
            assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_token_that_nobody_holds_is_refused_everywhere(live: Live, client: httpx.Client) -> None:
    for operation in live.table.operations:
        if operation.signed_in:
            assert ask(live, operation, "tow_guessed", client).status_code == 401, operation


def test_the_open_operations_are_these_and_no_others(live: Live) -> None:
    found = {each.path for each in live.table.operations if each.permission is Permission.OPEN}
    described = {"/openapi.json", "/docs", "/docs/findings"}
    device = {"/.well-known/openid-configuration", "/oauth2/device/authorization", "/oauth2/token"}
    device.add("/sign-in/sso/logout")  # its signature is what lets it in
    assert found == {"/user/login", "/refreshtoken", "/healthz", "/readyz", *device, *described}


@pytest.mark.parametrize("caller", list(HELD))
def test_a_role_opens_what_it_includes_and_nothing_else(
    live: Live, tokens: dict[str, str], caller: str, client: httpx.Client
) -> None:
    for operation in walked(live):
        if operation.place in (Place.HEADER, Place.PATH):
            answer = ask(live, operation, tokens[caller], client)
            if HELD[caller] < Permission.VIEW:
                assert answer.status_code == 404, operation
                continue
            allowed = HELD[caller] >= operation.permission
            assert (answer.status_code != 403) == allowed, (caller, operation)
            assert answer.status_code < 500
            if not allowed:
                assert answer.json() == {"error": "subject is not authorized for this operation"}


def test_a_stranger_is_told_that_the_project_does_not_exist(
    live: Live, tokens: dict[str, str], client: httpx.Client
) -> None:
    for operation in live.table.operations:
        if operation.place not in (Place.NOWHERE, Place.INSTALLATION):
            assert ask(live, operation, tokens["stranger"], client).status_code == 404, operation


@pytest.mark.parametrize("caller", list(HELD))
def test_what_is_the_organizations_is_for_its_admins(
    live: Live, tokens: dict[str, str], caller: str, client: httpx.Client
) -> None:
    for operation in walked(live):
        if operation.place in IN_ORGANIZATIONS:
            answer = ask(live, operation, tokens[caller], client)
            allowed = HELD[caller] >= operation.permission
            assert (answer.status_code != 403) == allowed, (caller, operation)
            assert answer.status_code < 500


def visited(live: Live, row: PageRow, token: str | None, client: httpx.Client) -> httpx.Response:
    """Ask for a page, or send its form with nothing filled in, as a browser of this session does."""
    path = row.path.format(project=live.project, name="absent", mirror="absent", version="v1")
    headers = {"Cookie": f"towline={token}"} if token else {}
    proof = hashlib.sha256(f"towline form {token or ''}".encode()).hexdigest()
    form = {"form_token": proof} if row.method == "POST" else None
    with client.stream(row.method, live.url + path, headers=headers, data=form) as answer:
        if not answer.headers.get("content-type", "").startswith("text/event-stream"):
            answer.read()
    return answer


def pages(live: Live) -> list[PageRow]:
    room = Room(
        live.world,
        Sessions(live.world.accounts, secure=False),
        live=None,
        leaving=None,
        clock=live.world.clock,
    )
    return [row for row in page_table(room) if "{project}" in row.path]


@pytest.mark.parametrize("caller", list(HELD))
def test_a_page_opens_to_the_role_that_the_table_says(
    live: Live, tokens: dict[str, str], caller: str, client: httpx.Client
) -> None:
    for row in pages(live):
        answer = visited(live, row, tokens[caller], client)
        if caller.endswith("program"):
            assert answer.headers["location"].startswith("/sign-in"), row
            continue
        if HELD[caller] < Permission.VIEW:
            assert answer.status_code == 404, row
            continue
        allowed = HELD[caller] >= row.permission
        assert (answer.status_code != 403) == allowed, (caller, row)
        assert answer.status_code < 500


def test_a_page_of_a_project_leads_a_visitor_to_sign_in_and_hides_it_from_a_stranger(
    live: Live, tokens: dict[str, str], client: httpx.Client
) -> None:
    for row in pages(live):
        assert visited(live, row, None, client).headers["location"].startswith("/sign-in?next="), row
        assert visited(live, row, tokens["stranger"], client).status_code == 404, row


def test_a_form_without_its_proof_changes_nothing(live: Live) -> None:
    for row in pages(live):
        if row.method == "POST":
            path = row.path.format(project=live.project, name="absent", mirror="absent", version="v1")
            cookie = {"Cookie": f"towline={live.token}"}
            answer = httpx.post(live.url + path, headers=cookie, data={"form_token": "guessed"})
            assert (answer.status_code, "not from your session" in answer.text) == (403, True), row


@pytest.mark.parametrize("caller", ["viewer", "developer", "admin", "stranger"])
def test_the_installation_is_for_admins_of_the_organization_that_it_was_set_up_with(
    live: Live, tokens: dict[str, str], caller: str, client: httpx.Client
) -> None:
    """A stranger is admin of another organization here: that is not enough."""
    found = [each for each in live.table.operations if each.place is Place.INSTALLATION]
    assert found
    for operation in found:
        assert ask(live, operation, tokens[caller], client).status_code == 403, (caller, operation)
        assert ask(live, operation, tokens["organization admin"], client).status_code in (200, 400, 404), (
            operation
        )


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
