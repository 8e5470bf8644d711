"""`towline admin keys` beside a server that runs, and a server whose keys are in Vault."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from parts.forks import towline
from parts.registry import certificate, free_port
from parts.server import running_server, until
from parts.transit_engine import ROLE_ID, SECRET_ID, running_transit
from parts.world import opaque_draft, small_world
from towline.domain.credential import Password
from towline.ports import Binding
from towline.services.keys import BATCH
from towline.store.keyring import Keyring
from towline.store.sqlite import SqliteStore
from towline.store.vault import SealingVault

WITHOUT_ENGINE = ("--engine", "embedded")


def keys(data: Path, *words: str, code: int = 0, environment=None):
    """Run `towline admin keys` and return what it printed as JSON."""
    environment = {**os.environ, **(environment or {})}
    ran = towline("admin", "keys", *words, "--data", data, "-o", "json", env=environment)
    assert code is None or ran.returncode == code, ran.stderr
    return _of_secrets(json.loads(ran.stdout)) if ran.stdout else ran.stderr


def _of_secrets(printed):
    """Leave out the key that the audit trail is signed by, which is made some time after a start."""
    if isinstance(printed, dict):
        return printed
    rows = [row for row in printed if row.get("kind") != "audit-signer"]
    for row in rows:
        row.get("uses", {}).pop("audit-signer", None)
    return rows


def secret(name: str, value: str = "x") -> dict[str, object]:
    return {"metadata": {"name": name}, "spec": {"type": "Opaque", "data": {"VALUE": value}}}


def finding_of(server, name: str) -> str:
    document = server.call("GET", f"/v2/secrets/{name}/")
    return document.get("status", {}).get("finding", {}).get("code", "")


def test_keys_are_rotated_and_retired_while_the_server_runs(tmp_path):
    with running_server(tmp_path) as server:
        for number in range(5):
            server.call("POST", "/v2/secrets/", secret(f"keys-{number}"))
        (old,) = keys(server.data, "list")
        assert (old["state"], old["uses"]) == ("active", {"secret": 5})
        refused = keys(server.data, "rotate", code=2)
        assert "say --yes" in refused
        outcome = keys(server.data, "rotate", "--yes")
        assert (outcome["moved"] in (5, 6), outcome["unreadable"]) == (True, [])
        server.call("POST", "/v2/secrets/", secret("after"))
        assert "is the active one" in keys(server.data, "retire", outcome["active"], "--yes", code=4)
        keys(server.data, "retire", old["id"], "--yes")
        (only,) = keys(server.data, "list")
        assert (only["id"], only["uses"]) == (outcome["active"], {"secret": 6})
        assert keys(server.data, "check") == []
        server.call("PUT", "/v2/secrets/keys-0/", secret("keys-0", "y"))
        assert server.stop() == 0
        server.start()
        assert keys(server.data, "check") == []


def test_a_lost_keyring_is_told_survived_and_mended(tmp_path):
    with running_server(tmp_path) as server:
        server.call("POST", "/v2/secrets/", secret("mine"))
        server.stop()
        kept = (server.data / "keyring.json").read_text()
        (server.data / "keyring.json").unlink()
        server.begin()
        assert server.process.wait(60) == 1
        assert "towline admin keys add" in server.log.read_text()
        (lost,) = keys(server.data, "list", code=1)
        assert (lost["state"], lost["place"]) == ("lost", "")
        (told,) = keys(server.data, "check", code=1)
        assert (told["kind"], told["name"], told["project"]) == ("secret", "mine", "demo")
        keys(server.data, "add", "--yes")
        server.start()
        until(lambda: finding_of(server, "mine") == "secret-unreadable", "the finding")
        server.call("POST", "/v2/secrets/", secret("other"))
        server.call("PUT", "/v2/secrets/mine/", secret("mine", "anew"))
        assert finding_of(server, "mine") == ""
        assert keys(server.data, "check", code=None) == []
        assert json.loads(kept)["active"] != keys(server.data, "list", code=None)[0]["id"]


@pytest.mark.parametrize("signing_in", ["token", "approle"])
def test_a_server_seals_by_vault_over_tls(tmp_path, signing_in):
    leaf, port = certificate(tmp_path), free_port()
    (tmp_path / "ca.pem").write_text(leaf.ca_pem)
    with running_transit(leaf, port=port) as vault:
        words = ["--vault-address", vault.address, "--vault-ca", str(tmp_path / "ca.pem")]
        environment = {"TOWLINE_VAULT_ADDRESS": vault.address, "TOWLINE_VAULT_CA": str(tmp_path / "ca.pem")}
        if signing_in == "token":
            (tmp_path / "token").write_text(vault.token("admin"))
            words += ["--vault-token-file", str(tmp_path / "token")]
            environment["TOWLINE_VAULT_TOKEN_FILE"] = str(tmp_path / "token")
        else:
            (tmp_path / "secret-id").write_text(SECRET_ID)
            words += ["--vault-role-id", ROLE_ID, "--vault-secret-id-file", str(tmp_path / "secret-id")]
            environment["TOWLINE_VAULT_ROLE_ID"] = ROLE_ID
            environment["TOWLINE_VAULT_SECRET_ID_FILE"] = str(tmp_path / "secret-id")
        with running_server(tmp_path, *WITHOUT_ENGINE, *words) as server:
            server.call("POST", "/v2/secrets/", secret("mine"))
            assert not (server.data / "keyring.json").exists()
            (only,) = keys(server.data, "list", environment=environment)
            assert (only["id"], only["uses"]) == ("transit:towline:v1", {"secret": 1})
            vault.keys["towline"].rotate()
            server.call("POST", "/v2/secrets/", secret("later"))
            listed = keys(server.data, "list", environment=environment)
            assert [(each["id"], each["uses"]) for each in listed] == [
                ("transit:towline:v2", {"secret": 1}),
                ("transit:towline:v1", {"secret": 1}),
            ]
            if signing_in == "token":
                outcome = keys(server.data, "rotate", "--yes", environment=environment)
                assert (outcome["active"], outcome["moved"] in (2, 3)) == ("transit:towline:v3", True)
                keys(server.data, "retire", "transit:towline:v2", "--yes", environment=environment)
                assert vault.keys["towline"].least == 3


def test_a_vault_that_is_down_at_the_start_or_later_is_told_and_waited_for(tmp_path):
    port = free_port()
    with running_transit(port=port) as vault:
        (tmp_path / "token").write_text(vault.token())
        words = ["--vault-address", vault.address, "--vault-token-file", str(tmp_path / "token")]
        with running_server(tmp_path, *WITHOUT_ENGINE, *words) as server:
            server.call("POST", "/v2/secrets/", secret("mine"))
            vault.sealed = True
            status, body = server.ask("GET", "/readyz")
            assert (status, b"keys" in body) == (503, True)
            status, body = server.ask("POST", "/v2/secrets/", secret("other"))
            assert status == 503
            assert "Vault is sealed" in json.loads(body)["error"]
            assert server.ask("GET", "/v2/secrets/mine/")[0] == 200
            server.stop()
            server.begin()
            until(lambda: server.ask("GET", "/healthz")[0] == 200, "the server to live")
            assert server.ask("GET", "/readyz")[0] == 503
            assert server.ask("GET", "/v2/secrets/mine/")[0] == 200
            until(lambda: "keys.unreachable" in server.log.read_text(), "the log to tell it")
            vault.sealed = False
            until(lambda: server.ask("GET", "/readyz")[0] == 200, "the server to be ready")
            server.call("POST", "/v2/secrets/", secret("other"))


async def _many_values(data: Path, count: int) -> None:
    """Fill a data folder with sealed values as a server would."""
    keyring, _ = Keyring.at(data / "keyring.json")
    vault = SealingVault(keyring)
    store = await SqliteStore.open(data / "towline.db")
    async with small_world(vault=vault, store=store) as world:
        for begin in range(0, count, 200):
            drafts = [opaque_draft(f"keys-{number}") for number in range(begin, begin + 200)]
            await asyncio.gather(*(world.secrets.create(world.access, draft) for draft in drafts))


async def _all_open(data: Path) -> int:
    vault = SealingVault(Keyring.at(data / "keyring.json")[0])
    store = await SqliteStore.open(data / "towline.db")
    try:
        values = await store.read(lambda tx: tx.keys.sealed("secret", after="", most=100_000))
        for value in values:
            assert isinstance(value.binding, Binding)
            assert isinstance(await vault.open(value.sealed, value.binding), Password)
        return len(values)
    finally:
        await store.close()


def test_a_rotation_that_is_killed_goes_on_where_it_was(tmp_path):
    total = 40 * BATCH // 200 * 200
    asyncio.run(_many_values(tmp_path, total))
    command = [sys.executable, "-m", "towline", "admin", "keys", "rotate", "--yes", "--data", str(tmp_path)]
    for _ in range(2):
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as rotating:
            told = [rotating.stderr.readline() for _ in range(3)]
            rotating.kill()
        assert "values moved" in told[-1]
    listed = keys(tmp_path, "list")
    assert [each["state"] for each in listed] == ["active", "in use"]
    assert asyncio.run(_all_open(tmp_path)) == total
    moved_before = listed[0]["uses"]["secret"]
    assert 0 < moved_before < total
    outcome = keys(tmp_path, "rotate", "--yes")
    assert (outcome["active"], outcome["moved"]) == (listed[0]["id"], total - moved_before)
    assert asyncio.run(_all_open(tmp_path)) == total
    keys(tmp_path, "retire", listed[1]["id"], "--yes")
