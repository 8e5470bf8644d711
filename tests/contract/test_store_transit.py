"""Sealing by Vault's transit engine, spoken over HTTP and TLS to a stand-in that keeps real keys."""

import asyncio
import subprocess
import sys

import pytest

from parts.registry import certificate
from parts.transit_engine import ROLE_ID, SECRET_ID, running_transit, serving
from towline.domain.credential import Password
from towline.domain.errors import InvalidInput, KeysUnreachable, SealBroken
from towline.ports import Binding
from towline.store.custody import Custody
from towline.store.envelope import Envelope
from towline.store.keyring import Keyring
from towline.store.keyring_places import GivenPlace
from towline.store.transit import Transit
from towline.store.transit_client import TransitClient, VaultLogin
from towline.store.vault import SealingVault

HERE = Binding("project-a", "secret-a", version=1)
LOCAL = Keyring("local", {"local": b"l" * 32})


@pytest.fixture
def engine():
    with running_transit() as running:
        yield running


@pytest.fixture
async def transit_of():
    """Make transits, closed at the end."""
    made = []

    def make(engine, *, rights=(), login=None, clock=None, **options):
        login = login or VaultLogin(token=Password(engine.token(*rights)))
        clocked = {"clock": clock} if clock else {}
        client = TransitClient(engine.address, login, **clocked, **options)
        made.append(Transit(client, mount="transit", key="towline"))
        return made[-1]

    yield make
    for each in made:
        await each.close()


async def sealed_by(vault, binding=HERE):
    return await vault.seal(Password("hunter2"), binding)


async def opened_by(vault, sealed, binding=HERE):
    return (await vault.open(sealed, binding)).reveal()


async def test_a_value_is_sealed_under_a_data_key_that_vault_wraps_and_opens(engine, transit_of):
    vault = SealingVault(None, transit=transit_of(engine))
    sealed = await sealed_by(vault)
    envelope = Envelope.cut(sealed, HERE)
    assert (envelope.key_id, envelope.wrapped[:9]) == ("transit:towline:v1", b"vault:v1:")
    assert b"hunter2" not in sealed
    assert await opened_by(vault, sealed) == "hunter2"
    assert [line for line in engine.asked if "hunter2" in line] == []


async def test_a_value_copied_to_another_row_does_not_open_there(engine, transit_of):
    vault = SealingVault(None, transit=transit_of(engine))
    with pytest.raises(SealBroken, match="moved"):
        await opened_by(vault, await sealed_by(vault), Binding("project-a", "secret-b", version=1))


async def test_a_rotation_is_a_new_version_and_a_rewrap_never_takes_the_data_key_out(engine, transit_of):
    transit = transit_of(engine, rights=("admin",))
    vault = SealingVault(None, transit=transit)
    custody = Custody(vault, GivenPlace(), transit=transit)
    before = await sealed_by(vault)
    assert await custody.activate("") == "transit:towline:v2"
    engine.asked.clear()
    after = await vault.rewrap(before, HERE)
    assert engine.asked == ["POST transit/rewrap/towline"]
    assert vault.key_of(after) == "transit:towline:v2"
    await custody.forget("transit:towline:v1")
    assert [key.id for key in await custody.keys()] == ["transit:towline:v2"]
    assert await opened_by(vault, after) == "hunter2"
    with pytest.raises(SealBroken, match="disallowed by policy"):
        await opened_by(vault, before)


async def test_a_keyring_moves_to_vault_and_back(engine, transit_of):
    transit = transit_of(engine)
    there = SealingVault(LOCAL, transit=transit)
    before = await sealed_by(SealingVault(LOCAL))
    moved = await there.rewrap(before, HERE)
    assert there.key_of(moved) == "transit:towline:v1"
    assert await opened_by(there, before) == await opened_by(there, moved) == "hunter2"
    back = SealingVault(LOCAL, transit=transit, transit_seals=False)
    returned = await back.rewrap(moved, HERE)
    assert back.key_of(returned) == "local"
    assert await opened_by(SealingVault(LOCAL), returned) == "hunter2"


async def test_a_policy_that_hides_the_key_is_enough_to_seal_open_and_list(engine, transit_of):
    engine.keys["towline"].rotate()
    transit = transit_of(engine)
    assert list(await transit.keys()) == ["transit:towline:v1", "transit:towline:v2"]
    with pytest.raises(KeysUnreachable, match=r"403.*permission denied"):
        await transit.rotate()


async def test_tls_is_verified_by_the_authority_that_is_named(tmp_path, transit_of):
    leaf, ca = certificate(tmp_path), tmp_path / "ca.pem"
    ca.write_text(leaf.ca_pem)
    with running_transit(leaf) as engine:
        vault = SealingVault(None, transit=transit_of(engine, ca_file=str(ca)))
        assert await opened_by(vault, await sealed_by(vault)) == "hunter2"
        stranger = SealingVault(None, transit=transit_of(engine))
        with pytest.raises(KeysUnreachable, match="certificate is not trusted"):
            await sealed_by(stranger)
    with pytest.raises(InvalidInput, match="vault_ca"):
        await sealed_by(SealingVault(None, transit=transit_of(engine, ca_file=str(tmp_path / "none.pem"))))


async def test_an_approle_signs_in_and_again_when_its_token_is_revoked(engine, transit_of, tmp_path):
    secret_id = tmp_path / "secret-id"
    secret_id.write_text(SECRET_ID + "\n")
    login = VaultLogin(role_id=ROLE_ID, secret_id_file=str(secret_id))
    vault = SealingVault(None, transit=transit_of(engine, login=login))
    sealed = await sealed_by(vault)
    engine.tokens.clear()
    assert await opened_by(vault, sealed) == "hunter2"
    assert engine.asked.count("POST auth/approle/login") == 2
    engine.tokens.clear()
    engine.secret_id = "another"
    with pytest.raises(KeysUnreachable, match=r"AppRole login .*invalid role or secret ID"):
        await opened_by(vault, sealed)
    secret_id.write_text("another")
    assert await opened_by(vault, sealed) == "hunter2"


async def test_a_token_is_renewed_before_its_time_is_over(engine, transit_of):
    now = [0.0]
    vault = SealingVault(None, transit=transit_of(engine, clock=lambda: now[0]))
    await sealed_by(vault)
    now[0] = engine.token_seconds * 0.6
    await sealed_by(vault)
    assert engine.renewed == 0
    now[0] = engine.token_seconds * 0.7
    await sealed_by(vault)
    await sealed_by(vault)
    assert engine.renewed == 1


async def test_a_token_file_that_an_agent_rewrote_is_read_again(engine, transit_of, tmp_path):
    file = tmp_path / "token"
    file.write_text(engine.token())
    vault = SealingVault(None, transit=transit_of(engine, login=VaultLogin(token_file=str(file))))
    sealed = await sealed_by(vault)
    engine.tokens.clear()
    file.write_text(engine.token())
    assert await opened_by(vault, sealed) == "hunter2"


async def test_requests_are_made_in_the_namespace(engine, transit_of):
    engine.namespace = "team-a/"
    inside = SealingVault(None, transit=transit_of(engine, namespace="team-a/"))
    assert await opened_by(inside, await sealed_by(inside)) == "hunter2"
    with pytest.raises(KeysUnreachable, match="403"):
        await sealed_by(SealingVault(None, transit=transit_of(engine)))


async def test_a_vault_that_is_sealed_or_away_is_trouble_that_passes(engine, transit_of):
    vault = SealingVault(None, transit=transit_of(engine))
    sealed = await sealed_by(vault)
    engine.sealed = True
    with pytest.raises(KeysUnreachable, match="answered 503: Vault is sealed"):
        await opened_by(vault, sealed)
    with pytest.raises(KeysUnreachable):
        await vault.answers()
    engine.sealed = False
    assert await opened_by(vault, sealed) == "hunter2"
    await vault.answers()


async def test_a_vault_that_comes_back_is_used_again(transit_of):
    with running_transit() as engine:
        vault = SealingVault(None, transit=transit_of(engine))
        sealed = await sealed_by(vault)
    with pytest.raises(KeysUnreachable, match="does not answer"):
        await opened_by(vault, sealed)
    with serving(engine, int(engine.address.rpartition(":")[2])):
        assert await opened_by(vault, sealed) == "hunter2"


async def test_a_key_that_is_not_there_and_an_engine_that_is_not_are_told_with_the_remedy(engine, transit_of):
    del engine.keys["towline"]
    with pytest.raises(KeysUnreachable, match="encryption key not found"):
        await sealed_by(SealingVault(None, transit=transit_of(engine)))
    client = TransitClient(engine.address, VaultLogin(token=Password(engine.token())))
    elsewhere = Transit(client, mount="nowhere", key="towline")
    with pytest.raises(KeysUnreachable, match=r"no handler for route.*vault secrets enable transit"):
        await sealed_by(SealingVault(None, transit=elsewhere))
    await elsewhere.close()


@pytest.mark.parametrize("noise", [b"", b"\xff", b"vault:v1:AAAA", b"vault:v7:" + b"A" * 80, b"nothing"])
async def test_what_vault_did_not_wrap_is_a_broken_seal(engine, transit_of, noise):
    vault = SealingVault(None, transit=transit_of(engine))
    envelope = Envelope.cut(await sealed_by(vault), HERE)
    forged = Envelope(envelope.format, envelope.key_id, noise, value=envelope.value).joined()
    with pytest.raises(SealBroken):
        await opened_by(vault, forged)


async def test_no_token_at_all_is_told_by_the_settings_that_may_give_one(engine, transit_of):
    with pytest.raises(InvalidInput, match="VAULT_TOKEN"):
        await sealed_by(SealingVault(None, transit=transit_of(engine, login=VaultLogin())))


async def test_many_at_once_share_one_sign_in(engine, transit_of, tmp_path):
    secret_id = tmp_path / "secret-id"
    secret_id.write_text(SECRET_ID)
    login = VaultLogin(role_id=ROLE_ID, secret_id_file=str(secret_id))
    vault = SealingVault(None, transit=transit_of(engine, login=login))
    sealed = await asyncio.gather(*(sealed_by(vault) for _ in range(50)))
    assert await asyncio.gather(*(opened_by(vault, each) for each in sealed)) == ["hunter2"] * 50
    assert engine.asked.count("POST auth/approle/login") == 1


def test_a_server_without_vault_does_not_import_the_client():
    code = "import sys, towline.app; print('towline.store.transit_client' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
