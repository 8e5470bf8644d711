import asyncio
import threading

import pytest
from store_samples import ALPHA, pull_secret, run

from towline.domain.errors import Conflict, StoreFailed
from towline.store.postgres import PostgresStore
from towline.store.postgres import writer as postgresql_writer
from towline.store.sqlite import SqliteStore
from towline.store.sqlite.writer import MOST_IN_A_COMMIT

DEFER = {
    SqliteStore: "PRAGMA defer_foreign_keys = ON",
    PostgresStore: "ALTER TABLE secrets ALTER CONSTRAINT secrets_project_guid_fkey"
    " DEFERRABLE INITIALLY DEFERRED",
}


class Held:
    """Keeps the writer busy with one change, so that all others queue up behind it."""

    def __init__(self, store):
        self._store = store
        self._gate = threading.Event()
        self._busy = threading.Event()

    async def __aenter__(self):
        self._blocking = asyncio.create_task(self._store.write(self._block))
        await asyncio.to_thread(self._busy.wait)
        return self

    async def __aexit__(self, *_):
        await asyncio.sleep(0)  # lets the tasks made inside queue their changes
        self._gate.set()
        await self._blocking

    def _block(self, _):
        self._busy.set()
        self._gate.wait()


def put(name, value="yes"):
    return lambda tx: tx.settings.put(name, value)


async def kept(store, name):
    return await store.read(lambda tx: tx.settings.get(name))


async def commits(store, changes):
    """Ask for that many changes at once while the writer is busy; return how many commits they took."""
    seen = []

    def put_and_tell(number):
        def change(tx):
            tx.settings.put(str(number), "yes")
            seen.append(run(tx, "SELECT pg_current_xact_id()") if isinstance(store, PostgresStore) else None)

        return change

    if isinstance(store, SqliteStore):
        connection = store._writer._connection
        connection.set_trace_callback(lambda text: seen.append((len(seen),)) if text == "COMMIT" else None)
    async with Held(store):
        writes = [asyncio.create_task(store.write(put_and_tell(number))) for number in range(changes)]
    await asyncio.gather(*writes)
    if isinstance(store, PostgresStore):
        return len({str(number) for number in seen})
    return sum(1 for each in seen if each is not None) - 1  # the one that was under way


async def test_a_change_returns_its_result_and_is_seen_by_the_next_read(bare_store):
    def change(tx):
        tx.settings.put("a", "1")
        return tx.settings.get("a")

    assert await bare_store.write(change) == "1"
    assert await kept(bare_store, "a") == "1"


async def test_all_that_waits_is_committed_together(bare_store):
    assert await commits(bare_store, 50) == 1
    assert [await kept(bare_store, str(number)) for number in range(50)] == ["yes"] * 50


async def test_a_commit_takes_no_more_than_its_limit(bare_store):
    most = postgresql_writer.MOST_IN_A_COMMIT if isinstance(bare_store, PostgresStore) else MOST_IN_A_COMMIT
    assert await commits(bare_store, most + 1) == 2


async def test_changes_run_in_the_order_in_which_they_were_asked(bare_store):
    async with Held(bare_store):
        writes = [asyncio.create_task(bare_store.write(put("last", str(number)))) for number in range(20)]
    await asyncio.gather(*writes)
    assert await kept(bare_store, "last") == "19"


async def test_a_change_that_raises_is_undone_alone_and_its_error_comes_back(bare_store):
    def fails(tx):
        tx.settings.put("bad", "yes")
        tx.settings.put("good-1", "overwritten")
        raise ValueError("no")

    async with Held(bare_store):
        first = asyncio.create_task(bare_store.write(put("good-1")))
        bad = asyncio.create_task(bare_store.write(fails))
        second = asyncio.create_task(bare_store.write(put("good-2")))
    await asyncio.gather(first, second)
    with pytest.raises(ValueError, match="no"):
        await bad
    assert [await kept(bare_store, name) for name in ("good-1", "bad", "good-2")] == ["yes", None, "yes"]


async def test_a_conflict_in_the_middle_of_a_change_undoes_what_came_before_it(store):
    def twice(tx):
        tx.settings.put("half", "done")
        tx.secrets.add(pull_secret("pull"))
        tx.secrets.add(pull_secret("pull", guid="secret-again"))

    with pytest.raises(Conflict):
        await store.write(twice)
    assert await kept(store, "half") is None
    assert await store.read(lambda tx: tx.secrets.get(ALPHA.guid, "pull")) is None


async def test_a_commit_that_fails_fails_every_change_in_it(store):
    def breaks_a_reference_that_only_the_commit_checks(tx):
        run(tx, DEFER[type(store)])
        tx.secrets.add(pull_secret("orphan", project_guid="project-none"))

    async with Held(store):
        bad = asyncio.create_task(store.write(breaks_a_reference_that_only_the_commit_checks))
        good = asyncio.create_task(store.write(put("good")))
    answers = await asyncio.gather(bad, good, return_exceptions=True)
    assert [type(answer) for answer in answers] == [StoreFailed, StoreFailed]
    assert answers[0] is not answers[1]
    assert await kept(store, "good") is None
    await store.write(put("afterwards"))
    assert await kept(store, "afterwards") == "yes"


async def test_a_full_disk_fails_the_changes_and_the_store_goes_on_when_there_is_room(sqlite_store):
    store = sqlite_store
    connection = store._writer._connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    async with Held(store):
        small = asyncio.create_task(store.write(put("small")))
        large = asyncio.create_task(store.write(put("large", "x" * 1_000_000)))
        last = asyncio.create_task(store.write(put("last")))
    answers = await asyncio.gather(small, large, last, return_exceptions=True)
    assert all(isinstance(answer, StoreFailed) and "full" in str(answer) for answer in answers)
    assert [await kept(store, name) for name in ("small", "large", "last")] == [None, None, None]
    connection.execute("PRAGMA max_page_count = 1000000")
    await store.write(put("large", "x" * 1_000_000))
    assert len(await kept(store, "large")) == 1_000_000


async def test_a_reference_to_nothing_is_refused(store):
    with pytest.raises(StoreFailed, match=r"(?i)foreign key"):
        await store.write(lambda tx: tx.secrets.add(pull_secret("orphan", project_guid="project-none")))


async def test_a_question_cannot_write(bare_store):
    with pytest.raises(StoreFailed, match=r"read-?only"):
        await bare_store.read(put("a"))
    assert await kept(bare_store, "a") is None


async def test_an_error_of_a_question_comes_back_and_the_next_one_is_answered(bare_store):
    def fails(tx):
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await bare_store.read(fails)
    assert await kept(bare_store, "a") is None


async def test_a_question_sees_one_moment_while_another_process_writes(shared):
    store, other = [await shared.open() for _ in range(2)]
    await store.write(put("a", "before"))

    def question(tx):
        before = tx.settings.get("a")
        in_a_loop_of_its_own = threading.Thread(target=lambda: asyncio.run(other.write(put("a", "after"))))
        in_a_loop_of_its_own.start()
        in_a_loop_of_its_own.join()
        return before, tx.settings.get("a")

    assert await store.read(question) == ("before", "before")
    assert await kept(store, "a") == "after"


async def test_a_survey_leaves_the_loop_free_and_cannot_write(bare_store):
    await bare_store.write(put("a"))
    loop_was_free = threading.Event()
    asyncio.get_running_loop().call_soon(loop_was_free.set)

    def question(tx):
        assert loop_was_free.wait(timeout=30)
        return tx.settings.get("a")

    assert await bare_store.survey(question) == "yes"
    with pytest.raises(StoreFailed):
        await bare_store.survey(put("a", "no"))
    assert await kept(bare_store, "a") == "yes"


async def test_a_caller_who_stops_waiting_harms_nobody(bare_store):
    async with Held(bare_store):
        impatient = asyncio.create_task(bare_store.write(put("impatient")))
        patient = asyncio.create_task(bare_store.write(put("patient")))
        await asyncio.sleep(0)
        impatient.cancel()
    await patient
    with pytest.raises(asyncio.CancelledError):
        await impatient
    assert await kept(bare_store, "impatient") == "yes"


async def test_closing_finishes_what_was_accepted_and_refuses_the_rest(shared):
    store = await shared.open()
    async with Held(store):
        writes = [asyncio.create_task(store.write(put(str(number)))) for number in range(300)]
        closing = asyncio.create_task(store.close())
    await asyncio.gather(*writes, closing)
    with pytest.raises(StoreFailed, match="closed"):
        await store.write(put("late"))
    await store.close()
    again = await shared.open()
    assert [await kept(again, str(number)) for number in range(300)] == ["yes"] * 300
    assert await kept(again, "late") is None


async def test_stores_in_memory_know_nothing_of_each_other():
    one, other = SqliteStore.memory(), SqliteStore.memory()
    await one.write(put("a"))
    assert await kept(other, "a") is None
    await one.close()
    await other.close()


async def test_reads_and_writes_at_once_do_not_lock_each_other_out(store):
    async def read_all():
        return [await kept(store, f"n{number}") for number in range(300)]

    async def write_all():
        for number in range(300):
            await store.write(put(f"n{number}"))

    await asyncio.gather(*(read_all() for _ in range(4)), write_all())
    assert await read_all() == ["yes"] * 300


async def test_a_file_that_is_no_database_is_refused_by_name(tmp_path):
    path = tmp_path / "towline.db"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(StoreFailed, match=r"towline\.db cannot be opened: file is not a database"):
        await SqliteStore.open(path)


async def test_the_database_can_be_read_by_its_owner_alone(tmp_path):
    path = tmp_path / "new" / "towline.db"
    store = await SqliteStore.open(path)
    await store.write(put("a"))
    modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert modes == {"towline.db": 0o600, "towline.db-wal": 0o600, "towline.db-shm": 0o600}
    assert path.parent.stat().st_mode & 0o777 == 0o700
    await store.close()


async def test_the_file_is_set_up_to_survive_a_power_cut(tmp_path):
    store = await SqliteStore.open(tmp_path / "towline.db")
    for connection in (store._reader, store._writer._connection):
        found = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
        }
        assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1}
    await store.close()


async def test_a_store_tells_its_size_and_how_long_its_changes_took(store):
    before = await store.size()
    await store.write(lambda tx: tx.settings.put("big", "x" * 200_000))
    assert await store.size() > before > 0

    def refuse(tx):
        tx.settings.put("big", None)
        raise Conflict("not so")

    taken = sum(store.figures.writes.within)
    with pytest.raises(Conflict):
        await store.write(refuse)
    assert (sum(store.figures.writes.within), store.figures.failures) == (taken + 1, 0)
