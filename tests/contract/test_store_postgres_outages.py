"""PostgreSQL goes away, comes back and breaks connections at bad moments: nothing is lost or doubled."""

import asyncio
import contextlib

import pytest
from store_samples import rows, run

from parts import postgres
from parts.fakes import NOON
from parts.require import require
from towline.domain.audit import AuditEntry
from towline.domain.errors import InvalidInput, StoreFailed, StoreUnavailable
from towline.store.patient import PatientStore
from towline.store.postgres import PostgresStore, connection, writer


@pytest.fixture(scope="module")
def own_server():
    """A server that may be stopped."""
    require("PostgreSQL")
    with postgres.running_server() as server:
        yield server


@pytest.fixture
async def own_store(own_server):
    made = await PostgresStore.open(own_server.database(), connections=2)
    yield made
    await made.close()


def put(name, value="yes"):
    return lambda tx: tx.settings.put(name, value)


def noted(name):
    """A change that cannot be made twice without being seen."""
    return lambda tx: tx.audit.append(AuditEntry(NOON, "jane", "setting.put", name))


async def trail(store):
    return [str(subject) for (subject,) in await rows(store, "SELECT subject FROM audit ORDER BY seq")]


async def test_a_restart_is_waited_out_by_questions_and_changes(own_server, own_store):
    await own_store.write(noted("before"))
    own_server.stop("immediate")
    asking = asyncio.create_task(trail(own_store))
    changing = [asyncio.create_task(own_store.write(noted(f"during-{n}"))) for n in range(5)]
    await asyncio.to_thread(own_server.start)
    await asyncio.gather(*changing)
    assert "before" in await asking
    assert sorted(await trail(own_store)) == ["before", *(f"during-{n}" for n in range(5))]
    assert await own_store.read(lambda tx: tx.audit.verify()) is None


async def test_an_outage_that_lasts_is_told_and_ends_by_itself(own_server, own_store, monkeypatch):
    monkeypatch.setattr(connection, "PATIENCE", 0.2)
    own_server.stop("immediate")
    try:
        with pytest.raises(StoreUnavailable, match=r"out of reach: .*refused"):
            await own_store.read(lambda tx: tx.settings.get("a"))
        with pytest.raises(StoreUnavailable, match=r"out of reach: .*refused"):
            await own_store.write(put("a"))
        patient = asyncio.create_task(PatientStore(own_store).write(put("a", "at last")))
    finally:
        await asyncio.to_thread(own_server.start)
    await patient
    assert await own_store.read(lambda tx: tx.settings.get("a")) == "at last"


async def test_a_connection_that_breaks_in_the_middle_of_a_change_has_it_made_again(own_store):
    tries = []

    def change(tx):
        tries.append(len(tries))
        tx.settings.put("half", f"try {len(tries)}")
        if len(tries) == 1:
            run(tx, "SELECT pg_terminate_backend(pg_backend_pid())")
        tx.audit.append(AuditEntry(NOON, "jane", "setting.put", "half"))

    await own_store.write(change)
    assert (tries, await trail(own_store)) == ([0, 1], ["half"])
    assert await own_store.read(lambda tx: tx.settings.get("half")) == "try 2"


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "not kept"])
async def test_a_connection_that_breaks_during_the_commit_is_asked_what_became_of_it(
    own_store, monkeypatch, kept
):
    """The answer to COMMIT is lost: once after the server had kept it, once before it had heard of it."""
    plain, broken = writer.command, []

    def breaking(raw, statements):
        if statements != b"COMMIT" or broken:
            return plain(raw, statements)
        broken.append(raw)
        if kept:
            plain(raw, statements)
        raw.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        raise AssertionError

    await own_store.write(noted("first"))
    monkeypatch.setattr(writer, "command", breaking)
    await asyncio.gather(*(own_store.write(noted(f"n{n}")) for n in range(3)))
    assert len(broken) == 1
    assert sorted(await trail(own_store)) == ["first", "n0", "n1", "n2"]
    assert await own_store.read(lambda tx: tx.audit.verify()) is None


async def test_a_change_that_goes_on_after_a_failed_statement_is_not_kept(own_store):
    def careless(tx):
        tx.settings.put("careless", "yes")
        with contextlib.suppress(Exception):
            run(tx, "INSERT INTO nowhere VALUES (1)")

    with pytest.raises(StoreFailed, match="went on after"):
        await own_store.write(careless)
    assert await own_store.read(lambda tx: tx.settings.get("careless")) is None


async def test_a_writer_that_stops_in_its_turn_is_passed_over_and_begins_again(own_server, monkeypatch):
    """As a process does that is stopped by a signal and wakes up later."""
    address = own_server.database()
    monkeypatch.setattr(writer, "_SETUP", ("SET idle_in_transaction_session_timeout = 200",))
    stopped, other = [await PostgresStore.open(address, connections=2) for _ in range(2)]
    asleep, awake = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    tries = []

    def change(tx):
        tries.append(len(tries))
        tx.audit.append(AuditEntry(NOON, "stopped", "setting.put", "stopped"))
        if len(tries) == 1:
            loop.call_soon_threadsafe(asleep.set)
            asyncio.run_coroutine_threadsafe(awake.wait(), loop).result()
        tx.settings.put("stopped", "yes")

    changing = asyncio.create_task(stopped.write(change))
    await asleep.wait()
    await other.write(noted("other"))
    awake.set()
    await changing
    assert await trail(other) == ["other", "stopped"]
    assert tries == [0, 1]
    assert await other.read(lambda tx: tx.audit.verify()) is None
    await stopped.close()
    await other.close()


async def test_a_wrong_password_is_told_without_any_password(own_server):
    good = own_server.database()
    bad = type(good)(good.url, postgres.Password("s3cret-that-is-wrong"))
    with pytest.raises(InvalidInput, match="password authentication failed") as told:
        await PostgresStore.open(bad, connections=1)
    assert "s3cret" not in f"{told.value!r} {told.value.__cause__!r} {told.value.__context__!r} {bad!r}"


async def test_an_error_does_not_quote_the_row_that_broke_a_rule(own_store):
    with pytest.raises(StoreFailed, match="violates") as told:
        await own_store.write(lambda tx: run(tx, "INSERT INTO members VALUES ('o', 's3cret', '')"))
    assert "s3cret" not in f"{told.value!r} {told.value.__cause__!r} {told.value.__context__!r}"
