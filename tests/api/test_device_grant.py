"""OAuth's device authorization grant over HTTP, as a program speaks it."""

import base64
import json

import httpx
import pytest

from parts.live import Live
from parts.world import JANE
from towline.domain.device_login import INTERVAL, LIFE, DeviceLoginState

GRANT = "urn:ietf:params:oauth:grant-type:device_code"


@pytest.fixture
def begun(http: httpx.Client):
    answer = http.post("/oauth2/device/authorization", data={"client_id": "rio-cli", "scope": "openid email"})
    assert answer.status_code == 200
    return answer.json()


def poll(http: httpx.Client, device_code: str, /, **changes: str) -> httpx.Response:
    form = {"grant_type": GRANT, "client_id": "rio-cli", "device_code": device_code, **changes}
    return http.post("/oauth2/token", data=form)


def say(live: Live, user_code: str, state: DeviceLoginState = DeviceLoginState.APPROVED) -> None:
    live.run(live.world.device_logins.answer(live.world.access.principal, user_code, state))


def test_the_endpoints_are_found_where_discovery_says(live: Live, http: httpx.Client) -> None:
    document = http.get("/.well-known/openid-configuration").json()
    assert document["issuer"] == live.url
    assert document["device_authorization_endpoint"] == f"{live.url}/oauth2/device/authorization"
    assert document["token_endpoint"] == f"{live.url}/oauth2/token"
    assert document["grant_types_supported"] == [GRANT]


def test_a_host_that_is_none_is_not_repeated(live: Live, http: httpx.Client) -> None:
    answer = http.get("/.well-known/openid-configuration", headers={"Host": 'evil"><script>'})
    assert answer.json()["issuer"] == live.url


def test_codes_come_with_the_page_their_life_and_the_pace(live: Live, begun) -> None:
    assert begun["verification_uri"] == f"{live.url}/device"
    assert begun["verification_uri_complete"] == f"{live.url}/device?user_code={begun['user_code']}"
    assert begun["expires_in"] == LIFE.total_seconds()
    assert begun["interval"] == INTERVAL.total_seconds()
    assert len(begun["device_code"]) == 43


def test_a_program_waits_then_gets_its_token_once(live: Live, http: httpx.Client, begun) -> None:
    waiting = poll(http, begun["device_code"])
    assert (waiting.status_code, waiting.json()["error"]) == (400, "authorization_pending")
    assert waiting.headers["cache-control"] == "no-store"
    assert poll(http, begun["device_code"]).json()["error"] == "slow_down"
    say(live, begun["user_code"])
    live.world.clock.advance(seconds=(10 * INTERVAL).total_seconds())
    answer = poll(http, begun["device_code"])
    assert answer.status_code == 200
    granted = answer.json()
    claims = granted["id_token"].split(".")
    assert len(claims) == 3
    payload = json.loads(base64.urlsafe_b64decode(claims[1] + "=="))
    assert payload["email"] == JANE
    assert payload["rio_token"] == granted["access_token"]
    assert (payload["iss"], payload["aud"]) == (live.url, "rio-cli")
    assert payload["exp"] - payload["iat"] == granted["expires_in"] == 7 * 24 * 3600
    mine = http.get("/user/info", headers={"Authorization": f"Bearer {granted['access_token']}"})
    assert mine.json()["data"]["email"] == JANE
    assert poll(http, begun["device_code"]).json()["error"] == "invalid_grant"


def test_a_denied_program_hears_so(live: Live, http: httpx.Client, begun) -> None:
    say(live, begun["user_code"], DeviceLoginState.DENIED)
    assert poll(http, begun["device_code"]).json()["error"] == "access_denied"


def test_an_expired_code_is_told_from_an_unknown_one(live: Live, http: httpx.Client, begun) -> None:
    assert poll(http, "guessed").json()["error"] == "invalid_grant"
    live.world.clock.advance(seconds=LIFE.total_seconds())
    assert poll(http, begun["device_code"]).json()["error"] == "expired_token"


@pytest.mark.parametrize("field", ["grant_type", "client_id", "device_code"])
def test_a_field_that_is_missing_is_named(http: httpx.Client, field: str) -> None:
    answer = poll(http, "x", **{field: ""})
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_request"
    assert field in answer.json()["error_description"]


def test_another_grant_is_not_known(http: httpx.Client) -> None:
    answer = poll(http, "x", grant_type="password")
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b'{"client_id": "rio-cli"}', "application/json"),
        (b"client_id=rio-cli", ""),
        (b"client_id=\xff\xfe", "application/x-www-form-urlencoded"),
        (b"client_id=%ff", "application/x-www-form-urlencoded"),
        (b"client_id=a&client_id=b", "application/x-www-form-urlencoded"),
        (b"&".join(b"a%d=1" % number for number in range(100)), "application/x-www-form-urlencoded"),
        (b"client_id=%00", "application/x-www-form-urlencoded"),
        (b"", "application/x-www-form-urlencoded"),
    ],
)
def test_what_is_no_form_is_refused_in_oauths_words(http: httpx.Client, content: bytes, kind: str) -> None:
    for path in ("/oauth2/device/authorization", "/oauth2/token"):
        answer = http.post(path, content=content, headers={"Content-Type": kind} if kind else {})
        assert answer.status_code == 400
        assert answer.json()["error"] == "invalid_request"
        assert answer.json()["error_description"]


def test_a_large_form_is_refused(http: httpx.Client) -> None:
    assert http.post("/oauth2/token", data={"device_code": "x" * 10_000}).status_code == 413
