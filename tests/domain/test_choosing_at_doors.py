"""Which secret a door hands out first, and what a project may allow."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from parts.fakes import NOON
from towline.domain.account import Principal, User
from towline.domain.doors import STORED_BY, DoorPolicy, TrustedIssuer, Workload, best_first
from towline.domain.errors import InvalidInput
from towline.domain.proof import Standing, Verdict
from towline.domain.registry import RegistryAddress
from towline.domain.scopes import parse_scopes
from towline.domain.secret import DockerSecret, SecretMetadata

JANE = User("user-1", "jane@example.com", "Jane", "Doe", created_at=NOON)


def principal(*scopes: str, token: str = "token-1") -> Principal:
    return Principal(
        JANE, token, NOON, token_name="robot" if scopes else "", scopes=parse_scopes(scopes) if scopes else ()
    )


def secret(
    name: str, *, verdict: Verdict = Verdict.VERIFIED, age: int = 0, path: str = "", stored_by: str = ""
) -> DockerSecret:
    at = NOON - timedelta(hours=age)
    labels = {STORED_BY: stored_by} if stored_by else {}
    metadata = SecretMetadata(f"secret-{name}", name, "project-1", "user-1", at, at, labels=labels)
    registry = RegistryAddress("registry.example.com", 5000, path=path)
    return replace(DockerSecret(metadata, registry, "robot", "j@example.com"), standing=Standing(verdict))


def order(caller: Principal, *secrets: DockerSecret) -> list[str]:
    return [each.metadata.name for each in best_first(secrets, caller)]


def test_the_verified_come_before_the_unproved_and_those_before_the_failing() -> None:
    known = [
        secret("bad", verdict=Verdict.FAILING),
        secret("new", verdict=Verdict.UNKNOWN, age=1),
        secret("good", age=9),
    ]
    assert order(principal(), *known) == ["good", "new", "bad"]


def test_of_equals_the_newest_is_first() -> None:
    assert order(principal(), secret("old", age=5), secret("young", age=1)) == ["young", "old"]


def test_what_a_scope_names_in_full_comes_before_what_a_star_covers() -> None:
    known = [secret("young"), secret("named", age=9, verdict=Verdict.FAILING)]
    assert order(principal("secrets:use:*", "secrets:use:named"), *known) == ["named", "young"]


def test_what_the_token_itself_stored_comes_first() -> None:
    known = [secret("team"), secret("mine", age=9, stored_by="token-1"), secret("yours", stored_by="token-2")]
    assert order(principal("secrets:use:*"), *known)[0] == "mine"
    assert order(principal(token="a-session"), replace(known[1]), known[0])[0] == "team"


def test_what_is_limited_to_a_path_comes_before_what_is_for_all() -> None:
    assert order(principal(), secret("all"), secret("team", path="team", age=3)) == ["team", "all"]


def test_what_no_scope_names_is_not_there_at_all() -> None:
    assert order(principal("secrets:use:ci-*"), secret("ci-1"), secret("prod")) == ["ci-1"]
    assert order(principal("secrets:read"), secret("prod")) == []


@pytest.mark.parametrize(
    ("stored", "asked", "opens"),
    [
        ("registry.example.com", "registry.example.com", True),
        ("registry.example.com", "https://registry.example.com:443", True),
        ("registry.example.com:5000", "registry.example.com", False),
        ("registry.example.com", "registry.example.com.evil.example", False),
        ("registry.example.com", "evil-registry.example.com", False),
        ("docker.io", "https://index.docker.io/v1/", True),
        ("registry.example.com/team", "registry.example.com", False),
        ("registry.example.com/team", "registry.example.com/teamwork", False),
        ("registry.example.com/team", "registry.example.com/team/app", True),
        ("http://registry.example.com:5000", "registry.example.com:5000", True),
        ("http://registry.example.com", "registry.example.com:80", True),
    ],
)
def test_a_credential_opens_its_own_registry_and_no_other(stored: str, asked: str, *, opens: bool) -> None:
    assert RegistryAddress.parse(stored).opens(RegistryAddress.parse(asked)) is opens


def test_a_policy_allows_nothing_until_it_is_told() -> None:
    assert DoorPolicy() == DoorPolicy(offline_minutes=0, issuers=())


@pytest.mark.parametrize("minutes", [-1, 7 * 24 * 60 + 1])
def test_tools_may_not_keep_what_they_have_for_ever(minutes: int) -> None:
    with pytest.raises(InvalidInput) as refused:
        DoorPolicy(offline_minutes=minutes)
    assert refused.value.field == "spec.offlineMinutes"


def test_an_issuer_is_trusted_once_and_for_what_its_rows_say() -> None:
    rows = (Workload("prod", "*", ("prod-*",)), Workload("prod", "builder", ("ci-*", "prod-*")))
    issuer = TrustedIssuer("https://cluster.example", "towline", "{}", rows)
    assert issuer.secrets_of("prod", "builder") == ("prod-*", "ci-*")
    assert issuer.secrets_of("prod", "web") == ("prod-*",)
    assert issuer.secrets_of("production", "web") == ()
    with pytest.raises(InvalidInput, match="twice"):
        DoorPolicy(issuers=(issuer, issuer))
