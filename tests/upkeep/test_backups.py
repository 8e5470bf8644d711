import asyncio
import gzip
import hashlib
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from itertools import compress
from pathlib import Path

import installation
import pytest
from installation import ALPHA, CANARY, whole

from parts.postgres import PASSWORD
from towline import upkeep
from towline.app import DATABASE, store_of
from towline.config import Config, load
from towline.domain.errors import BackupDamaged, Conflict, InvalidInput, NotFound, StoreFailed
from towline.keeping import KEYRING
from towline.listening import alone_in
from towline.store.keyring import Keyring
from towline.store.migrations import known_migrations, migrate
from towline.store.sealed_values import SEALED, sealed_tables
from towline.store.sqlite import SqliteStore

HERE = Path(__file__).parent
STORM = HERE.parent / "contract" / "store_storm.py"
HELD = HERE / "held_in_the_middle.py"
MORE_THAN_ONE_REPORT = 2500


def quiet(done: int, total: int) -> None:
    """Show nothing."""


async def kept(config: Config, path: Path, *, keyring_to: Path | None = None) -> upkeep.Kept:
    return await upkeep.keep_backup(config, path, keyring_to=keyring_to, progress=quiet)


def lend(config: Config, folder: Path) -> None:
    folder.mkdir()
    Keyring.at(config.folder / KEYRING)[0].put_at(folder / KEYRING)


async def restored(path: Path, folder: Path, *, keyring_of: Config | None = None) -> upkeep.Examined:
    if keyring_of is not None:
        lend(keyring_of, folder)
    return await upkeep.restore(Config(data=str(folder)), path, progress=quiet)


def every_row(connection: sqlite3.Connection, table: str) -> list[tuple]:
    return sorted(connection.execute(f'SELECT * FROM "{table}"'), key=str)


def rows_of(folder: Path) -> dict[str, list[tuple]]:
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        return {name: every_row(connection, name) for (name,) in names.fetchall()}


async def test_what_is_restored_is_what_was_there_but_for_the_sessions(tmp_path):
    config = await installation.settled(tmp_path / "old")
    await kept(config, tmp_path / "b")
    examined = await restored(tmp_path / "b", tmp_path / "new", keyring_of=config)
    assert (examined.audit_broken_at, examined.sealed, examined.unopened) == (None, 4, [])
    old, new = rows_of(tmp_path / "old"), rows_of(tmp_path / "new")
    assert [row[5] for row in new.pop("tokens")] == ["api"]
    assert [row[5] for row in old.pop("tokens")] == ["api", "login"]
    assert new == old
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["keyring.json", "lock", DATABASE]


async def test_a_backup_holds_neither_a_password_nor_a_key(tmp_path):
    config = await installation.settled(tmp_path / "old")
    await kept(config, tmp_path / "b")
    content = gzip.decompress((tmp_path / "b").read_bytes())
    assert CANARY.encode() not in content
    for key in json.loads((config.folder / KEYRING).read_text())["keys"].values():
        assert key.encode() not in content
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o600


async def test_the_keyring_goes_into_a_file_of_its_own_only_and_never_over_another(tmp_path):
    config = await installation.settled(tmp_path / "old")
    with pytest.raises(InvalidInput, match="names the backup itself"):
        await kept(config, tmp_path / "b", keyring_to=tmp_path / "b")
    assert not (tmp_path / "b").exists()
    await kept(config, tmp_path / "b", keyring_to=tmp_path / "k")
    assert Keyring.at(tmp_path / "k") == (Keyring.at(config.folder / KEYRING)[0], False)
    with pytest.raises(Conflict, match="never written over"):
        await kept(config, tmp_path / "b", keyring_to=tmp_path / "k")


def test_backups_taken_in_a_storm_of_writes_are_whole_and_miss_nothing_acknowledged(tmp_path):
    config = asyncio.run(installation.settled(tmp_path / "old"))
    storm = subprocess.Popen(
        [sys.executable, str(STORM), str(config.folder / DATABASE), "s"], stdout=subprocess.PIPE
    )
    try:
        for number in range(5):
            promised = [storm.stdout.readline().decode().strip() for _ in range(200)]
            path, new = tmp_path / f"b{number}", tmp_path / f"new{number}"
            asyncio.run(kept(config, path))
            examined = asyncio.run(restored(path, new, keyring_of=config))
            assert examined.is_whole
            there = {row[0] for row in rows_of(new)["settings"]}
            assert set(promised) <= there
    finally:
        storm.kill()
        storm.communicate()


async def test_any_changed_byte_and_any_cut_is_found_and_leaves_the_place_empty(tmp_path):
    config = await installation.settled(tmp_path / "old")
    path, bad = tmp_path / "b", tmp_path / "bad"
    await kept(config, path)
    content = path.read_bytes()
    spoiled = [content[:at] + other + content[at + 1 :] for at, other in whole(path)]
    spoiled += [content[:cut] for cut in range(0, len(content), 97)] + [content + b"x", b"", b"no gzip"]
    found = 0
    for each in spoiled:
        bad.write_bytes(each)
        try:
            await restored(bad, tmp_path / "new")
        except BackupDamaged:
            found += 1
        else:  # only what means nothing may differ: gzip's time and system, or another way to the same bytes
            assert gzip.decompress(each) == gzip.decompress(content)
            (tmp_path / "new" / DATABASE).unlink()
        assert [path.name for path in (tmp_path / "new").iterdir()] == ["lock"]
    assert found >= len(spoiled) - 5


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: [*lines[:1], *lines[2:]], "other rows than|cells|fit|not readable"),
        (lambda lines: [lines[0].replace(b"towline-backup/1", b"towline-backup/9"), *lines[1:]], "format"),
        (lambda lines: [lines[0].replace(b'"schema":', b'"schema":9'), *lines[1:]], "newer towline"),
        (lambda lines: [lines[0].replace(b'"password_hash"', b'"hash_of_old"'), *lines[1:]], "no column"),
    ],
    ids=["a row is missing", "another format", "a newer schema", "a strange column"],
)
async def test_a_backup_that_was_made_anew_by_hand_is_refused_in_words(tmp_path, change, said):
    config = await installation.settled(tmp_path / "old")
    await kept(config, tmp_path / "b")
    *lines, _ = change(gzip.decompress((tmp_path / "b").read_bytes()).splitlines(keepends=True))
    checksum = hashlib.sha256(b"".join(lines)).hexdigest()
    lines.append(json.dumps({"sha256": checksum}).encode() + b"\n")
    (tmp_path / "b").write_bytes(gzip.compress(b"".join(lines)))
    with pytest.raises((BackupDamaged, Conflict), match=said):
        await restored(tmp_path / "b", tmp_path / "new")


async def test_rows_that_contradict_each_other_are_refused(tmp_path):
    config = await installation.settled(tmp_path / "old")
    with closing(sqlite3.connect(config.folder / DATABASE)) as connection:
        connection.execute("UPDATE members SET user_guid = 'nobody'")
        connection.execute("INSERT INTO members VALUES ('org-acme', 'nobody', '[]')")
        connection.commit()
    await kept(config, tmp_path / "b")
    with pytest.raises(BackupDamaged, match="a row of members refers to one of users"):
        await restored(tmp_path / "b", tmp_path / "new")


async def test_a_trail_that_was_rewritten_is_told_and_its_missing_tail_too(tmp_path):
    config = await installation.settled(tmp_path / "old")
    with closing(sqlite3.connect(config.folder / DATABASE)) as connection:
        connection.execute("DROP TRIGGER audit_is_not_deleted")
        connection.execute("DELETE FROM audit WHERE seq = 3")
        connection.commit()
    await kept(config, tmp_path / "b")
    examined = await restored(tmp_path / "b", tmp_path / "new", keyring_of=config)
    assert (examined.audit_broken_at, examined.is_whole) == (3, False)


async def test_what_the_keyring_does_not_open_is_named(tmp_path):
    config = await installation.settled(tmp_path / "old")
    await kept(config, tmp_path / "b")
    other = Config(data=str(tmp_path / "other"))
    other.folder.mkdir()
    Keyring.at(other.folder / KEYRING)
    examined = await upkeep.examine(other, tmp_path / "b", progress=quiet)
    assert not examined.is_whole
    assert sorted(line.partition(":")[0] for line in examined.unopened) == [
        "secret pull-0 of project alpha",
        "secret pull-1 of project alpha",
        "secret pull-2 of project alpha",
        "webhook ops of project alpha",
    ]
    without = await upkeep.examine(Config(data=str(tmp_path / "none")), tmp_path / "b", progress=quiet)
    assert (without.unopened, without.sealed) == (None, 4)
    assert not (tmp_path / "none").exists()


async def test_every_table_with_sealed_values_is_looked_at(tmp_path):
    store = await SqliteStore.open(tmp_path / DATABASE)
    await store.close()
    with closing(sqlite3.connect(tmp_path / DATABASE)) as connection:
        tables = connection.execute(
            "SELECT m.name FROM sqlite_schema AS m JOIN pragma_table_info(m.name) AS c"
            " WHERE m.type = 'table' AND c.name LIKE ?",
            (f"%{SEALED}%",),
        ).fetchall()
    assert {name for (name,) in tables} == sealed_tables()


async def test_a_place_that_is_not_empty_or_in_use_is_refused_and_stays(tmp_path):
    config = await installation.settled(tmp_path / "old")
    await kept(config, tmp_path / "b")
    before = rows_of(config.folder)
    with pytest.raises(Conflict, match="move it away first"):
        await restored(tmp_path / "b", config.folder)
    assert rows_of(config.folder) == before
    (tmp_path / "used").mkdir()
    with alone_in(tmp_path / "used"), pytest.raises(Conflict, match="another towline serves"):
        await restored(tmp_path / "b", tmp_path / "used")


async def test_a_backup_replaces_nothing_but_a_backup(tmp_path):
    config = await installation.settled(tmp_path / "old")
    (tmp_path / "letter").write_text("dear jane")
    for other in (tmp_path / "letter", config.folder / DATABASE, config.folder):
        with pytest.raises(Conflict, match="is there and is no backup"):
            await kept(config, other)
    assert (tmp_path / "letter").read_text() == "dear jane"
    await kept(config, tmp_path / "b")
    await kept(config, tmp_path / "b")


async def test_where_no_database_is_that_is_said(tmp_path):
    with pytest.raises(NotFound, match="database"):
        await kept(Config(data=str(tmp_path)), tmp_path / "b")
    (tmp_path / DATABASE).write_bytes(b"")
    with pytest.raises(StoreFailed, match="not one of Towline's"):
        await kept(Config(data=str(tmp_path)), tmp_path / "b")
    assert not (tmp_path / "b").exists()


def as_of_schema(number: int, backup: bytes) -> bytes:
    """Return a backup as that schema would have made it, without the tables and columns that came later."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as old:
        migrate(old, known_migrations()[:number])
        tables = old.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        known = {
            name: {column[1] for column in old.execute(f"PRAGMA table_info('{name}')")} for (name,) in tables
        }
    first, *lines, _ = gzip.decompress(backup).splitlines(keepends=True)
    head = json.loads(first)
    head["contents"]["schema"] = number
    rows, kept, at = [], [], 0
    for table in head["contents"]["tables"]:
        its_rows, at = lines[at : at + table["rows"]], at + table["rows"]
        if table["name"] not in known:
            continue  # the old schema had no place for its rows
        stays = [column["name"] in known[table["name"]] for column in table["columns"]]
        table["columns"] = list(compress(table["columns"], stays))
        rows += [json.dumps(list(compress(json.loads(row), stays))).encode() + b"\n" for row in its_rows]
        kept.append(table)
    assert len(kept) < len(head["contents"]["tables"])
    head["contents"]["tables"] = kept
    rows.insert(0, json.dumps(head).encode() + b"\n")
    rows.append(json.dumps({"sha256": hashlib.sha256(b"".join(rows)).hexdigest()}).encode() + b"\n")
    return gzip.compress(b"".join(rows))


async def test_a_backup_of_an_older_schema_is_restored_and_brought_up_to_date(tmp_path):
    config = await installation.settled(tmp_path / "old")
    await kept(config, tmp_path / "b")
    (tmp_path / "b").write_bytes(as_of_schema(6, (tmp_path / "b").read_bytes()))
    assert (await restored(tmp_path / "b", tmp_path / "new", keyring_of=config)).is_whole
    assert len(rows_of(tmp_path / "new")["schema_migrations"]) == len(known_migrations())


def killed_in_the_middle(verb: str, config: Config, file: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, str(HELD), verb, config.data, str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert child.stdout.readline() == b"in the middle\n"
    finally:
        child.kill()
        child.communicate()


def test_a_backup_that_is_killed_leaves_the_old_one_and_the_next_tidies_up(tmp_path):
    config = asyncio.run(installation.settled(tmp_path / "old", secrets=MORE_THAN_ONE_REPORT))
    folder = tmp_path / "backups"
    folder.mkdir()
    asyncio.run(kept(config, folder / "b"))
    before = (folder / "b").read_bytes()
    killed_in_the_middle("backup", config, folder / "b")
    assert (folder / "b").read_bytes() == before
    assert len(list(folder.iterdir())) == 2
    asyncio.run(kept(config, folder / "b"))
    assert [path.name for path in folder.iterdir()] == ["b"]


def test_a_restoration_that_is_killed_leaves_an_empty_place_where_the_next_succeeds(tmp_path):
    config = asyncio.run(installation.settled(tmp_path / "old", secrets=MORE_THAN_ONE_REPORT))
    asyncio.run(kept(config, tmp_path / "b"))
    new = Config(data=str(tmp_path / "new"))
    killed_in_the_middle("restore", new, tmp_path / "b")
    assert not (new.folder / DATABASE).exists()
    asyncio.run(restored(tmp_path / "b", new.folder))
    assert sorted(path.name for path in new.folder.iterdir()) == ["lock", DATABASE]
    assert len(rows_of(new.folder)["secrets"]) == MORE_THAN_ONE_REPORT


def test_a_restoration_into_postgresql_that_is_killed_is_finished_by_the_same_backup_alone(
    tmp_path, postgres_address, monkeypatch
):
    config = asyncio.run(installation.settled(tmp_path / "old", secrets=MORE_THAN_ONE_REPORT))
    asyncio.run(kept(config, tmp_path / "b"))
    asyncio.run(kept(asyncio.run(installation.settled(tmp_path / "another")), tmp_path / "c"))
    monkeypatch.setenv("TOWLINE_DATABASE", postgres_address.url.replace("@", f":{PASSWORD}@", 1))
    new = load({"data": str(tmp_path / "new")})
    killed_in_the_middle("restore", new, tmp_path / "b")
    with pytest.raises(Conflict, match=r"a restoration that was not finished.*the same backup"):
        asyncio.run(store_of(new))
    with pytest.raises(Conflict, match="finish that"):
        asyncio.run(upkeep.restore(new, tmp_path / "c", progress=quiet))
    asyncio.run(upkeep.restore(new, tmp_path / "b", progress=quiet))

    async def secrets() -> int:
        store = await store_of(new)
        try:
            assert await store.read(lambda tx: tx.audit.verify()) is None
            return await store.read(lambda tx: len(tx.secrets.by_name(ALPHA.guid, after="", most=10**6)))
        finally:
            await store.close()

    assert asyncio.run(secrets()) == MORE_THAN_ONE_REPORT
