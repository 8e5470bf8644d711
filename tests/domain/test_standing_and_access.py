from datetime import UTC, datetime, timedelta

import pytest

from towline.domain.account import OrganizationRole, Permission, ProjectRole, TokenLevel, permission_of
from towline.domain.audit import GENESIS, AuditEntry
from towline.domain.causes import CAUSES, FindingCode
from towline.domain.errors import InvalidInput
from towline.domain.findings import Finding
from towline.domain.listing import LabelSelector, Page
from towline.domain.proof import Answer, Standing, Verdict

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def test_a_verdict_keeps_its_since_while_it_stays_the_same():
    first = Standing().after(Answer(Verdict.VERIFIED), at=NOW)
    again = first.after(Answer(Verdict.VERIFIED), at=LATER)
    assert (again.since, again.checked_at) == (NOW, LATER)
    turned = again.after(Answer(Verdict.FAILING, Finding(FindingCode.WRONG_CREDENTIALS)), at=LATER)
    assert (turned.verdict, turned.since) == (Verdict.FAILING, LATER)


def test_an_answer_that_says_nothing_keeps_the_verdict_and_marks_it_stale():
    known = Standing().after(Answer(Verdict.VERIFIED), at=NOW)
    stale = known.after(Answer(Verdict.UNKNOWN, Finding(FindingCode.REGISTRY_TIMEOUT)), at=LATER)
    assert (stale.verdict, stale.since, stale.stale) == (Verdict.VERIFIED, NOW, True)
    assert stale.finding is not None
    assert not stale.after(Answer(Verdict.VERIFIED), at=LATER).stale


def test_a_first_check_that_could_not_be_made_is_unknown_and_not_stale():
    first = Standing().after(Answer(Verdict.UNKNOWN, Finding(FindingCode.REGISTRY_DNS)), at=NOW)
    assert (first.verdict, first.stale) == (Verdict.UNKNOWN, False)


@pytest.mark.parametrize("code", list(FindingCode))
def test_every_finding_has_a_row_with_words_and_a_known_code(code):
    cause = CAUSES[code]
    assert cause.title
    assert cause.explanation.endswith(".")
    assert cause.fix.endswith(".")
    assert cause.error_code in {"DEP_E153", "DEP_E155", "DEP_E156", "DEP_E201", "DEP_E210"}


def test_only_findings_about_the_credential_blame_it():
    blaming = {code for code, cause in CAUSES.items() if cause.blames_credential}
    assert blaming == {
        FindingCode.WRONG_CREDENTIALS,
        FindingCode.ACCESS_TOKEN_REQUIRED,
        FindingCode.CREDENTIAL_EXPIRED,
        FindingCode.MINT_KEY_MALFORMED,
        FindingCode.MINT_CREDENTIAL_REFUSED,
        FindingCode.MINT_NOT_ALLOWED,
        FindingCode.MINT_TARGET_UNKNOWN,
        FindingCode.ACCOUNT_DISABLED,
        FindingCode.CREDENTIAL_INCOMPLETE,
        FindingCode.TOKEN_SCOPE_MISSING,
    }


@pytest.mark.parametrize(
    ("project", "organization", "permission"),
    [
        ((), (), None),
        ((), (OrganizationRole.MEMBER,), None),
        ((ProjectRole.VIEWER,), (), Permission.VIEW),
        ((ProjectRole.VIEWER, ProjectRole.DEVELOPER), (), Permission.DEPLOY),
        ((ProjectRole.ADMIN,), (), Permission.MANAGE_PROJECT),
        ((), (OrganizationRole.ADMIN,), Permission.MANAGE_ORGANIZATION),
        (("somebody-elses-role",), (), None),
    ],
)
def test_roles_give_permissions(project, organization, permission):
    assert permission_of(project, organization) == permission


@pytest.mark.parametrize(
    ("text", "hours"), [("low", 24), ("med", 168), ("high", 720), (None, 168), ("odd", 168)]
)
def test_token_levels_have_the_lives_that_rio_tells(text, hours):
    assert TokenLevel.parse(text).hours == hours


def test_an_audit_row_depends_on_the_one_before_and_on_every_field():
    row = AuditEntry(NOW, "jane@example.com", "secret.created", "secret-a")
    assert row.chained(GENESIS) != row.chained(row.chained(GENESIS))
    other = AuditEntry(NOW, "jane@example.com", "secret.created", "secret-b")
    assert row.chained(GENESIS) != other.chained(GENESIS)


@pytest.mark.parametrize(
    ("terms", "labels", "matches"),
    [
        ([], {"a": "b"}, True),
        (["team=robots"], {"team": "robots"}, True),
        (["team=robots", "env=prod"], {"team": "robots"}, False),
        (["team=robots,env=prod"], {"team": "robots", "env": "prod"}, True),
        (["team"], {"team": "x"}, True),
        (["team=="], {"team": ""}, True),
        (["team"], {}, False),
        ([""], {}, True),
    ],
)
def test_label_selectors_are_anded(terms, labels, matches):
    assert LabelSelector.parse(terms).matches(labels) is matches


def test_a_selector_or_page_that_means_nothing_is_refused():
    with pytest.raises(InvalidInput):
        LabelSelector.parse(["=x"])
    with pytest.raises(InvalidInput):
        Page(limit=0)
    with pytest.raises(InvalidInput):
        Page(after=-1)
