import asyncio
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from towline.domain.credential import Credential, Password
from towline.domain.errors import KeysUnreachable, SealBroken
from towline.domain.registry import RegistryAddress
from towline.domain.secret import DockerDraft, OpaqueDraft
from towline.ports import Binding
from towline.store.envelope import FORMAT, Envelope, key_of
from towline.store.keyring import Keyring
from towline.store.rows.codec import text
from towline.store.vault import SealingVault

HERE = Binding("project-a", "secret-a", version=1)
OLD, NEW = Keyring("old", {"old": b"o" * 32}), Keyring("new", {"new": b"n" * 32, "old": b"o" * 32})


def sealed_by(keyring, plain="hunter2", binding=HERE):
    return asyncio.run(SealingVault(keyring).seal(Password(plain), binding))


def opened_by(keyring, sealed, binding=HERE):
    return asyncio.run(SealingVault(keyring).open(sealed, binding)).reveal()


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters()), st.text(), st.text(), st.integers(0, 2**63 - 1))
def test_any_text_comes_back_as_it_was(plain, project, secret, version):
    binding = Binding(project, secret, version=version)
    sealed = sealed_by(OLD, plain, binding)
    assert opened_by(OLD, sealed, binding) == plain


@pytest.mark.parametrize("plain", ["", " \n\x00", "\ud800 alone", "a:b$c", "x" * (1 << 20)])
def test_unusual_values_come_back_as_they_were(plain):
    assert opened_by(OLD, sealed_by(OLD, plain)) == plain


def test_a_sealed_value_begins_with_its_format_and_the_id_of_its_key():
    sealed = sealed_by(NEW)
    assert sealed[:5] == bytes([FORMAT, 3]) + b"new"
    assert b"hunter2" not in sealed


def test_the_same_value_is_never_sealed_the_same_twice():
    one, other = sealed_by(OLD), sealed_by(OLD)
    header = 2 + len("old") + 2
    pieces = 12, 48, 12, len("hunter2") + 16
    assert len(one) == header + sum(pieces)
    at = header
    for length in pieces:
        assert one[at : at + length] != other[at : at + length]
        at += length


@pytest.mark.parametrize(
    "elsewhere",
    [
        replace(HERE, project_guid="project-b"),
        replace(HERE, secret_guid="secret-b"),
        replace(HERE, version=2),
        Binding("project-asecret-", "a", version=1),
        Binding("project-", "asecret-a", version=1),
    ],
)
def test_a_value_moved_to_another_row_does_not_open(elsewhere):
    with pytest.raises(SealBroken, match="moved"):
        opened_by(OLD, sealed_by(OLD), elsewhere)


def test_every_flipped_bit_is_noticed():
    sealed = sealed_by(OLD, "pw")
    for place in range(len(sealed)):
        for bit in range(8):
            flipped = bytearray(sealed)
            flipped[place] ^= 1 << bit
            with pytest.raises(SealBroken):
                opened_by(OLD, bytes(flipped))


def test_every_cut_is_noticed():
    sealed = sealed_by(OLD, "pw")
    for length in range(len(sealed)):
        with pytest.raises(SealBroken):
            opened_by(OLD, sealed[:length])
    with pytest.raises(SealBroken):
        opened_by(OLD, sealed + b"\x00")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_bytes_that_were_never_sealed_break_without_another_error(noise):
    for candidate in (noise, bytes([FORMAT]) + noise, bytes([FORMAT, 3]) + b"old" + noise):
        with pytest.raises(SealBroken):
            opened_by(OLD, candidate)


def test_halves_of_two_sealed_values_of_one_row_do_not_fit_together():
    one, other = sealed_by(OLD), sealed_by(OLD)
    cut = 2 + 3 + 2 + 12 + 48
    with pytest.raises(SealBroken):
        opened_by(OLD, one[:cut] + other[cut:])


def test_a_value_under_a_key_that_is_not_in_the_ring_says_which_key_is_missing():
    with pytest.raises(SealBroken, match="its key 'new' is not in the keyring"):
        opened_by(OLD, sealed_by(NEW))


def test_another_key_of_the_same_id_opens_nothing():
    impostor = Keyring("old", {"old": b"x" * 32})
    with pytest.raises(SealBroken, match="another key 'old'"):
        opened_by(impostor, sealed_by(OLD))


def test_the_name_of_the_key_is_sealed_too():
    twins = Keyring("one", {"one": b"k" * 32, "two": b"k" * 32})
    renamed = sealed_by(twins).replace(b"one", b"two", 1)
    with pytest.raises(SealBroken, match="another key 'two'"):
        opened_by(twins, renamed)


def test_what_an_older_key_sealed_still_opens_while_new_values_take_the_active_key():
    assert opened_by(NEW, sealed_by(OLD)) == "hunter2"
    with pytest.raises(SealBroken):
        opened_by(OLD, sealed_by(NEW))


def test_an_error_names_the_secret_and_nothing_of_its_value():
    sealed = bytearray(sealed_by(OLD))
    sealed[-1] ^= 1
    with pytest.raises(SealBroken) as caught:
        opened_by(OLD, bytes(sealed))
    assert "secret-a, version 1" in str(caught.value)
    assert caught.value.__cause__ is None
    assert "hunter2" not in repr(caught.getrepr(showlocals=True, style="long"))


@pytest.mark.parametrize(
    "value",
    [
        Password("hunter2"),
        {"a": [Password("hunter2")]},
        Credential("jane", Password("hunter2")),
        DockerDraft(
            "pull", RegistryAddress.hub(), Credential("jane", Password("hunter2")), "jane@example.com"
        ),
        OpaqueDraft("keys", {"KEY": Password("hunter2")}),
    ],
)
def test_no_password_gets_into_a_row_wherever_it_hides(value):
    with pytest.raises(TypeError, match="Password is unsupported"):
        text(value)
    with pytest.raises(TypeError, match="Password is unsupported"):
        msgspec.json.encode(value)


OF_THE_FIRST_FORMAT = bytes.fromhex(
    "01036f6c6483073071932364191efd4541cd3be9d476f0a54210c028547e4f70e060e4a5b2954575"
    "96fe69fbc2b91e1923c6f3523ed8435136f559ef3cbf9ab0bae6eed36d084eb79b38208931890034"
    "220d7df94d60e9223aac89dfafcf3ddbf8a5c20e"
)
"""``hunter2``, sealed for HERE under OLD by the first release that sealed anything."""


def rewrapped_by(vault, sealed, binding=HERE):
    return asyncio.run(vault.rewrap(sealed, binding))


def test_what_the_first_format_sealed_opens_and_is_sealed_anew_when_it_is_rewrapped():
    assert opened_by(OLD, OF_THE_FIRST_FORMAT) == "hunter2"
    renewed = rewrapped_by(SealingVault(NEW), OF_THE_FIRST_FORMAT)
    assert (renewed[0], key_of(renewed)) == (FORMAT, "new")
    assert opened_by(NEW, renewed) == "hunter2"
    with pytest.raises(SealBroken):
        opened_by(NEW, OF_THE_FIRST_FORMAT, replace(HERE, version=2))


def test_a_rewrap_changes_the_wrapped_key_and_leaves_the_value_untouched():
    before = sealed_by(OLD)
    after = rewrapped_by(SealingVault(NEW), before)
    one, other = Envelope.cut(before, HERE), Envelope.cut(after, HERE)
    assert (one.key_id, other.key_id) == ("old", "new")
    assert one.value == other.value
    assert one.wrapped != other.wrapped
    assert opened_by(NEW, after) == opened_by(OLD, before) == "hunter2"
    with pytest.raises(SealBroken):
        opened_by(OLD, after)


def test_a_value_in_the_wrong_row_is_not_rewrapped_into_one_that_opens_there():
    with pytest.raises(SealBroken):
        rewrapped_by(SealingVault(NEW), sealed_by(OLD), replace(HERE, secret_guid="secret-b"))


def test_a_vault_without_keys_says_so_and_opens_nothing():
    empty = SealingVault(None)
    with pytest.raises(KeysUnreachable, match="keys add"):
        asyncio.run(empty.seal(Password("hunter2"), HERE))
    with pytest.raises(SealBroken, match="'old' is not in the keyring"):
        asyncio.run(empty.open(sealed_by(OLD), HERE))
