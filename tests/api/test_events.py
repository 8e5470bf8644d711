"""Events as pages and as a stream, and webhooks, over HTTP."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING

import pytest

from parts.world import REGISTRY, docker_draft
from towline.domain.credential import Password

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from parts.live import Live

HOOK = {
    "apiVersion": "api.rapyuta.io/v2",
    "kind": "Webhook",
    "metadata": {"name": "ops"},
    "spec": {"url": "https://hooks.example.com/secret-path", "kinds": ["secret.verdict-changed"]},
}


@pytest.fixture(scope="module")
def names(live: Live) -> Iterator[str]:
    live.world.prover.registry(REGISTRY, robot="hunter2")
    return (f"turning-{number}" for number in itertools.count())


def turned(live: Live, name: str) -> None:
    """Let a new secret's verdict turn from verified to failing: one event."""
    registry = live.world.prover.registries[REGISTRY]
    registry.users["robot"] = Password("hunter2")
    live.run(live.world.secrets.create(live.world.access, docker_draft(name)))
    registry.users["robot"] = Password("rotated")
    live.run(live.world.proofs.stored(live.project, name, actor="test"))


def told(lines: Iterator[str]) -> tuple[str, dict[str, object]]:
    """Return the next event of a stream and its place."""
    place = ""
    for line in lines:
        if line.startswith("id: "):
            place = line.removeprefix("id: ")
        if line.startswith("data: "):
            return place, json.loads(line.removeprefix("data: "))
    raise AssertionError("the stream ended")


def test_events_are_listed_oldest_first_page_by_page(
    live: Live, http: httpx.Client, names: Iterator[str]
) -> None:
    ours = [next(names), next(names)]
    for name in ours:
        turned(live, name)
    query = {"limit": "1", "kind": "secret.verdict-changed"}
    seen = []
    while True:
        page = http.get("/v2/events/", params=query, headers=live.headers()).json()
        seen += [each["subject"]["name"] for each in page["items"]]
        if not page["items"]:
            break
        query["continue"] = str(page["metadata"]["continue"])
    assert seen[-2:] == ours
    document = http.get("/v2/events/", headers=live.headers()).json()["items"][-1]
    assert document["facts"]["finding"] == "wrong-credentials"
    assert "hunter2" not in json.dumps(document)


def test_a_kind_that_does_not_exist_is_refused_by_name(live: Live, http: httpx.Client) -> None:
    answer = http.get("/v2/events/", params={"kind": "secret.eaten"}, headers=live.headers())
    assert answer.status_code == 400
    assert "webhook.test" in answer.json()["error"]


def test_a_stream_tells_what_happens_and_goes_on_where_one_left_off(
    live: Live, http: httpx.Client, names: Iterator[str]
) -> None:
    first, second = next(names), next(names)
    with http.stream("GET", "/v2/events/stream/", headers=live.headers()) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        turned(live, first)
        place, event = told(stream.iter_lines())
    assert event["subject"]["name"] == first  # type: ignore[index]
    turned(live, second)  # while nobody listens
    headers = {**live.headers(), "Last-Event-ID": place}
    with http.stream("GET", "/v2/events/stream/", headers=headers) as stream:
        assert told(stream.iter_lines())[1]["subject"]["name"] == second  # type: ignore[index]


def test_a_stream_can_begin_with_the_first_event(
    live: Live, http: httpx.Client, names: Iterator[str]
) -> None:
    turned(live, next(names))
    first = http.get("/v2/events/", headers=live.headers()).json()["items"][0]
    with http.stream("GET", "/v2/events/stream/", params={"since": "0"}, headers=live.headers()) as stream:
        assert told(stream.iter_lines())[1] == first


@pytest.mark.parametrize("last", ["-1", "eleven", "9" * 30, "\u00b2"])
def test_a_place_that_is_no_number_is_refused(live: Live, http: httpx.Client, last: str) -> None:
    headers = {**live.headers(), "Last-Event-ID": last.encode()}
    answer = http.get("/v2/events/stream/", headers=headers)  # type: ignore[arg-type]
    assert answer.status_code == 400


def test_a_webhook_shows_its_key_once_and_its_path_never(live: Live, http: httpx.Client) -> None:
    made = http.post("/v2/webhooks/", json=HOOK, headers=live.headers())
    assert made.status_code == 201
    assert made.json()["signingKey"].startswith("twh_")
    assert made.json()["spec"]["target"] == "https://hooks.example.com"
    again = http.get("/v2/webhooks/ops/", headers=live.headers())
    assert "signingKey" not in again.json()
    assert "secret-path" not in made.text + again.text
    assert http.post("/v2/webhooks/", json=HOOK, headers=live.headers()).status_code == 409
    tested = http.post("/v2/webhooks/ops/test/", headers=live.headers())
    assert tested.json()["type"] == "webhook.test"
    [listed] = http.get("/v2/webhooks/", headers=live.headers()).json()["items"]
    assert listed["status"]["waiting"] == 1
    assert http.delete("/v2/webhooks/ops/", headers=live.headers()).status_code == 200
    assert http.get("/v2/webhooks/ops/", headers=live.headers()).status_code == 404


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({}, "spec.url"),
        ({"url": "ftp://example.com/"}, "spec.url"),
        ({"url": "https://user:word@example.com/"}, "spec.url"),
        ({"url": "https://example.com:0/"}, "spec.url"),
        ({"url": "https://example.com/", "format": "email"}, "spec.format"),
        ({"url": "mailto:ops@example.com", "format": "slack"}, "spec.format"),
        ({"url": "https://example.com/", "kinds": ["everything"]}, "spec.kinds"),
    ],
)
def test_a_webhook_that_cannot_be_is_refused_by_its_field(
    live: Live, http: httpx.Client, spec: dict[str, object], field: str
) -> None:
    answer = http.post("/v2/webhooks/", json={**HOOK, "spec": spec}, headers=live.headers())
    assert answer.status_code == 400
    assert answer.json()["field"] == field
