"""What the doctor finds, each thing broken in turn and for real."""

import json
import socket
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import installation
import pytest

from parts.forks import towline
from parts.registry import free_port
from parts.require import require
from parts.server import Server, running_server
from towline.app import DATABASE
from towline.config import Config
from towline.doctor import FAILED, OK, WARNING, Check, examined
from towline.keeping import KEYRING
from towline.store.keyring import Keyring


def config_of(folder: Path, port: int | None = None) -> Config:
    return Config(data=str(folder), port=free_port() if port is None else port)


async def found(config: Config) -> dict[str, Check]:
    return {check.name: check for check in await examined(config)}


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """A data folder in order, but for its registry, which is not there."""
    await installation.settled(tmp_path)
    return tmp_path


async def test_an_installation_in_order_is_told_so(folder):
    checks = await found(config_of(folder))
    for name in ("data folder", "database", "schema", "audit trail", "keyring", "port"):
        assert (checks[name].state, checks[name].fix) == (OK, "")
    assert "sqlite" in checks["database"].told
    assert checks["keyring"].told == "it opens all 4 sealed values"


async def test_looking_changes_nothing(folder):
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        before = "\n".join(connection.iterdump())
    await examined(config_of(folder))
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        assert "\n".join(connection.iterdump()) == before
    await examined(config_of(folder / "none"))
    assert not (folder / "none").exists()


async def test_a_registry_that_does_not_answer_is_named_with_its_finding(folder):
    port = free_port()
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        connection.execute(
            "UPDATE secrets SET body = json_set(body, '$.registry.host', '127.0.0.1', '$.registry.port', ?)",
            (port,),
        )
        connection.commit()
    check = (await found(config_of(folder)))[f"registry 127.0.0.1:{port}"]
    assert (check.state, check.told.split(":")[0]) == (FAILED, "registry-refused")
    assert check.fix


async def test_a_folder_that_others_may_read_is_told(folder):
    folder.chmod(0o755)
    check = (await found(config_of(folder)))["data folder"]
    assert (check.state, check.fix) == (FAILED, f"chmod 700 {folder}")


async def test_a_keyring_that_is_missing_wrong_or_open_to_others_is_told(folder):
    kept = (folder / KEYRING).rename(folder / "kept")
    check = (await found(config_of(folder)))["keyring"]
    assert (check.state, check.told) == (FAILED, "there is none, and 4 values are sealed")
    Keyring.at(folder / KEYRING)
    check = (await found(config_of(folder)))["keyring"]
    assert (check.state, check.told.startswith("4 of 4 sealed values do not open")) == (FAILED, True)
    kept.replace(folder / KEYRING).chmod(0o644)
    check = (await found(config_of(folder)))["keyring"]
    assert (check.state, "chmod 600" in check.fix) == (FAILED, True)


async def test_a_damaged_database_is_told(folder):
    content = bytearray((folder / DATABASE).read_bytes())
    content[20_000:60_000] = b"\xa5" * 40_000
    (folder / DATABASE).write_bytes(content)
    check = (await found(config_of(folder)))["database"]
    assert (check.state, bool(check.fix)) == (FAILED, True)


async def test_a_database_of_a_newer_program_and_one_that_is_not_there_are_told(folder):
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        connection.execute("INSERT INTO schema_migrations VALUES (99, '0099_later.sql')")
        connection.commit()
    assert (await found(config_of(folder)))["schema"].state == FAILED
    (folder / DATABASE).unlink()
    check = (await found(config_of(folder)))["database"]
    assert (check.state, "start the server once" in check.fix) == (FAILED, True)


async def test_a_trail_that_was_cut_is_told(folder):
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        connection.execute("DROP TRIGGER audit_is_not_deleted")
        connection.execute("DELETE FROM audit WHERE seq = 2")
        connection.commit()
    check = (await found(config_of(folder)))["audit trail"]
    assert (check.state, "from row 2 on" in check.told) == (FAILED, True)


async def test_a_port_that_somebody_else_has_is_told(folder):
    with socket.create_server(("127.0.0.1", 0)) as other:
        check = (await found(config_of(folder, other.getsockname()[1])))["port"]
    assert (check.state, "already in use" in check.told) == (FAILED, True)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory):
    require("runc")
    require("root")
    with running_server(tmp_path_factory.mktemp("doctor")) as made:
        yield made


def doctor(server: Server, *words: str, port: int | None = None) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TOWLINE_PORT": str(port or server.port)}
    return towline("admin", "doctor", "--data", server.data, *words, env=environ)


def test_beside_a_running_server_it_finds_it_and_its_engine(server: Server) -> None:
    done = doctor(server, "-o", "json")
    checks = {check["name"]: check for check in json.loads(done.stdout)}
    assert done.returncode == 0, done.stdout
    assert "the server that runs on this data folder" in checks["port"]["told"]
    assert checks["engine"]["told"].startswith("embedded, runc ")
    assert checks["engine"]["state"] in (OK, WARNING)
    assert {check["state"] for check in checks.values()} <= {OK, WARNING}


def test_people_read_a_table_and_what_to_mend(server: Server) -> None:
    mode = server.data.stat().st_mode
    server.data.chmod(0o755)
    try:
        done = doctor(server)
    finally:
        server.data.chmod(mode)
    assert done.returncode == 1
    assert done.stdout.startswith("CHECK")
    assert f"data folder: chmod 700 {server.data}" in done.stdout
