"""The four readers' rules against vectors: a file a case, each reader's answer beside it."""

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from towline.domain.credential import Password
from towline.domain.errors import InvalidInput
from towline.domain.image import ImageReference
from towline.domain.readers.answers import HelperAnswer, Kind, answered
from towline.domain.readers.config_file import LARGEST, Form, Source, read_config
from towline.domain.readers.resolving import resolving
from towline.domain.readers.rules import Reader

VECTORS = sorted((Path(__file__).parent.parent / "vectors" / "readers").glob("*.json"))
CASES = [(path.stem, reader) for path in VECTORS for reader in Reader]
CANARY = "Kanari-Obviously-A-Test"


def load(stem):
    return json.loads((VECTORS[0].parent / f"{stem}.json").read_text())


def sources_of(case):
    return [
        Source(each["name"], each["text"] if "text" in each else json.dumps(each["config"]), Form(form))
        for each in case["sources"]
        for form in [each.get("form", "config.json")]
    ]


def helper_of(case):
    def ask(question):
        said = case.get("helpers", {}).get(question.suffix, {}).get(question.server, {})
        return HelperAnswer(
            said.get("username", ""), Password(said.get("secret", "")), said.get("problem", "")
        )

    return ask


def test_there_is_a_case_for_every_row_of_the_table_and_every_trap():
    assert len(VECTORS) >= 90
    assert all(set(load(path.stem)["expect"]) == set(Reader) for path in VECTORS)


@pytest.mark.parametrize(("stem", "reader"), CASES)
def test_a_reader_finds_what_the_vector_says(stem, reader):
    case = load(stem)
    wanted = case["expect"][reader]
    walk = resolving(
        reader,
        ImageReference.parse(case["image"]),
        sources_of(case),
        found_store=case.get("found_store", ""),
    )
    found = answered(walk, helper_of(case))
    shown = {"kind": found.kind.value, "key": found.key, "username": found.username}
    expected = {"kind": wanted["kind"], "key": wanted.get("key", ""), "username": wanted.get("username", "")}
    assert shown == expected, found.reasons
    assert found.secret == Password(wanted.get("secret", ""))
    said = "\n".join(found.reasons)
    assert [words for words in wanted.get("reasons", []) if words not in said] == [], said
    assert found.reasons
    assert found.reader is reader


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not JSON at line 1, column 2"),
        ('{"auths": {"reg.example": {"auth": "' + CANARY + '"', "is not JSON at line 1"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("[]", "it is not a JSON object"),
        ('"' + CANARY + '"', "it is not a JSON object"),
        ('{"auths": []}', "auths is not a JSON object"),
        ('{"credHelpers": 5}', "credHelpers is not a JSON object"),
        ('{"credsStore": {}}', "credsStore is not text"),
        ('{"auths": {}, "x": ' + "9" * 5000 + "}", "number that is too long"),
        (json.dumps({"auths": {}})[:-1] + "\0}", "is not JSON"),
        (" " * (LARGEST + 1), "larger than 1 MiB"),
        ("\ufeff{}", "is not JSON"),
    ],
)
def test_a_source_that_cannot_be_read_is_named_in_one_line_that_quotes_nothing(text, words):
    with pytest.raises(InvalidInput) as refusal:
        read_config(Source("config.json", text))
    said = str(refusal.value)
    assert words in said
    assert said.startswith("config.json: ")
    assert CANARY not in said
    assert len(said) < 300
    assert "\n" not in said


def test_a_credential_shows_itself_nowhere():
    config = {"auths": {"reg.example": {"username": "u", "password": CANARY}}}
    source = Source("config.json", json.dumps(config))
    found = answered(
        resolving(Reader.DOCKER, ImageReference.parse("reg.example/x"), [source]), lambda _: HelperAnswer()
    )
    assert found.kind is Kind.PASSWORD
    assert CANARY not in f"{found!r} {found.reasons} {source!r} {read_config(source)!r}"


def test_a_pattern_of_many_stars_takes_no_time():
    label = "*a" * 30
    source = Source("config.json", json.dumps({"auths": {f"{label}b.example.com": {"auth": "YTpi"}}}))
    image = ImageReference.parse(f"{'a' * 62}.example.com/x")
    found = answered(resolving(Reader.KUBELET, image, [source]), lambda _: HelperAnswer())
    assert found.kind is Kind.NONE


HOSTS = st.sampled_from(["reg.example", "docker.io", "https://index.docker.io/v1/", "*.example", "a:b@c", ""])
ENTRIES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
) | st.fixed_dictionaries(
    {}, optional={name: st.text(max_size=30) for name in ("auth", "username", "password", "identitytoken")}
)
CONFIGS = st.fixed_dictionaries(
    {},
    optional={
        "auths": st.dictionaries(HOSTS | st.text(max_size=30), ENTRIES, max_size=4),
        "credHelpers": st.dictionaries(HOSTS, st.text(max_size=10), max_size=2),
        "credsStore": st.text(max_size=10),
        "more": ENTRIES,
    },
)


@settings(max_examples=300, deadline=None)
@given(
    CONFIGS,
    st.sampled_from(Reader),
    st.sampled_from(list(Form)),
    st.sampled_from(["x", "reg.example/x"]),
)
def test_no_document_breaks_a_reader(config, reader, form, image):
    source = Source("file", json.dumps(config), form)
    walk = resolving(reader, ImageReference.parse(image), [source], found_store="pass")
    with contextlib.suppress(InvalidInput):
        found = answered(walk, lambda question: HelperAnswer(question.suffix, Password(question.server)))
        assert found.reasons
        assert (found.kind is Kind.NONE) == (not found.username and not found.secret)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=400), st.sampled_from(Reader))
def test_no_text_breaks_a_reader(text, reader):
    walk = resolving(reader, ImageReference.parse("reg.example/x"), [Source("file", text)])
    with contextlib.suppress(InvalidInput):
        assert answered(walk, lambda _: HelperAnswer()).reasons
