import asyncio
import re
import sqlite3

import pytest

from towline.domain.errors import Conflict
from towline.store.migrations import known_migrations, migrate
from towline.store.sqlite import SqliteStore

NEXT = (
    ("0001_a.sql", "CREATE TABLE a (x);"),
    ("0002_b.sql", "CREATE TABLE b (x);\nINSERT INTO b VALUES (1);"),
)


@pytest.fixture
def connection(tmp_path):
    made = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    yield made
    made.close()


def applied(connection):
    return connection.execute("SELECT number, name FROM schema_migrations ORDER BY number").fetchall()


def tables(connection):
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


def test_migrations_are_numbered_without_a_gap():
    numbers = [re.fullmatch(r"(\d{4})_[a-z_]+\.sql", name)[1] for name, _ in known_migrations()]
    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]


def test_a_database_gets_what_it_lacks_in_order_and_once(connection):
    migrate(connection, NEXT[:1])
    migrate(connection, NEXT)
    migrate(connection, NEXT)
    assert applied(connection) == [(1, "0001_a.sql"), (2, "0002_b.sql")]
    assert connection.execute("SELECT count(*) FROM b").fetchone() == (1,)


def test_a_migration_that_fails_leaves_the_database_as_it_was(connection):
    migrate(connection, NEXT[:1])
    with pytest.raises(sqlite3.OperationalError, match="no such table: nowhere"):
        migrate(connection, (*NEXT, ("0003_c.sql", "CREATE TABLE c (x);\nINSERT INTO nowhere VALUES (1);")))
    assert tables(connection) == {"a", "schema_migrations"}
    assert applied(connection) == [(1, "0001_a.sql")]


def test_a_trigger_with_several_statements_is_one_statement(connection):
    script = """
    CREATE TABLE a (x);  -- a comment; with a semicolon
    CREATE TRIGGER t AFTER INSERT ON a BEGIN
      DELETE FROM a WHERE x = 1;
      DELETE FROM a WHERE x = 2;
    END;
    INSERT INTO a VALUES (2);
    """
    migrate(connection, (("0001_a.sql", script),))
    assert connection.execute("SELECT count(*) FROM a").fetchone() == (0,)


async def test_a_database_of_a_newer_program_is_refused_in_words(tmp_path):
    path = tmp_path / "towline.db"
    await (await SqliteStore.open(path)).close()
    beyond = len(known_migrations()) + 1
    newer = sqlite3.connect(path)
    newer.execute("INSERT INTO schema_migrations VALUES (?, 'from_the_future.sql')", (beyond,))
    newer.commit()
    newer.close()
    with pytest.raises(
        Conflict, match=rf"newer towline \(its migration is {beyond}, this program knows {beyond - 1}\)"
    ):
        await SqliteStore.open(path)


async def test_many_servers_that_start_at_once_on_a_new_database_migrate_it_once(tmp_path):
    stores = await asyncio.gather(*(SqliteStore.open(tmp_path / "towline.db") for _ in range(6)))
    assert len(applied(stores[0]._reader)) == len(known_migrations())
    for store in stores:
        await store.close()


async def test_starting_beside_a_server_in_the_middle_of_a_change_waits_for_nothing(tmp_path):
    first = await SqliteStore.open(tmp_path / "towline.db")
    first._writer._connection.execute("BEGIN IMMEDIATE")
    second = await asyncio.wait_for(SqliteStore.open(tmp_path / "towline.db"), timeout=10)
    first._writer._connection.execute("ROLLBACK")
    await second.close()
    await first.close()


async def test_every_table_checks_its_types(tmp_path):
    store = await SqliteStore.open(tmp_path / "towline.db")
    loose = store._reader.execute(
        "SELECT name FROM pragma_table_list WHERE type = 'table' AND NOT strict AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    assert loose == []
    await store.close()
