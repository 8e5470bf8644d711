"""Where a secret may be mirrored, and what is refused with the field's name."""

from __future__ import annotations

import pytest

from towline.domain.errors import InvalidInput
from towline.domain.mirror import MirrorDraft, may_mirror_into
from towline.domain.namespace_selector import NamespaceSelector

WEB = {"team": "web", "example.com/tier": "front"}


def draft(**changes):
    """Return a draft of the usual fields."""
    usual = {"namespaces": ("web",), "selector": "", "accounts": (), "object_name": "", "nudge": False}
    return MirrorDraft.checked(**{**usual, **changes})


@pytest.mark.parametrize(
    ("text", "selects"),
    [
        ("team=web", True),
        ("team == web", True),
        ("team=shop", False),
        ("team!=shop", True),
        ("owner!=web", True),
        ("team in (web, shop)", True),
        ("team in (shop)", False),
        ("team notin (shop)", True),
        ("owner notin (web)", True),
        ("team", True),
        ("owner", False),
        ("!owner", True),
        ("!team", False),
        ("team in (web,shop),example.com/tier=front", True),
        ("team=web,owner", False),
        ("team=", False),
        ("", False),
    ],
)
def test_a_selector_means_what_kubectl_makes_of_it(text, selects):
    assert NamespaceSelector.parse(text).selects(WEB) is selects


@pytest.mark.parametrize(
    "text",
    ["team web", "team in ()", "team in web", "=web", "!team=web", "team=web shop", "a,,b", "in(x)(y)"],
)
def test_a_selector_that_is_not_understood_is_refused_with_its_term(text):
    with pytest.raises(InvalidInput) as caught:
        NamespaceSelector.parse(text)
    assert caught.value.field == "spec.namespaceSelector"
    assert "is not understood" in caught.value.problem


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"namespaces": ()}, "spec.namespaces"),
        ({"namespaces": ("web", "Web")}, "spec.namespaces[1]"),
        ({"namespaces": ("we.b",)}, "spec.namespaces[0]"),
        ({"namespaces": [f"n{number}" for number in range(201)]}, "spec.namespaces"),
        ({"accounts": ("a b",)}, "spec.serviceAccounts[0]"),
        ({"object_name": "Prod"}, "spec.secretName"),
        ({"nudge": True}, "spec.nudge"),
    ],
)
def test_a_draft_that_is_not_right_names_its_field(changes, field):
    with pytest.raises(InvalidInput) as caught:
        draft(**changes)
    assert caught.value.field == field


def test_names_are_kept_once_and_in_their_order():
    made = draft(namespaces=("web", "shop", "web"), accounts=("default", "builder", "default"))
    assert (made.namespaces, made.accounts) == (("web", "shop"), ("default", "builder"))


@pytest.mark.parametrize(
    ("allowed", "namespace", "may"),
    [
        ((), "web", False),
        (("web",), "web", True),
        (("web",), "web-2", False),
        (("web*",), "web-2", True),
        (("*",), "anything", True),
        (("*",), "kube-system", False),
        (("kube-*",), "kube-system", True),
    ],
)
def test_the_installation_says_which_namespaces_may_be_chosen(allowed, namespace, may):
    assert may_mirror_into(allowed, namespace) is may
