"""Backups as an operator makes them: the real command, beside a real server."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from parts.forks import towline
from parts.registry import free_port
from parts.require import require
from parts.server import EMAIL, PASSWORD, Server, running_server

CANARY = "v4lue-of-an-opaque-secret"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    require("runc")
    require("root")
    with running_server(tmp_path_factory.mktemp("server")) as made:
        body = {
            "kind": "Secret",
            "metadata": {"name": "settings"},
            "spec": {"type": "Opaque", "data": {"KEY": CANARY}},
        }
        made.call("POST", "/v2/secrets/", body)
        yield made


def admin(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return towline("admin", *words)


def with_keyring(server: Server, folder: Path) -> Path:
    folder.mkdir(mode=0o700)
    (folder / "keyring.json").touch(0o600)
    (folder / "keyring.json").write_bytes((server.data / "keyring.json").read_bytes())
    return folder


def test_a_server_goes_on_elsewhere_with_what_a_backup_of_it_held(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "towline.backup"
    kept = admin("backup", file, "--data", server.data)
    assert kept.returncode == 0, kept.stderr
    assert "rows of" in kept.stdout
    assert f"The keyring is not in it: {server.data / 'keyring.json'}" in kept.stderr
    new = Server(tmp_path, free_port())
    with_keyring(server, new.data)
    back = admin("restore", file, "--data", new.data)
    assert (back.returncode, "all 2 sealed values open" in back.stdout) == (0, True), back.stderr
    new.start()
    try:
        new.token, new.project = server.token, server.project
        assert new.ask("GET", "/v2/secrets/settings/")[0] == 401  # sessions were ended
        login = new.call("POST", "/user/login?type=med", {"email": EMAIL, "password": PASSWORD})
        new.token = login["data"]["token"]
        assert new.call("GET", "/v2/secrets/settings/") == server.call("GET", "/v2/secrets/settings/")
    finally:
        assert new.stop() == 0


def test_programs_read_what_was_kept_and_verified(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "towline.backup"
    kept = json.loads(admin("backup", file, "--data", server.data, "-o", "json").stdout)
    verified = admin("backup", "verify", file, "--data", server.data, "-o", "json")
    assert verified.returncode == 0, verified.stderr
    told = json.loads(verified.stdout)
    assert (told["sealed"], told["audit"]) == (
        {"values": 2, "unreadable": []},
        {"whole": True, "brokenAt": None},
    )
    assert kept.pop("keyring") == {"keptIn": str(server.data / "keyring.json"), "copiedTo": None}
    assert kept == {key: told[key] for key in kept}
    assert (kept["bytes"], kept["tables"]["secrets"]) == (file.stat().st_size, 1)


def test_exit_codes_tell_a_wrong_keyring_from_none_and_both_from_a_damaged_file(
    server: Server, tmp_path: Path
) -> None:
    file = tmp_path / "towline.backup"
    assert admin("backup", file, "--data", server.data, "--include-keyring", tmp_path / "k").returncode == 0
    none = admin("backup", "verify", file, "--data", tmp_path / "none")
    assert (none.returncode, "There is no keyring in" in none.stderr) == (8, True)
    other = tmp_path / "other"
    other.mkdir()
    fresh = Server(other, free_port())
    fresh.start()
    assert fresh.stop() == 0
    wrong = admin("backup", "verify", file, "--data", fresh.data)
    assert (wrong.returncode, "Does not open: secret settings of project demo" in wrong.stderr) == (6, True)
    assert admin("restore", file, "--data", fresh.data).returncode == 4
    assert admin("backup", tmp_path / "k", "--data", server.data).returncode == 4
    assert admin("backup", tmp_path / "x", "--data", tmp_path / "none").returncode == 3
    file.write_bytes(file.read_bytes()[:-9])
    assert admin("backup", "verify", file, "--data", server.data).returncode == 1
    assert admin("restore", tmp_path / "absent", "--data", tmp_path / "new").returncode == 1
