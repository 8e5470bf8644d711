import base64
import logging
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.domain.credential import (
    Credential,
    Password,
    authorization_token,
    from_authorization_token,
)
from towline.domain.errors import InvalidInput


@pytest.mark.parametrize("shown", [repr, str, "{}".format, lambda each: f"{each!r:>20}"])
def test_a_password_never_shows_itself(shown):
    assert "hunter2" not in shown(Password("hunter2"))
    assert "hunter2" not in shown(Credential("jane", Password("hunter2")))


def test_a_password_is_not_pickled():
    with pytest.raises(TypeError):
        pickle.dumps(Password("hunter2"))


def test_a_password_in_a_log_record_is_stars(caplog):
    with caplog.at_level(logging.INFO):
        logging.getLogger("test").info("got %s", Password("hunter2"))
    assert "hunter2" not in caplog.text


def test_equality_compares_the_text():
    assert Password("a") == Password("a")
    assert Password("a") != Password("b")
    assert Password("a") != "a"


_user = st.text(st.characters(exclude_characters=":", exclude_categories=["Cc", "Cs"]), min_size=1)
_password = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(
    lambda text: not text.startswith("\x00") and not text.endswith("\x00")
)


@given(_user, _password)
def test_a_credential_survives_the_authorization_token_byte_for_byte(username, password):
    token = authorization_token(Credential(username, Password(password)))
    assert base64.b64decode(token.reveal()).decode() == f"{username}:{password}"
    assert from_authorization_token(token) == Credential(username, Password(password))


def test_the_token_is_split_at_the_first_colon():
    token = Password(base64.b64encode(b"robot:p@ss:word:1\n").decode())
    assert from_authorization_token(token) == Credential("robot", Password("p@ss:word:1\n"))


@pytest.mark.parametrize(
    "text", ["not base64!", "bm9jb2xvbg==", base64.b64encode(b"\xff:\xfe").decode(), "Ong="]
)
def test_a_broken_token_is_refused_without_quoting_it(text):
    with pytest.raises(InvalidInput) as caught:
        from_authorization_token(Password(text))
    assert text not in str(caught.value)


@pytest.mark.parametrize(("username", "password"), [("", "x"), ("a:b", "x"), ("a", ""), ("a\n", "x")])
def test_an_unusable_credential_is_refused(username, password):
    with pytest.raises(InvalidInput):
        Credential(username, Password(password))
