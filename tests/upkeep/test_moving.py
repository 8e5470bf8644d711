"""Moving an installation between SQLite and PostgreSQL: everything arrives, whatever happens on the way."""

import asyncio
import json
import os
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import installation
import pytest
from installation import CANARY

from parts.fakes import NOON
from parts.forks import towline
from parts.postgres import PASSWORD, connected
from towline import moving, upkeep
from towline.app import DATABASE
from towline.config import Config
from towline.domain.audit import AuditEntry
from towline.domain.errors import Conflict, InvalidInput
from towline.keeping import KEYRING
from towline.listening import alone_in
from towline.ports import Binding
from towline.store.keyring import Keyring
from towline.store.moving import rows_of
from towline.store.opening import opened
from towline.store.postgres.moving import PostgresEnd
from towline.store.sqlite import SqliteStore
from towline.store.sqlite.moving import SqliteEnd
from towline.store.sqlite.schema import shapes
from towline.store.vault import SealingVault

EVERY = frozenset(shape.name for shape in shapes())


def quiet(done: int, total: int) -> None:
    """Show nothing."""


async def move(origin, target, *, keyring_of: Config, progress=quiet, accept_unreadable=False):
    return await moving.move(
        keyring_of, origin, target, accept_unreadable=accept_unreadable, progress=progress
    )


def everything(place) -> list[tuple]:
    """Return every row, but for what marks a place as left."""
    end = SqliteEnd.of_file(place / DATABASE) if isinstance(place, Path) else PostgresEnd.at(place)
    with end as opened_end:
        found = [(table.name, tuple(row)) for table, row in rows_of(opened_end, EVERY)]
    return [(table, row) for table, row in found if row[0] != "store-moved-to"]


async def change(config: Config) -> None:
    """Do what a server does meanwhile: add, change and delete."""
    store = await SqliteStore.open(config.folder / DATABASE)

    def work(tx):
        project = installation.ALPHA.guid
        tx.secrets.remove(project, "pull-0")
        kept = tx.secrets.get(project, "pull-1")
        tx.secrets.save(replace(kept, document=b"changed"))
        tx.audit.append(AuditEntry(NOON, "jane", "secret.deleted", "pull-0"))
        tx.settings.put("another", "setting")

    await store.write(work)
    await store.close()


async def test_everything_arrives_and_opens_and_goes_on_with_the_numbers(tmp_path, postgres_address):
    config = await installation.settled(tmp_path / "old", secrets=1500)
    before = everything(config.folder)
    outcome = await move(config.folder, postgres_address, keyring_of=config)
    assert (outcome.finished, outcome.sealed, outcome.unopened) == (True, 1501, ())
    assert everything(postgres_address) == before
    store = await opened(Path("nowhere"), postgres_address, connections=2)
    record = await store.read(lambda tx: tx.secrets.get(installation.ALPHA.guid, "pull-7"))
    vault = SealingVault(Keyring.at(config.folder / KEYRING)[0])
    guid = record.secret.metadata.guid
    opened_value = await vault.open(record.sealed, Binding(installation.ALPHA.guid, guid, version=1))
    assert opened_value.reveal() == CANARY
    assert await store.read(lambda tx: tx.audit.verify()) is None
    await store.write(lambda tx: tx.secrets.add(installation.pull_secret("new")))
    await store.write(lambda tx: tx.audit.append(AuditEntry(NOON, "jane", "secret.created", "new")))
    assert await store.read(lambda tx: tx.audit.verify()) is None
    await store.close()


async def test_the_way_back_ends_where_it_began(tmp_path, postgres_address):
    config = await installation.settled(tmp_path / "old")
    before = everything(config.folder)
    await move(config.folder, postgres_address, keyring_of=config)
    outcome = await move(postgres_address, tmp_path / "new", keyring_of=config)
    assert (outcome.finished, outcome.unopened) == (True, ())
    assert everything(tmp_path / "new") == before
    store = await opened(tmp_path / "new" / DATABASE, None, connections=1)
    await store.write(lambda tx: tx.audit.append(AuditEntry(NOON, "jane", "secret.created", "new")))
    assert await store.read(lambda tx: tx.audit.verify()) is None
    await store.close()


async def test_no_server_starts_on_what_was_left_or_is_not_finished(tmp_path, postgres_address):
    config = await installation.settled(tmp_path / "old")
    with alone_in(config.folder):
        await move(config.folder, postgres_address, keyring_of=config)
    with pytest.raises(Conflict, match=r"unfinished move of .*old: run admin migrate-store again"):
        await opened(Path("nowhere"), postgres_address, connections=1)
    await move(config.folder, postgres_address, keyring_of=config)
    with pytest.raises(Conflict, match="was moved to postgresql://"):
        await opened(config.folder / DATABASE, None, connections=1)


async def test_what_a_running_server_did_meanwhile_comes_along_once_it_stopped(tmp_path, postgres_address):
    config = await installation.settled(tmp_path / "old", secrets=20)
    with alone_in(config.folder):
        running = await move(config.folder, postgres_address, keyring_of=config)
        await change(config)
    assert not running.finished
    outcome = await move(config.folder, postgres_address, keyring_of=config)
    assert outcome.finished
    assert outcome.moved.written <= 8 < running.moved.written
    assert everything(postgres_address) == everything(config.folder)


async def test_a_move_that_broke_off_goes_on_where_it_was(tmp_path, postgres_address):
    config = await installation.settled(tmp_path / "old", secrets=3000)

    def breaks(done, total):
        if done > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await move(config.folder, postgres_address, keyring_of=config, progress=breaks)
    outcome = await move(config.folder, postgres_address, keyring_of=config)
    assert outcome.finished
    assert 0 < outcome.moved.written < sum(outcome.moved.rows.values()) * 0.75
    assert everything(postgres_address) == everything(config.folder)


async def test_a_target_with_something_in_it_is_left_alone(tmp_path, postgres_address):
    config = await installation.settled(tmp_path / "old")
    other = await installation.settled(tmp_path / "other")
    await move(other.folder, postgres_address, keyring_of=other)
    before = everything(postgres_address)
    with pytest.raises(Conflict, match="the target is not empty: there are rows in"):
        await move(config.folder, postgres_address, keyring_of=config)
    assert everything(postgres_address) == before


async def test_another_installations_unfinished_move_is_not_gone_on_with(tmp_path, postgres_address):
    config = await installation.settled(tmp_path / "old")
    other = await installation.settled(tmp_path / "other")
    with alone_in(other.folder):
        await move(other.folder, postgres_address, keyring_of=other)
    with pytest.raises(Conflict, match=r"holds a part of .*other"):
        await move(config.folder, postgres_address, keyring_of=config)


async def test_the_wrong_keyring_is_found_before_anything_is_switched_over(tmp_path, postgres_address):
    config = await installation.settled(tmp_path / "old")
    wrong = await installation.settled(tmp_path / "wrong")
    with pytest.raises(Conflict, match=r"4 sealed values do not open .*webhook ops of project alpha"):
        await move(config.folder, postgres_address, keyring_of=wrong)
    taken = await move(config.folder, postgres_address, keyring_of=wrong, accept_unreadable=True)
    assert (taken.finished, len(taken.unopened)) == (True, 4)


async def test_two_places_of_one_kind_are_refused(tmp_path, postgres_address):
    config = await installation.settled(tmp_path / "old")
    with pytest.raises(InvalidInput, match="same kind"):
        await move(config.folder, tmp_path / "new", keyring_of=config)


def test_the_command_moves_tells_what_it_did_and_shows_no_password(tmp_path, postgres_address):
    config = asyncio.run(installation.settled(tmp_path / "old"))
    url = postgres_address.url
    environment = {**os.environ, "TOWLINE_DATABASE": url.replace("@", f":{PASSWORD}@", 1)}
    words = ["admin", "migrate-store", "--from", str(config.folder), "--to", url, "-o", "json"]
    done = towline(*words, env=environment)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["finished"], told["sealed"]) == (True, {"values": 4, "unreadable": []})
    assert PASSWORD not in done.stdout + done.stderr
    with closing(connected(postgres_address)) as database:
        assert database.execute("SELECT count(*) FROM secrets").fetchone() == (3,)


def test_a_password_in_the_command_line_is_refused(tmp_path):
    words = ["admin", "migrate-store", "--from", str(tmp_path), "--to", "postgresql://me:s3cret@127.0.0.1/x"]
    done = towline(*words)
    assert done.returncode == 2
    assert "a password in a flag is shown in the list of processes" in done.stderr
    assert "s3cret" not in done.stderr


async def test_a_backup_of_postgresql_is_restored_into_a_folder(tmp_path, postgres_address):
    config = await installation.settled(tmp_path / "old")
    before = [(table, row) for table, row in everything(config.folder) if b"login" not in row]
    await move(config.folder, postgres_address, keyring_of=config)
    there = replace(config, postgresql=postgres_address)
    await upkeep.keep_backup(there, tmp_path / "backup", keyring_to=None, progress=quiet)
    (tmp_path / "new").mkdir()
    Keyring.at(config.folder / KEYRING)[0].put_at(tmp_path / "new" / KEYRING)
    new = Config(data=str(tmp_path / "new"))
    examined = await upkeep.restore(new, tmp_path / "backup", progress=quiet)
    assert (examined.is_whole, examined.sealed) == (True, 4)
    assert everything(tmp_path / "new") == before
    with pytest.raises(Conflict, match="the target is not empty"):
        await upkeep.restore(there, tmp_path / "backup", progress=quiet)


async def test_a_backup_of_sqlite_is_restored_into_postgresql_and_goes_on_after_a_break(
    tmp_path, postgres_address
):
    config = await installation.settled(tmp_path / "old", secrets=2500)
    before = [(table, row) for table, row in everything(config.folder) if b"login" not in row]
    await upkeep.keep_backup(config, tmp_path / "backup", keyring_to=None, progress=quiet)
    there = replace(config, postgresql=postgres_address)
    unpacked = []

    def break_off(done: int, total: int) -> None:
        if unpacked and done >= 1000:
            raise InterruptedError
        if done == total:
            unpacked.append(done)

    with pytest.raises(InterruptedError):
        await upkeep.restore(there, tmp_path / "backup", progress=break_off)
    with pytest.raises(Conflict, match="a restoration that was not finished"):
        await opened(tmp_path / "none", postgres_address, connections=1)
    examined = await upkeep.restore(there, tmp_path / "backup", progress=quiet)
    assert (examined.is_whole, examined.sealed) == (True, 2501)
    assert everything(postgres_address) == before
