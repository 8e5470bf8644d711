"""What every answer has: request ids, safe headers, JSON errors; and health, metrics, docs."""

from __future__ import annotations

import re

import httpx
import pytest

from parts.live import Live
from parts.world import JANE
from towline import api
from towline.domain.causes import CAUSES
from towline.domain.findings import Finding
from towline.wire.proofs import finding_document


def test_a_request_id_is_echoed_or_made(http: httpx.Client) -> None:
    assert http.get("/healthz", headers={"X-Request-ID": "mine-1"}).headers["x-request-id"] == "mine-1"
    assert http.get("/healthz").headers["x-request-id"].startswith("request-")
    unusable = http.get("/healthz", headers={"X-Request-ID": "a b\tc" * 40})
    assert unusable.headers["x-request-id"].startswith("request-")


@pytest.mark.parametrize(
    "path", ["/healthz", "/v2/secrets/", "/nowhere", "/openapi.json", "/docs", "/docs/findings"]
)
def test_no_answer_is_cached_or_sniffed(http: httpx.Client, path: str) -> None:
    headers = http.get(path).headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"


def test_an_unknown_path_is_404_as_json(http: httpx.Client) -> None:
    for path in ("/v2/nothing/", "/v2/secrets", "/api/device", "/v2/users/me"):
        answer = http.get(path)
        assert answer.status_code == 404
        assert answer.json()["error"].startswith("there is nothing at ")


def test_what_rapyuta_io_has_and_towline_has_not_is_named(http: httpx.Client) -> None:
    for path, status in (
        ("/v2/networks/", 501),
        ("/v2/networks/one/", 404),
        ("/api/device-manager/v0/devices/", 501),
    ):
        answer = http.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
        assert answer.json()["error"].startswith("Towline has no ")


def test_a_method_that_a_path_does_not_have_is_405_as_json(http: httpx.Client) -> None:
    answer = http.patch("/v2/secrets/")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD, POST"
    assert "error" in answer.json()


def test_head_answers_the_headers_of_get(live: Live, http: httpx.Client) -> None:
    answer = http.head("/v2/users/me/", headers=live.headers())
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) > 100


def test_a_body_that_is_too_large_is_refused_said_or_not(live: Live, http: httpx.Client) -> None:
    large = b" " * (1024 * 1024 + 1)
    assert http.post("/v2/packages/", headers=live.headers(), content=large).status_code == 413
    in_pieces = http.post("/v2/packages/", headers=live.headers(), content=iter([large, large]))
    assert in_pieces.status_code == 413
    assert "larger than" in in_pieces.json()["error"]


def test_too_many_failed_logins_are_told_when_to_come_back(http: httpx.Client) -> None:
    body = {"email": "guess@example.com", "password": "wrong"}
    answers = [http.post("/user/login", json=body) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert int(answers[-1].headers["retry-after"]) > 0


def test_an_unexpected_failure_is_a_500_that_tells_no_more_than_its_request_id(
    live: Live, http: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    held = live.world.packages._store
    live.world.packages._store = None  # type: ignore[assignment]
    try:
        answer = http.get("/v2/packages/", headers={**live.headers(), "X-Request-ID": "broken-1"})
    finally:
        live.world.packages._store = held
    assert answer.status_code == 500
    assert answer.json() == {"error": "internal error", "request_id": "broken-1"}


def test_ready_says_what_does_not_answer(live: Live, http: httpx.Client) -> None:
    assert http.get("/readyz").json() == {"ready": True}

    async def broken() -> None:
        raise OSError("gone")

    table = api.build(live.world, checks={"engine": broken})
    app = api.framed(table, (), new_request_id=lambda: "r")
    [answer] = live.run(_asked(app, "/readyz"))
    assert answer.status_code == 503
    assert answer.json() == {
        "ready": False,
        "error": "no answer from engine",
        "reasons": {"engine": "OSError"},
    }


def test_metrics_count_by_template_and_want_a_token(live: Live, http: httpx.Client) -> None:
    assert http.get("/metrics").status_code == 401
    http.get("/v2/secrets/some-name/", headers=live.headers())
    text = http.get("/metrics", headers=live.headers()).text
    assert re.search(r'_count{method="GET",path="/v2/secrets/{name}/",status="404"} [1-9]', text)
    assert "some-name" not in text
    assert "process_resident_memory_bytes" in text


def test_metrics_can_be_opened(live: Live) -> None:
    table = api.build(live.world, checks={}, open_metrics=True)
    [answer] = live.run(_asked(api.framed(table, (), new_request_id=lambda: "r"), "/metrics"))
    assert answer.status_code == 200


def test_the_docs_are_one_page_with_no_script_and_nothing_foreign(live: Live, http: httpx.Client) -> None:
    page = http.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "<script" not in page.text
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", page.text)
    for operation in live.table.operations:
        assert operation.path in page.text
    assert JANE not in page.text


def test_every_finding_links_to_its_section_of_a_page_without_script(http: httpx.Client) -> None:
    page = http.get("/docs/findings")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "<script" not in page.text
    for code in CAUSES:
        path, _, section = finding_document(Finding(code)).docs.partition("#")
        assert path == page.url.path
        assert page.text.count(f'<section id="{section}">') == 1
    ids, links = re.findall(r' id="([^"]+)"', page.text), re.findall(r'href="#([^"]+)"', page.text)
    assert len(ids) == len(set(ids))
    assert set(links) <= set(ids)


async def _asked(app: object, path: str) -> list[httpx.Response]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:  # type: ignore[arg-type]
        return [await client.get(path)]
