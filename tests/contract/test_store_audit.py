import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta, timezone

import pytest
from store_samples import ALPHA, all_pages, later, rows, run

from parts.postgres import connected
from towline.domain.audit import GENESIS, AuditEntry
from towline.domain.audit_chain import HEAD, PRUNED, Statement
from towline.domain.errors import StoreFailed
from towline.store.address import DatabaseAddress


def row(number, *, project=ALPHA.guid, subject="secret-1"):
    detail = (("door", "engine-pull"), ("image", "r.example.com/ä:1"))
    return AuditEntry(
        later(number), "jane@example.com", "secret.opened", subject, project_guid=project, detail=detail
    )


ROWS = [row(1), row(2, project=""), row(3, subject="secret-2"), row(4, project="project-x"), row(5)]


@pytest.fixture
async def trail(store):
    for each in ROWS:
        await store.write(lambda tx, entry=each: tx.audit.append(entry))
    return store


def pages(tx, **which):
    return all_pages(lambda page: tx.audit.page(page, **which), limit=2)


async def test_rows_come_back_as_they_were_oldest_first(trail):
    assert await trail.read(pages) == [ROWS[:2], ROWS[2:4], ROWS[4:]]


async def test_rows_of_a_project_or_about_a_subject_can_be_asked_for(trail):
    assert await trail.read(lambda tx: pages(tx, project_guid=ALPHA.guid)) == [[ROWS[0], ROWS[2]], [ROWS[4]]]
    assert await trail.read(lambda tx: pages(tx, subject="secret-2")) == [[ROWS[2]]]
    assert await trail.read(lambda tx: pages(tx, subject="secret-2", project_guid="project-x")) == []


async def test_an_untouched_trail_verifies(trail):
    assert await trail.read(lambda tx: tx.audit.verify()) is None


async def test_an_empty_trail_verifies(bare_store):
    assert await bare_store.read(lambda tx: tx.audit.verify()) is None


async def test_each_row_holds_the_hash_of_the_row_before(trail):
    hashes = [kept for (kept,) in await rows(trail, "SELECT hash FROM audit ORDER BY seq")]
    expected, previous = [], GENESIS
    for each in ROWS:
        previous = each.chained(previous)
        expected.append(previous)
    assert hashes == expected


async def test_rows_of_a_change_that_failed_leave_no_gap(trail):
    def fails(tx):
        tx.audit.append(row(6))
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        await trail.write(fails)
    await trail.write(lambda tx: tx.audit.append(row(7)))
    assert await trail.read(lambda tx: tx.audit.verify()) is None


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET body = body",
        "DELETE FROM audit",
        "INSERT INTO audit SELECT * FROM audit WHERE seq = 1 ON CONFLICT (seq) DO UPDATE SET body = ''",
    ],
)
async def test_rows_cannot_be_changed_or_deleted_through_the_store(trail, statement):
    with pytest.raises(StoreFailed, match="audit rows are never"):
        await trail.write(lambda tx: run(tx, statement))
    assert await trail.read(lambda tx: tx.audit.verify()) is None


async def test_rows_cannot_be_replaced_in_the_words_of_sqlite(sqlite_store):
    await sqlite_store.write(lambda tx: tx.audit.append(row(1)))
    with pytest.raises(StoreFailed, match="audit rows are never replaced"):
        await sqlite_store.write(lambda tx: run(tx, "REPLACE INTO audit SELECT * FROM audit"))


async def test_the_trail_cannot_be_emptied_in_the_words_of_postgresql(postgres_store):
    await postgres_store.write(lambda tx: tx.audit.append(row(1)))
    with pytest.raises(StoreFailed, match="audit rows are never changed or deleted"):
        await postgres_store.write(lambda tx: run(tx, "TRUNCATE audit"))


@pytest.mark.parametrize(
    ("statement", "first_bad"),
    [
        ("UPDATE audit SET body = replace(body, 'jane@', 'john@') WHERE seq = 3", 3),
        ("UPDATE audit SET body = 'no json' WHERE seq = 2", 2),
        ("UPDATE audit SET subject = 'secret-9' WHERE seq = 4", 4),
        ("UPDATE audit SET project_guid = '' WHERE seq = 1", 1),
        ("UPDATE audit SET hash = (SELECT hash FROM audit WHERE seq = 1) WHERE seq = 5", 5),
        ("DELETE FROM audit WHERE seq = 2", 2),
        ("DELETE FROM audit WHERE seq = 1", 1),
        ("DELETE FROM audit WHERE seq >= 4", 4),
        ("DELETE FROM audit", 1),
        ("UPDATE audit SET seq = 9 WHERE seq = 5", 5),
    ],
)
async def test_rewriting_the_database_behind_the_stores_back_is_found(shared, statement, first_bad):
    store = await shared.open()
    for each in ROWS:
        await store.write(lambda tx, entry=each: tx.audit.append(entry))
    if isinstance(shared.place, DatabaseAddress):
        with connected(shared.place) as intruder:
            intruder.execute(f"ALTER TABLE audit DISABLE TRIGGER USER; {statement}".encode())
    else:
        with closing(sqlite3.connect(shared.place)) as intruder:
            intruder.executescript(
                f"DROP TRIGGER audit_is_not_changed; DROP TRIGGER audit_is_not_deleted; {statement};"
            )
    assert await store.read(lambda tx: tx.audit.verify()) == first_bad


async def test_a_row_of_another_time_zone_verifies_too(trail):
    moved = replace(row(6), at=later(6).astimezone(timezone(timedelta(hours=5, minutes=30))))
    await trail.write(lambda tx: tx.audit.append(moved))
    assert await trail.read(lambda tx: tx.audit.verify()) is None


def statement(seq, digest, *, kind=PRUNED):
    return Statement(kind, 1, GENESIS, seq, digest, later(99), "key", signature=b"signed")


async def test_rows_go_only_where_a_statement_stands_in_their_place(trail):
    digest = (await trail.read(lambda tx: tx.audit.row(3))).hash
    with pytest.raises(StoreFailed, match="audit rows are never"):
        await trail.write(lambda tx: tx.audit.prune(upto=3, most=9))
    await trail.write(lambda tx: tx.audit.state(statement(2, b"-", kind=HEAD)))
    await trail.write(lambda tx: tx.audit.state(statement(3, digest)))
    assert await trail.write(lambda tx: tx.audit.prune(upto=3, most=2)) == 2
    assert await trail.write(lambda tx: tx.audit.prune(upto=3, most=2)) == 1
    with pytest.raises(StoreFailed, match="audit rows are never"):
        await trail.write(lambda tx: tx.audit.prune(upto=4, most=2))
    assert [row.seq for row in await trail.read(lambda tx: tx.audit.rows(after=0, most=9))] == [4, 5]
    assert await trail.read(lambda tx: tx.audit.statements()) == (statement(3, digest),)
    assert await trail.read(lambda tx: tx.audit.verify()) is None
    await trail.write(lambda tx: tx.audit.append(row(6)))
    assert await trail.read(lambda tx: (tx.audit.verify(), tx.audit.ever_added())) == (None, 6)


async def test_signing_keys_are_kept_newest_first(store):
    sealed = bytes((2, 1)) + b"k..."
    await store.write(lambda tx: tx.audit.add_signer("old", sealed, at=later(1)))
    await store.write(lambda tx: tx.audit.add_signer("new", sealed + b"!", at=later(2)))
    assert await store.read(lambda tx: tx.audit.signers()) == (("new", sealed + b"!"), ("old", sealed))
    assert (await store.read(lambda tx: tx.keys.uses())) == {"k": {"audit-signer": 2}}
    await store.write(lambda tx: tx.audit.drop_signer("old"))
    assert await store.read(lambda tx: tx.audit.signers()) == (("new", sealed + b"!"),)
    assert (await store.read(lambda tx: tx.keys.uses())) == {"k": {"audit-signer": 1}}


async def test_a_statement_may_be_signed_anew_and_no_other_changes(store):
    first, other = statement(3, b"three"), statement(3, b"three", kind=HEAD)
    again = replace(first, public_key="another", signature=b"anew")
    for each in (first, other, again):
        await store.write(lambda tx, each=each: tx.audit.state(each))
    assert await store.read(lambda tx: tx.audit.statements()) == (other, first)
    await store.write(lambda tx: tx.audit.restate(again))
    assert await store.read(lambda tx: tx.audit.statements()) == (other, again)


async def test_the_newest_rows_about_a_subject_come_first(trail):
    def newest(tx, before):
        return tx.audit.newest(project_guid=ALPHA.guid, subject="secret-1", before=before, most=1)

    ((seq, found),) = await trail.read(lambda tx: newest(tx, 1 << 62))
    assert (seq, found) == (5, ROWS[4])
    assert await trail.read(lambda tx: newest(tx, 5)) == ((1, ROWS[0]),)
    assert await trail.read(lambda tx: newest(tx, 1)) == ()
