import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.domain.errors import InvalidInput
from towline.domain.names import email_address, new_guid, project_name, secret_name


@pytest.mark.parametrize("name", ["a", "0", "hub-pull", "a" * 253, "9-9"])
def test_legal_secret_names_pass(name):
    assert secret_name(name) == name


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a_b", "a.b", "a b", "a" * 254, "é", "a\n"])
def test_illegal_secret_names_are_refused_with_the_rule(name):
    with pytest.raises(InvalidInput, match="253 lower-case letters"):
        secret_name(name)


@given(st.text(max_size=300))
def test_the_rule_of_names_is_exactly_s3(text):
    legal = re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", text) is not None and len(text) <= 253
    legal = legal and text.isascii() and not text.endswith("\n")
    try:
        secret_name(text)
    except InvalidInput:
        assert not legal
    else:
        assert legal


@pytest.mark.parametrize("name", ["org-x", "project-abc", "pkg-1", "dep-abc", "inst-q", "secret-x"])
def test_a_project_is_not_named_like_an_identifier(name):
    with pytest.raises(InvalidInput, match="taken for an identifier"):
        project_name(name)


@pytest.mark.parametrize("address", ["jane@example.com", "a.b+c@x-y.example.org", "o'neil@example.ie"])
def test_valid_addresses_pass(address):
    assert email_address(address, field="spec.docker.email") == address


@pytest.mark.parametrize(
    "address",
    ["", "jane", "@example.com", "jane@", "jane@host", "a b@example.com", "a@b..c", "a@-b.com", "a@b.c\n"],
)
def test_invalid_addresses_are_refused_naming_the_field(address):
    with pytest.raises(InvalidInput) as caught:
        email_address(address, field="spec.docker.email")
    assert caught.value.field == "spec.docker.email"


def test_a_guid_has_its_prefix_and_24_lower_case_letters():
    def highest(count: int) -> bytes:
        return (26**15 - 1).to_bytes(count, "big")

    assert new_guid("secret", bytes, milliseconds=0) == "secret-" + "a" * 24
    assert new_guid("secret", highest, milliseconds=26**9 - 1) == "secret-" + "z" * 24
    assert new_guid("secret", lambda count: b"\0" * (count - 1) + b"\1", milliseconds=1) == (
        "secret-aaaaaaaab" + "a" * 14 + "b"
    )


def test_a_later_guid_comes_later_in_order():
    at = 1_790_000_000_000
    texts = [new_guid("dep", os.urandom, milliseconds=at + each) for each in range(1000)]
    assert texts == sorted(texts)
