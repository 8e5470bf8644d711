import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.registry.challenge import chosen, parse_challenges


@pytest.mark.parametrize(
    ("headers", "schemes", "realm"),
    [
        (['Basic realm="r"'], ["basic"], "r"),
        (
            ['BEARER Realm="https://a/t",Service="s,1",scope="repository:x:pull,push"'],
            ["bearer"],
            "https://a/t",
        ),
        (['Basic realm="b", Bearer realm="https://t",service="s"'], ["basic", "bearer"], "https://t"),
        (['Basic realm="b"', 'Bearer realm="https://t"'], ["basic", "bearer"], "https://t"),
        (["Negotiate", 'Basic realm="b"'], ["negotiate", "basic"], "b"),
        (['Negotiate abc==, Basic realm="b"'], ["negotiate", "basic"], "b"),
        ([r'Basic realm="a \"quoted\" one"'], ["basic"], 'a "quoted" one'),
        (["Basic realm=bare"], ["basic"], "bare"),
        ([', ,Bearer realm = "x"'], ["bearer"], "x"),
    ],
)
def test_challenges_are_read_in_every_way_registries_write_them(headers, schemes, realm):
    challenges = parse_challenges(headers)
    assert [each.scheme for each in challenges] == schemes
    assert chosen(challenges).realm == realm


def test_nothing_that_can_be_answered_is_none():
    assert chosen(parse_challenges(["Digest realm=x", "", "=,=", '"'])) is None


@given(st.lists(st.text(max_size=200), max_size=4))
def test_any_header_is_read_without_a_crash(headers):
    for challenge in parse_challenges(headers):
        assert challenge.scheme == challenge.scheme.lower()


_word = st.text(st.sampled_from("abcXYZ019-_."), min_size=1, max_size=10)


@given(
    _word,
    st.dictionaries(
        _word.map(str.lower), st.text(st.characters(min_codepoint=32, max_codepoint=126)), min_size=1
    ),
)
def test_what_was_written_is_read_again(scheme, parameters):
    quoted = {name: value.replace("\\", "\\\\").replace('"', '\\"') for name, value in parameters.items()}
    header = f"{scheme} " + ", ".join(f'{name}="{value}"' for name, value in quoted.items())
    [challenge] = parse_challenges([header])
    assert challenge.parameters == parameters
