"""How much the server takes: requests of an address and of a token, bytes of a body."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from parts.live import Live
from towline import api
from towline.api.endpoint import Limits
from towline.services.rates import BURST_SECONDS, Rates, network_of
from towline.services.tally import MOST_REGISTRIES, OTHER, Tally

if TYPE_CHECKING:
    from starlette.types import ASGIApp


class Seconds:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def app_with(live: Live, *, address: Rates | None = None, token: Rates | None = None) -> ASGIApp:
    limits = Limits(
        token or Rates(0), body_bytes=2048, note=lambda name: live.world.tally.count("throttled", limit=name)
    )
    table = api.build(live.world, checks={}, limits=limits, open_metrics=True)
    return api.framed(table, (), new_request_id=lambda: "r", rates=address)


async def asked(app: ASGIApp, method: str, path: str, times: int, **words: object) -> list[httpx.Response]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
        return [await client.request(method, path, **words) for _ in range(times)]  # type: ignore[arg-type]


def test_an_address_that_asks_too_often_is_told_when_to_come_again(live: Live) -> None:
    clock = Seconds()
    app = app_with(live, address=Rates(1, clock=clock))
    answers = live.run(asked(app, "GET", "/v2/users/me/", 5, headers=live.headers()))
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 429]
    assert answers[-1].headers["retry-after"] == "1"
    assert answers[-1].headers["x-request-id"] == "r"
    assert answers[-1].json()["error"] == "too many requests from this address; try again in 1 s"
    clock.now += 1
    answers = live.run(asked(app, "GET", "/v2/users/me/", 2, headers=live.headers()))
    assert [answer.status_code for answer in answers] == [200, 429]


def test_what_watches_a_server_is_answered_all_the_same(live: Live) -> None:
    app = app_with(live, address=Rates(1, clock=Seconds()))
    for path in ("/healthz", "/readyz", "/metrics"):
        answers = live.run(asked(app, "GET", path, 9))
        assert {answer.status_code for answer in answers} == {200}
    live.run(asked(app, "GET", "/v2/nowhere/", 5))
    [metrics] = live.run(asked(app, "GET", "/metrics", 1))
    assert 'towline_throttled_total{limit="address"} ' in metrics.text


def test_a_token_that_asks_too_often_is_held_and_others_are_not(live: Live) -> None:
    app = app_with(live, token=Rates(1, clock=Seconds()))
    answers = live.run(asked(app, "GET", "/v2/secrets/", 5, headers=live.headers()))
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 429]
    assert answers[-1].headers["retry-after"] == "1"
    other = {"email": "jane@example.com", "password": "open sesame 1"}
    [login] = live.run(asked(app, "POST", "/user/login", 1, json=other))
    token = login.json()["data"]["token"]
    [answer] = live.run(asked(app, "GET", "/v2/secrets/", 1, headers=live.headers(token)))
    assert answer.status_code == 200


def test_a_body_may_be_no_larger_than_was_set(live: Live) -> None:
    app = app_with(live)
    for content in (b" " * 2049, b" " * 2048):
        [answer] = live.run(asked(app, "POST", "/v2/packages/", 1, headers=live.headers(), content=content))
        assert answer.status_code == (413 if len(content) > 2048 else 400)


@pytest.mark.parametrize("per_second", [1, 3, 500])
def test_a_burst_passes_and_then_the_rate(per_second: int) -> None:
    clock = Seconds()
    rates = Rates(per_second, clock=clock)
    passed = 0
    while not rates.wait("a"):
        passed += 1
    assert passed == pytest.approx(per_second * BURST_SECONDS, abs=1)
    clock.now += 3 / per_second
    assert sum(not rates.wait("a") for _ in range(50)) == pytest.approx(3, abs=1)
    assert rates.wait("b") == 0


def test_memory_stays_bounded_and_who_was_held_stays_held() -> None:
    rates = Rates(1, clock=Seconds())
    for number in range(50_000):
        rates.wait(f"address {number}")
    while not rates.wait("loud"):
        pass
    for number in range(5_000):
        rates.wait(f"another {number}")
    assert rates.wait("loud") > 0
    assert len(rates._paid_until) <= 20_000


def test_one_machine_is_one_caller_however_many_addresses_it_has() -> None:
    assert network_of("2001:db8:1:2:3:4:5:6") == network_of("2001:db8:1:2::9")
    assert network_of("2001:db8:1:2::9") != network_of("2001:db8:1:3::9")
    assert network_of("192.0.2.7") == "192.0.2.7"
    assert network_of("testclient:1") == "testclient:1"


def test_metrics_name_few_registries_however_many_are_met() -> None:
    tally = Tally()
    for number in range(1000):
        tally.pulled(f"r{number}.example.com", "registry-dns")
    tally.pulled("r0.example.com")
    registries = {dict(labels)["registry"] for _, labels in tally.counts}
    assert len(registries) == MOST_REGISTRIES + 1
    assert tally.counts["pulls", (("registry", OTHER), ("finding", "registry-dns"))] == 950
