"""Foreign words made fit to be shown, and a login blotted out of them in whatever form it is written."""

import html
import json
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.registry.challenge import parse_challenges
from towline.registry.cleaning import LONGEST, Blot, cleaned

PASSWORD = "Kanari\"<&>'+/=? ä%1"
FORMS = {
    "as it is": lambda text: text,
    "URL": urllib.parse.quote,
    "URL, all of it": lambda text: urllib.parse.quote(text, safe=""),
    "form": urllib.parse.quote_plus,
    "URL twice": lambda text: urllib.parse.quote(urllib.parse.quote(text)),
    "HTML": html.escape,
    "JSON": json.dumps,
    "JSON in UTF-8": lambda text: json.dumps(text, ensure_ascii=False),
    "JSON twice": lambda text: json.dumps(json.dumps(text)),
    "Python": repr,
}


@pytest.mark.parametrize("form", FORMS)
def test_a_login_is_blotted_in_every_form_of_writing(form):
    blot = Blot()
    blot.hide(PASSWORD)
    shown = blot(f"you said {FORMS[form](PASSWORD)} to me")
    assert "***" in shown
    assert "Kanari" not in shown


@pytest.mark.parametrize("text", ["100% of it", "a\\nb", "&lt;b&gt;", "%41%42", "sha256:abc", "\\u00e4"])
def test_other_words_stay(text):
    blot = Blot()
    blot.hide(PASSWORD)
    assert blot(text) == text


@given(st.text(max_size=3000))
def test_what_is_shown_is_one_short_printable_line_and_cleaning_it_again_changes_nothing(text):
    line = cleaned(text)
    assert line.isprintable()
    assert len(line) <= LONGEST
    assert cleaned(line) == line


@given(st.lists(st.text(max_size=200), max_size=5))
def test_any_challenge_is_read_without_harm(headers):
    for challenge in parse_challenges(headers):
        assert challenge.scheme


TOKEN = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12).filter(lambda text: text[0] != "-")
VALUE = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)


@given(st.dictionaries(TOKEN, VALUE, min_size=1, max_size=5))
def test_a_well_formed_challenge_comes_back_as_it_was_written(parameters):
    written = ",".join(
        f'{name}="{value.replace(chr(92), chr(92) * 2).replace(chr(34), chr(92) + chr(34))}"'
        for name, value in parameters.items()
    )
    [read] = parse_challenges([f"Bearer {written}"])
    assert read.scheme == "bearer"
    assert dict(read.parameters) == parameters
