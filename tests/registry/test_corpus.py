"""The corpus of findings: every file in tests/vectors/registry is a test."""

import re
from collections import Counter
from pathlib import Path

import msgspec
import pytest

import towline.registry
from findings.cases import CORPUS, Expect, corpus, read
from findings.others import Others, Way
from findings.project import play_project
from findings.real import RealRegistries, filled_in, play_real
from findings.report import Row, Table, as_json, summary
from findings.run import OWN, play
from findings.tunnel import Tunnel
from parts.require import require
from towline.domain.causes import FindingCode
from towline.domain.findings import Finding
from towline.domain.providers import Provider

CASES = corpus()
SCRIPTED = [case for case in CASES if case.real is None and case.project is None]
PROJECTS = [case for case in CASES if case.project is not None]
REAL = [case for case in CASES if case.real is not None]
OF_AN_ENGINE = {FindingCode.IMAGE_NOT_PRESENT, FindingCode.IMAGE_REFUSED, FindingCode.DISK_FULL}
"""What only an engine meets once an image may be pulled: tried in tests/engines."""
OF_THE_KEYS = {FindingCode.SECRET_UNREADABLE, FindingCode.KEYS_UNREACHABLE}
"""What is met before a registry is asked: tried in tests/services/test_keys_of_secrets.py."""
ROOM = Path(towline.registry.__file__).parent


def findings_of_the_room() -> set[FindingCode]:
    text = "".join(path.read_text() for path in ROOM.rglob("*.py"))
    return {FindingCode[name] for name in re.findall(r"FindingCode\.([A-Z_]+)", text)}


def with_expectation(name: str, **changes):
    case = read(CORPUS / f"{name}.json")
    return msgspec.structs.replace(case, expect=msgspec.structs.replace(case.expect, **changes))


@pytest.mark.parametrize("case", SCRIPTED, ids=lambda case: case.case)
async def test_a_scripted_case_gets_its_finding(case):
    outcome = await play(case)
    assert list(outcome.problems) == [], f"{case.why}\n" + "\n".join(map(str, outcome.answer.evidence))


@pytest.mark.parametrize("case", PROJECTS, ids=lambda case: case.case)
async def test_a_case_of_a_project_gets_its_finding(case):
    outcome = await play_project(case)
    assert list(outcome.problems) == [], f"{case.why}\n" + "\n".join(map(str, outcome.answer.evidence))


@pytest.fixture(scope="module")
def registries():
    with RealRegistries() as running:
        yield running


@pytest.mark.parametrize("case", REAL, ids=lambda case: case.case)
async def test_a_case_on_a_real_registry_gets_its_finding(registries, case):
    require("docker-registry")
    require("htpasswd")
    outcome = await play_real(case, registries.of(case.real))
    assert list(outcome.problems) == [], f"{case.why}\n" + "\n".join(map(str, outcome.answer.evidence))


async def test_what_another_program_says_is_told_without_the_password(registries):
    require("skopeo")
    told = {}
    for name in ("real-htpasswd-right", "real-htpasswd-wrong", "real-token-login-wrong"):
        case = read(CORPUS / f"{name}.json")
        registry = registries.of(case.real)
        with Others(("skopeo",)) as others:
            told[name] = (await others.say(filled_in(case, registry)))["skopeo"]
    assert told["real-htpasswd-right"] == "ok"
    assert "unauthorized" in told["real-htpasswd-wrong"]
    assert "invalid username/password" in told["real-token-login-wrong"]


async def test_another_program_meets_the_scripted_hosts_too():
    require("skopeo")
    said: dict[str, str] = {}
    case = read(CORPUS / "docker-hub-wrong-password.json")
    async with Tunnel() as tunnel:
        with Others(("skopeo",), scripted=Way(tunnel.url, OWN.pem)) as others:

            async def beside(stage):
                tunnel.stage = stage
                said.update(await others.say(case))

            await play(case, beside=beside)
    assert "incorrect username or password" in said["skopeo"]


def test_every_finding_about_pulling_has_two_cases():
    count = Counter(case.expect.finding for case in CASES)
    about_pulling = {code for code in FindingCode if Finding(code).error_code == "DEP_E153"}
    assert {
        code for code in about_pulling | findings_of_the_room() if count[code] < 2
    } == OF_AN_ENGINE | OF_THE_KEYS


def test_every_provider_has_cases_of_many_kinds():
    found = {
        provider.value: {case.expect.finding for case in CASES if case.provider == provider.value}
        for provider in Provider
    }
    assert {provider: kinds for provider, kinds in found.items() if len(kinds) < 5} == {}
    assert {provider for provider, kinds in found.items() if None not in kinds} == set()
    assert {case.provider for case in CASES} == {provider.value for provider in Provider}
    assert len(CASES) >= 120


def test_a_case_names_findings_that_exist():
    assert {case.expect.finding for case in CASES} <= {None, *FindingCode}


def test_a_key_that_nobody_knows_is_an_error(tmp_path):
    text = (CORPUS / "network-port-closed.json").read_text()
    path = tmp_path / "network-port-closed.json"
    path.write_text(text.replace('"verdict"', '"verdikt": "failing", "verdict"'))
    with pytest.raises(ValueError, match=r"network-port-closed.json: .*verdikt"):
        read(path)


def test_a_case_is_called_as_its_file(tmp_path):
    path = tmp_path / "another.json"
    path.write_bytes((CORPUS / "network-port-closed.json").read_bytes())
    with pytest.raises(ValueError, match="not as its file"):
        read(path)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"finding": None}, "finding wrong-credentials, expected -"),
        ({"verdict": "verified"}, "verdict failing"),
        ({"password_sent_at_most": 0}, "password sent 1 times"),
        ({"password_hosts": ("registry-1.docker.io",)}, "password sent to"),
        ({"hosts_asked": ("registry-1.docker.io",)}, "hosts asked"),
        ({"authorized_hosts": ()}, "authorization sent to"),
        ({"requests_at_most": 1}, "requests, at most 1"),
        ({"detail_contains": ("no such words",)}, "does not contain"),
        ({"provider": "quay"}, "provider docker-hub"),
    ],
)
async def test_an_expectation_that_is_not_met_is_told(changes, problem):
    outcome = await play(with_expectation("docker-hub-wrong-password", **changes))
    assert [each for each in outcome.problems if problem in each] == list(outcome.problems) != []


async def test_the_table_says_what_is_wrong_and_how_many_are_right():
    right = await play(read(CORPUS / "network-port-closed.json"))
    wrong = await play(with_expectation("network-port-closed", finding="registry-dns"))
    table = Table.of([right.case, wrong.case], colour=False)
    told = [Row.of(right), Row.of(wrong)]
    assert "finding registry-refused, expected registry-dns" in table.lines(told[1])
    assert "\x1b" not in table.lines(told[1])
    first, figures = summary(told).splitlines()
    assert first == "1 of 2 cases right (50.0%)"
    assert figures.startswith("1 findings at 1 kinds of registry; 2 requests, 1 at most; ")
    assert msgspec.json.decode(as_json(told))["accuracy"] == 0.5


def test_an_expectation_needs_a_finding_and_a_verdict():
    with pytest.raises(msgspec.ValidationError, match="verdict"):
        msgspec.json.decode(b'{"finding": null}', type=Expect)
