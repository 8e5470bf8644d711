import asyncio
import sqlite3
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_samples import ALPHA, BETA, all_pages, later, opaque_secret, pull_secret, rows, settle_in

from towline.domain.causes import FindingCode
from towline.domain.credential_shape import Shape
from towline.domain.errors import Conflict, NotFound
from towline.domain.findings import Exchange, Finding
from towline.domain.listing import LabelSelector, Page
from towline.domain.proof import Standing, Verdict
from towline.store.sqlite import SqliteStore

ANY = LabelSelector()


def names(listing):
    return [record.secret.metadata.name for record in listing.items]


async def with_secrets(store, *records):
    def change(tx):
        for record in records:
            tx.secrets.add(record)

    await store.write(change)


@pytest.mark.parametrize("record", [pull_secret("pull"), opaque_secret("keys")])
async def test_a_secret_comes_back_as_it_was_by_name_and_by_guid(store, record):
    await with_secrets(store, record)
    about = record.secret.metadata
    for reference in (about.name, about.guid):
        assert await store.read(lambda tx, ref=reference: tx.secrets.get(ALPHA.guid, ref)) == record
        document = await store.read(lambda tx, ref=reference: tx.secrets.document(ALPHA.guid, ref))
        assert document == record.document


async def test_a_name_wins_over_a_guid(store):
    named_like_it = pull_secret("secret-first")
    await with_secrets(store, pull_secret("first", guid="secret-first"), named_like_it)
    assert await store.read(lambda tx: tx.secrets.get(ALPHA.guid, "secret-first")) == named_like_it


async def test_a_secret_is_not_seen_from_another_project(store):
    record = pull_secret("pull")
    await with_secrets(store, record)
    for reference in ("pull", record.secret.metadata.guid):
        assert await store.read(lambda tx, ref=reference: tx.secrets.get(BETA.guid, ref)) is None
        assert await store.read(lambda tx, ref=reference: tx.secrets.document(BETA.guid, ref)) is None
        assert await store.write(lambda tx, ref=reference: tx.secrets.remove(BETA.guid, ref)) is None


async def test_a_name_is_taken_once_in_a_project_and_free_in_others(store):
    await with_secrets(store, pull_secret("pull"), pull_secret("pull", project_guid=BETA.guid))
    with pytest.raises(Conflict, match="'pull' exists in this project"):
        await with_secrets(store, pull_secret("pull", guid="secret-other"))


async def test_a_new_version_keeps_the_old_one_as_history_and_destroys_its_value(store):
    old, new = pull_secret("pull", username="old"), pull_secret("pull", version=2, username="new")
    await with_secrets(store, old)
    await store.write(lambda tx: tx.secrets.save(new))
    assert await store.read(lambda tx: tx.secrets.get(ALPHA.guid, "pull")) == new
    kept = await rows(
        store, "SELECT version, creator_guid, body, sealed FROM secret_versions ORDER BY version"
    )
    assert [(row[0], row[1], row[3]) for row in kept] == [
        (1, "user-jane", None),
        (2, "user-jane", new.sealed),
    ]
    assert '"old"' in kept[0][2]


async def test_a_value_sealed_anew_replaces_the_old_bytes_of_the_same_version(store):
    record = pull_secret("pull")
    await with_secrets(store, record)
    rewrapped = replace(record, sealed=b"under another key")
    await store.write(lambda tx: tx.secrets.save(rewrapped))
    assert await store.read(lambda tx: tx.secrets.get(ALPHA.guid, "pull")) == rewrapped


async def test_a_standing_with_its_evidence_comes_back_as_it_was(store):
    record = pull_secret("pull")
    exchange = Exchange(
        "GET", "https://r.example.com", "/v2/", "basic", 401, "UNAUTHORIZED", (("server", "nginx"),), 12
    )
    finding = Finding(FindingCode.WRONG_CREDENTIALS, "no", (exchange,), checked_at=later(1.000001))
    standing = Standing(Verdict.FAILING, later(1), later(2), finding=finding, stale=True, image="app:1")
    judged = replace(record, secret=record.secret.stands(standing))
    await with_secrets(store, record)
    await store.write(lambda tx: tx.secrets.save(judged))
    assert await store.read(lambda tx: tx.secrets.get(ALPHA.guid, "pull")) == judged


async def test_saving_a_secret_that_is_gone_raises_not_found(store):
    with pytest.raises(NotFound):
        await store.write(lambda tx: tx.secrets.save(pull_secret("pull")))


async def test_a_removed_secret_is_returned_and_leaves_nothing(store):
    record = pull_secret("pull")
    await with_secrets(store, record)
    assert await store.write(lambda tx: tx.secrets.remove(ALPHA.guid, record.secret.metadata.guid)) == record
    assert await store.read(lambda tx: tx.secrets.get(ALPHA.guid, "pull")) is None
    assert await rows(store, "SELECT count(*) FROM secret_versions") == [(0,)]
    await with_secrets(store, record)


async def test_pages_come_in_order_of_creation_and_end_with_an_empty_one(store):
    records = [pull_secret(name) for name in ("zulu", "alpha", "mike", "bravo", "yankee")]
    await with_secrets(store, *records, pull_secret("elsewhere", project_guid=BETA.guid))

    def ask(tx):
        return all_pages(lambda page: tx.secrets.page(ALPHA.guid, page, selector=ANY), limit=2)

    assert await store.read(ask) == [records[:2], records[2:4], records[4:]]
    empty = await store.read(lambda tx: tx.secrets.page("project-none", Page(), selector=ANY))
    assert (tuple(empty.items), empty.next) == ((), None)


async def test_documents_are_those_of_the_same_page(store):
    records = [pull_secret(f"pull-{number}", labels={"even": str(number % 2 == 0)}) for number in range(7)]
    await with_secrets(store, *records)
    wanted = LabelSelector((("even", "True"),))
    page = Page(limit=3)
    rows = await store.read(lambda tx: tx.secrets.page(ALPHA.guid, page, selector=wanted))
    documents = await store.read(lambda tx: tx.secrets.documents(ALPHA.guid, page, selector=wanted))
    assert [record.document for record in rows.items] == list(documents.items)
    assert (rows.next, len(documents.items)) == (documents.next, 3)


async def test_a_walk_over_pages_skips_and_repeats_nothing_while_secrets_come_and_go(store):
    await with_secrets(store, *(pull_secret(f"old-{number}") for number in range(6)))
    first = await store.read(lambda tx: tx.secrets.page(ALPHA.guid, Page(limit=3), selector=ANY))

    def meanwhile(tx):
        tx.secrets.remove(ALPHA.guid, "old-0")
        tx.secrets.remove(ALPHA.guid, "old-4")
        tx.secrets.add(pull_secret("new"))

    await store.write(meanwhile)
    rest = await store.read(
        lambda tx: tx.secrets.page(ALPHA.guid, Page(after=first.next, limit=500), selector=ANY)
    )
    assert names(first) + names(rest) == ["old-0", "old-1", "old-2", "old-3", "old-5", "new"]


async def test_a_list_can_be_asked_for_names(store):
    await with_secrets(store, *(pull_secret(name) for name in ("c", "b", "a", "d")))
    listing = await store.read(
        lambda tx: tx.secrets.page(ALPHA.guid, Page(limit=2), selector=ANY, names=["a", "d", "c", "none"])
    )
    assert names(listing) == ["c", "a"]
    rest = await store.read(
        lambda tx: tx.secrets.page(ALPHA.guid, Page(after=listing.next), selector=ANY, names=["a", "d", "c"])
    )
    assert names(rest) == ["d"]


@pytest.mark.parametrize("hostile", ["x' OR '1'='1", '"] OR 1=1 --', "%", "$.a", "ä\u2028", ""])
async def test_what_looks_like_sql_or_json_is_only_a_value(store, hostile):
    labels = {"team": hostile, "quote'\"": "yes"}
    await with_secrets(store, pull_secret("it", labels=labels), pull_secret("other"))
    ask = LabelSelector((("team", hostile), ("quote'\"", None)))
    found = await store.read(lambda tx: tx.secrets.page(ALPHA.guid, Page(), selector=ask))
    assert names(found) == ["it"]
    assert await store.read(lambda tx: tx.secrets.get(ALPHA.guid, hostile)) is None
    nobody = await store.read(lambda tx: tx.secrets.page(ALPHA.guid, Page(), selector=ANY, names=[hostile]))
    assert names(nobody) == []


_words = st.sampled_from(["a", "b", "a.b", "a/b", "", "1", "true", "null", "ä"])
_labels = st.dictionaries(_words.filter(bool), _words, max_size=4)
_selectors = st.lists(st.tuples(_words.filter(bool), st.none() | _words), max_size=3).map(
    lambda terms: LabelSelector(tuple(terms))
)


@settings(max_examples=60, deadline=None)
@given(st.lists(_labels, max_size=5), _selectors)
def test_selecting_in_sql_agrees_with_the_rule_of_the_domain(every_labels, selector):
    async def selected():
        store = SqliteStore.memory()
        try:
            await store.write(settle_in)
            records = [pull_secret(f"s{n}", labels=labels) for n, labels in enumerate(every_labels)]
            await with_secrets(store, *records)
            return await store.read(lambda tx: tx.secrets.page(ALPHA.guid, Page(), selector=selector))
        finally:
            await store.close()

    wanted = [f"s{n}" for n, labels in enumerate(every_labels) if selector.matches(labels)]
    assert names(asyncio.run(selected())) == wanted


def _steps(connection: sqlite3.Connection, ask) -> int:
    """Return how many instructions SQLite runs for ``ask``."""
    steps = 0

    def count():
        nonlocal steps
        steps += 1

    connection.set_progress_handler(count, 1)
    try:
        ask()
    finally:
        connection.set_progress_handler(None, 0)
    return steps


async def test_thousands_of_secrets_cost_as_much_as_a_hundred(sqlite_store):
    store = sqlite_store
    secrets = store._seen.secrets
    questions = {
        "a name": lambda: secrets.get(ALPHA.guid, "pull-50"),
        "a guid": lambda: secrets.document(ALPHA.guid, pull_secret("pull-50").secret.metadata.guid),
        "a page": lambda: secrets.documents(ALPHA.guid, Page(after=40, limit=50), selector=ANY),
        "names": lambda: secrets.page(ALPHA.guid, Page(), selector=ANY, names=["pull-3", "pull-97"]),
    }
    await with_secrets(store, *(pull_secret(f"pull-{number}") for number in range(100)))
    few = {what: _steps(store._reader, ask) for what, ask in questions.items()}
    await with_secrets(store, *(pull_secret(f"pull-{number}") for number in range(100, 5000)))
    assert {what: _steps(store._reader, ask) for what, ask in questions.items()} == few


async def test_secrets_are_listed_by_name_after_a_name(store):
    await with_secrets(store, pull_secret("b"), opaque_secret("c"), pull_secret("a"), pull_secret("b-2"))

    async def shelf(after, most=10, guid=ALPHA.guid):
        rows = await store.read(lambda tx: tx.secrets.by_name(guid, after=after, most=most))
        return [row.secret.metadata.name for row in rows]

    assert await shelf("") == ["a", "b", "b-2", "c"]
    assert await shelf("", most=2) == ["a", "b"]
    assert await shelf("b") == ["b-2", "c"]
    assert await shelf("c") == []
    assert await shelf("", guid=BETA.guid) == []
    found = await store.read(lambda tx: tx.secrets.by_name(ALPHA.guid, after="a", most=1))
    assert found[0] == await store.read(lambda tx: tx.secrets.get(ALPHA.guid, "b"))


async def test_secrets_are_counted_and_those_of_concern_told(store):
    def judged(name, **changes):
        record = pull_secret(name)
        return replace(record, secret=replace(record.secret, **changes))

    ends = judged("ends", shape=Shape(expires_at=later(60)))
    fails = judged("fails", standing=Standing(Verdict.FAILING, since=later(0)))
    await with_secrets(store, pull_secret("fine"), ends, opaque_secret("keys"), fails)
    assert await store.read(lambda tx: tx.secrets.count(ALPHA.guid)) == 4
    assert await store.read(lambda tx: tx.secrets.count(BETA.guid)) == 0
    assert await store.read(lambda tx: tx.secrets.of_concern(ALPHA.guid)) == (ends, fails)
