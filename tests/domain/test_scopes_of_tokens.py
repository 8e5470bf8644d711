"""Scopes: how they are written, what each covers, and that the table leaves nothing out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.domain.account import Permission
from towline.domain.errors import InvalidInput
from towline.domain.scopes import MOST_SCOPES, SCOPES, Scope, ScopeKind, matches, parse_scopes


@pytest.mark.parametrize("text", ["secrets:use:prod", "secrets:use:ci-*", "secrets:use:*", "packages:write"])
def test_a_scope_reads_back_as_it_was_written(text: str) -> None:
    assert str(Scope.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is not a scope"),
        ("secrets", "use secrets:use:NAME"),
        ("secrets:steal", "is not a scope"),
        ("-", "is not a scope"),
        ("secrets:use", "names no secret"),
        ("secrets:use:", "names no secret"),
        ("secrets:use:Prod", "of which the end may be '*'"),
        ("secrets:use:*prod", "of which the end may be '*'"),
        ("secrets:use:a*b", "of which the end may be '*'"),
        ("secrets:read:prod", "takes no name"),
        ("packages:write:", "takes no name"),
    ],
)
def test_what_is_wrong_with_a_scope_is_told(text: str, says: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Scope.parse(text, field="spec.scopes[0]")
    assert refused.value.field == "spec.scopes[0]"
    assert says in str(refused.value)


def test_scopes_are_kept_once_and_in_order_and_none_is_no_scope() -> None:
    found = parse_scopes(["secrets:read", "secrets:use:a", "secrets:read"])
    assert [str(each) for each in found] == ["secrets:read", "secrets:use:a"]
    with pytest.raises(InvalidInput, match="at least one"):
        parse_scopes([])
    with pytest.raises(InvalidInput, match=f"at most {MOST_SCOPES}"):
        parse_scopes([f"secrets:use:s{number}" for number in range(MOST_SCOPES + 1)])


def test_writing_includes_reading_and_nothing_includes_using() -> None:
    assert Scope.parse("secrets:write").covers(ScopeKind.SECRETS_READ)
    assert not Scope.parse("secrets:read").covers(ScopeKind.SECRETS_WRITE)
    takers = [kind for kind, facts in SCOPES.items() if facts.includes is ScopeKind.SECRETS_USE]
    assert takers == []


def test_a_name_covers_itself_and_a_star_what_begins_so() -> None:
    one, many = Scope.parse("secrets:use:prod"), Scope.parse("secrets:use:ci-*")
    assert one.covers(ScopeKind.SECRETS_USE, "prod")
    assert not one.covers(ScopeKind.SECRETS_USE, "prod-2")
    assert many.covers(ScopeKind.SECRETS_USE, "ci-7")
    assert not many.covers(ScopeKind.SECRETS_USE, "ci")
    assert not many.covers(ScopeKind.SECRETS_EXPORT, "ci-7")


def test_the_table_has_a_row_for_each_kind_that_can_be_given() -> None:
    assert set(SCOPES) == set(ScopeKind) - {ScopeKind.EVERYBODY}
    leaving = [kind for kind, facts in SCOPES.items() if facts.named]
    assert all(SCOPES[kind].permission is Permission.MANAGE_SECRETS for kind in leaving)


@given(st.text(max_size=40))
def test_no_text_is_more_than_refused(text: str) -> None:
    try:
        scope = Scope.parse(text)
    except InvalidInput:
        return
    assert Scope.parse(str(scope)) == scope


@given(
    st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True), st.from_regex(r"[a-z0-9-]{0,9}", fullmatch=True)
)
def test_a_pattern_is_a_prefix_and_no_more(stem: str, rest: str) -> None:
    assert matches(f"{stem}*", stem + rest)
    assert matches(stem, stem + rest) == (not rest)
