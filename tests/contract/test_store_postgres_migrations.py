"""The schema of PostgreSQL: the same migrations, translated."""

import asyncio

import pytest
from store_samples import rows

from parts.postgres import connected
from towline.domain.errors import Conflict, StoreFailed
from towline.store.migrations import known_migrations
from towline.store.postgres import PostgresStore
from towline.store.postgres.connection import Line
from towline.store.postgres.dialect import schema, translated
from towline.store.postgres.migrating import migrate
from towline.store.sqlite import SqliteStore

NEXT = (
    ("0001_a.sql", "CREATE TABLE a (x INTEGER) STRICT;"),
    ("0002_b.sql", "CREATE TABLE b (x BLOB, y TEXT) STRICT;\nINSERT INTO b (y) VALUES ('1');"),
)


@pytest.fixture
def bare(postgres_server):
    """A database without any table."""
    address = postgres_server.database()
    yield address
    postgres_server.leave(address)


def found(address, query):
    with connected(address) as connection:
        return connection.execute(query.encode()).fetchall()


def test_a_database_gets_what_it_lacks_in_order_and_once(bare):
    line = Line(bare)
    migrate(line, NEXT[:1])
    migrate(line, NEXT)
    migrate(line, NEXT)
    assert found(bare, "SELECT number, name FROM schema_migrations ORDER BY number") == [
        (1, "0001_a.sql"),
        (2, "0002_b.sql"),
    ]
    assert found(bare, "SELECT count(*) FROM b") == [(1,)]


def test_a_migration_that_fails_leaves_the_database_as_it_was(bare):
    migrate(Line(bare), NEXT[:1])
    broken = ("0003_c.sql", "CREATE TABLE c (x INTEGER) STRICT;\nINSERT INTO nowhere VALUES (1);")
    with pytest.raises(StoreFailed, match='"nowhere" does not exist'):
        migrate(Line(bare), (*NEXT, broken))
    assert found(bare, "SELECT to_regclass('b')::text, to_regclass('c')::text") == [(None, None)]
    assert found(bare, "SELECT count(*) FROM schema_migrations") == [(1,)]


async def test_many_servers_that_start_at_once_on_a_new_database_migrate_it_once(bare):
    stores = await asyncio.gather(*(PostgresStore.open(bare, connections=1) for _ in range(4)))
    numbers = await rows(stores[0], "SELECT number FROM schema_migrations ORDER BY number")
    assert numbers == [(number,) for number in range(1, len(known_migrations()) + 1)]
    for store in stores:
        await store.close()


def test_a_server_of_the_version_before_starts_on_a_schema_that_was_only_expanded(bare):
    migrate(Line(bare), NEXT)
    migrate(Line(bare), NEXT[:1])
    breaking = ("0003_c.sql", "-- Breaking: a is gone.\nDROP TABLE a;")
    migrate(Line(bare), (*NEXT, breaking))
    with pytest.raises(Conflict, match=r"newer towline \(its migration is 3, this program knows 1\)"):
        migrate(Line(bare), NEXT[:1])


async def test_tables_and_columns_are_those_of_sqlite(postgres_store):
    sqlite = SqliteStore.memory()
    there = await rows(
        sqlite,
        'SELECT t.name, c.name, c.type, c."notnull" OR c.pk > 0'
        " FROM pragma_table_list AS t, pragma_table_xinfo(t.name) AS c"
        " WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name <> 'schema_migrations'",
    )
    here = await rows(
        postgres_store,
        "SELECT table_name, column_name, data_type, is_nullable = 'NO' FROM information_schema.columns"
        " JOIN information_schema.tables USING (table_schema, table_name)"
        " WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'"
        " AND table_name NOT IN ('schema_migrations', 'sqlite_sequence')",
    )
    kinds = {"INTEGER": "bigint", "TEXT": "text", "BLOB": "bytea"}
    assert {(t, c, kinds[kind], bool(full)) for t, c, kind, full in there} == set(here)
    await sqlite.close()


async def test_indexes_are_those_of_sqlite(postgres_store):
    sqlite = SqliteStore.memory()
    there = await rows(sqlite, "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL")
    here = await rows(postgres_store, "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()")
    assert {name for (name,) in there} - {name for (name,) in here} == set()
    await sqlite.close()


@pytest.mark.parametrize(
    ("rows_write", "postgresql_reads"),
    [
        ("SELECT a FROM t WHERE b = ? AND c = ?", "SELECT a FROM t WHERE b = %s AND c = %s"),
        ("SELECT ?2, ?1, ?2", "SELECT %(p2)s, %(p1)s, %(p2)s"),
        ("UPDATE t SET a = :new WHERE b = :old", "UPDATE t SET a = %(new)s WHERE b = %(old)s"),
        ("SELECT a::text, '?:x%' FROM t WHERE a % 2 = ?", "SELECT a::text, '?:x%%' FROM t WHERE a %% 2 = %s"),
        ("SELECT 'it''s ?'", "SELECT 'it''s ?'"),
        ("a IN (SELECT value FROM json_each(:all))", "a = ANY (json_list(%(all)s))"),
    ],
)
def test_parameters_are_written_as_psycopg_has_them(rows_write, postgresql_reads):
    assert translated(rows_write)[0] == postgresql_reads


def test_types_are_written_as_postgresql_has_them():
    script = """
    CREATE TABLE t ( -- INTEGER in a comment
      seq  INTEGER PRIMARY KEY AUTOINCREMENT,
      name TEXT NOT NULL,
      body BLOB,
      both INTEGER GENERATED ALWAYS AS (seq + 1) VIRTUAL
    ) STRICT;
    -- SQLite only: it says so.
    CREATE TRIGGER x BEFORE DELETE ON t BEGIN SELECT raise(ABORT, 'no'); END;
    CREATE TABLE u (a TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
    """
    table, other = (" ".join(statement.split()) for statement in schema(script))
    assert table == (
        'CREATE TABLE t ( seq BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, name TEXT COLLATE "C"'
        " NOT NULL, body BYTEA, both BIGINT GENERATED ALWAYS AS (seq + 1) STORED );"
    )
    assert other == 'CREATE TABLE u (a TEXT COLLATE "C" PRIMARY KEY);'
