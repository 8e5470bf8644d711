"""Engines, defaults, and on which engine deployments live, as the store keeps them."""

import sqlite3

import pytest
from store_samples import ALPHA, BETA, deployment, later

from towline.domain.engine import EngineKind, EngineRecord, EngineSpec
from towline.domain.errors import Conflict
from towline.domain.listing import Page
from towline.ports import DeploymentQuery
from towline.store.migrations import known_migrations, migrate


def record(name: str) -> EngineRecord:
    spec = EngineSpec(EngineKind.KUBERNETES, "https://10.0.0.1:6443", context="prod", platform="linux/arm64")
    return EngineRecord(f"engine-{name}", name, spec, added_at=later(0), identities=("kubernetes:1", "two"))


async def test_an_engine_is_kept_whole_with_its_sealed_keys_and_in_order(store) -> None:
    await store.write(lambda tx: tx.engines.add(record("b"), b"\x00sealed"))
    await store.write(lambda tx: tx.engines.add(record("a"), b"also"))
    found = await store.read(lambda tx: tx.engines.all())
    assert found == ((record("a"), b"also"), (record("b"), b"\x00sealed"))
    with pytest.raises(Conflict, match="'a' exists"):
        await store.write(
            lambda tx: tx.engines.add(EngineRecord("engine-c", "a", record("a").spec), b"again")
        )


async def test_defaults_go_with_their_engine_and_with_their_project(store) -> None:
    def change(tx) -> None:
        for name in ("a", "b"):
            tx.engines.add(record(name), b"sealed")
        tx.engines.set_default("a")
        tx.engines.set_default("a", ALPHA.guid)
        tx.engines.set_default("b", ALPHA.guid)
        tx.engines.set_default("a", BETA.guid)

    await store.write(change)
    both = await store.read(lambda tx: tx.engines.defaults_of_projects())
    assert both == {ALPHA.guid: "b", BETA.guid: "a"}
    await store.write(lambda tx: tx.engines.remove("a"))
    assert await store.read(lambda tx: (tx.engines.default(), tx.engines.default(BETA.guid))) == ("", "")
    await store.write(lambda tx: tx.tenants.remove_project(ALPHA.guid))
    assert await store.read(lambda tx: tx.engines.defaults_of_projects()) == {}


async def test_deployments_are_counted_where_they_live(store) -> None:
    def change(tx) -> None:
        tx.deployments.add(deployment("one", engine="a"), due=later(0))
        tx.deployments.add(deployment("two", engine="a"), due=later(0))
        tx.deployments.add(deployment("three", engine="b"), due=later(0))

    await store.write(change)
    found = await store.read(lambda tx: tx.deployments.page(ALPHA.guid, Page(), query=DeploymentQuery()))
    assert {each.name: each.engine for each in found.items} == {"one": "a", "two": "a", "three": "b"}
    live = await store.read(lambda tx: tx.deployments.live_guids(engine="a"))
    assert live == {each.guid for each in found.items if each.engine == "a"}
    assert await store.read(lambda tx: tx.deployments.by_engine()) == {"a": 2, "b": 1}
    ended = next(each for each in found.items if each.name == "one").stopped(at=later(1))
    await store.write(lambda tx: tx.deployments.wish(ended, due=later(1)))
    assert await store.read(lambda tx: tx.deployments.by_engine()) == {"a": 1, "b": 1}
    assert await store.read(lambda tx: tx.deployments.on_engine("a")) == 2
    """One that is yet to be ended is still there."""


def test_what_ran_before_lives_on_the_installations_own_engine(tmp_path) -> None:
    connection = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    known = known_migrations()
    [number] = [at for at, (name, _) in enumerate(known) if name.endswith("_engines.sql")]
    migrate(connection, known[:number])
    connection.execute("INSERT INTO settings (name, value) VALUES ('engine', 'docker')")
    connection.execute(
        "INSERT INTO deployments (guid, project_guid, name, creator_guid, created_at, updated_at, generation,"
        " labels, package_name, package_version, wish, phase, status)"
        " VALUES ('dep-1', 'project-1', 'one', 'user-1', 0, 0, 1, '{}', 'app', '1', '{}', 'Succeeded', '{}')"
    )
    migrate(connection, known)
    assert connection.execute("SELECT engine FROM deployments").fetchall() == [("docker",)]
    connection.close()


async def test_the_work_of_an_older_program_is_adopted(store) -> None:
    await store.write(lambda tx: tx.deployments.add(deployment("one", engine=""), due=later(0)))
    await store.write(lambda tx: tx.deployments.add(deployment("two", engine="a"), due=later(0)))
    await store.write(lambda tx: tx.deployments.adopt("embedded"))
    assert await store.read(lambda tx: tx.deployments.by_engine()) == {"a": 1, "embedded": 1}
