"""The recorded scenarios, judged after every event: the right finding at the end, no wrong one before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from parts import recorded
from towline.domain.causes import FindingCode as F
from towline.domain.workload import ReplicaState as S
from towline.engines.kubernetes import texts
from towline.engines.kubernetes.seen import Involved, Metadata, SeenEvent
from towline.engines.kubernetes.signs import Signs

UP = (S.RUNNING, None)
"""A container that is up at the end."""

SCENARIOS = {
    "01-happy-path": {"app": UP},
    "02-wrong-password": {"app": (S.FAILED, F.WRONG_CREDENTIALS)},
    "03-secret-missing": {"app": (S.FAILED, F.SECRET_MISSING)},
    "04-tag-not-found": {"app": (S.FAILED, F.TAG_NOT_FOUND)},
    "05-repository-not-found": {"app": (S.FAILED, F.TAG_NOT_FOUND)},
    "06-registry-refused": {"app": (S.FAILED, F.REGISTRY_REFUSED)},
    "07-dns-not-resolvable": {"app": (S.FAILED, F.REGISTRY_DNS)},
    "08-wrong-password-then-corrected": {"app": UP},
    "08b-corrected-and-restarted": {"app": UP},
    "09-exit-code-1-crashloop": {"app": (S.BACKING_OFF, F.EXITED)},
    "09b-crashloop-with-min-ready-seconds": {"app": (S.BACKING_OFF, F.EXITED)},
    "10-command-not-found": {"app": (S.FAILED, F.COMMAND_NOT_FOUND)},
    "10b-image-without-command": {"app": (S.FAILED, F.COMMAND_NOT_FOUND)},
    "10c-referenced-secret-missing": {"app": (S.FAILED, F.ENV_SECRET_MISSING)},
    "11-oom-killed": {"app": (S.BACKING_OFF, F.OUT_OF_MEMORY)},
    "12-unschedulable": {"app": (S.FAILED, F.UNSCHEDULABLE)},
    "13-rolling-update-to-bad-image-and-back": {"app": UP},
    "14-wrong-architecture-single-manifest": {"app": (S.BACKING_OFF, F.WRONG_ARCHITECTURE)},
    "14b-wrong-architecture-list": {"app": (S.FAILED, F.PLATFORM_NOT_AVAILABLE)},
    "15-https-expected-got-http": {"app": (S.FAILED, F.PLAIN_HTTP_REGISTRY)},
    "15b-unknown-certificate-authority": {"app": (S.FAILED, F.TLS_UNKNOWN_AUTHORITY)},
    "17-logs": {
        "app": UP,
        "pair": UP,
        "nopull": (S.FAILED, F.TAG_NOT_FOUND),
        "big": (S.FAILED, F.UNSCHEDULABLE),
    },
    "18-namespace-deletion": {"app": UP},
    "20-other-registry-answers": {
        "token-401": (S.FAILED, F.WRONG_CREDENTIALS),
        "token-403": (S.FAILED, F.LOGIN_BLOCKED),
        "scope-401": (S.FAILED, F.REPOSITORY_NOT_FOUND_OR_HIDDEN),
        "denied-403": (S.FAILED, F.NO_PULL_PERMISSION),
        "toomany-429": (S.FAILED, F.RATE_LIMITED),
        "broken-500": (S.FAILED, F.REGISTRY_ERROR),
        "down-503": (S.FAILED, F.REGISTRY_ERROR),
        "html-200": (S.FAILED, F.NOT_A_REGISTRY),
        "hangs": (S.FAILED, F.REGISTRY_TIMEOUT),
    },
    "21-quota-exceeded": {"app": (None, F.QUOTA_EXCEEDED)},
    "22-pod-security-refuses": {"app": (None, F.POLICY_REFUSED)},
    "23-probes-fail": {"app": (S.FAILED, F.PROBE_FAILED), "live": (S.BACKING_OFF, F.PROBE_FAILED)},
    "24-invalid-image-name-and-never": {
        "app": (S.FAILED, F.IMAGE_REFERENCE_INVALID),
        "never": (S.FAILED, F.IMAGE_NOT_PRESENT),
    },
    "25-right-secret-not-seen-at-first-pull": {"app": UP},
}
ON_THE_WAY = {
    ("08-wrong-password-then-corrected", "app"): {F.WRONG_CREDENTIALS},
    ("08b-corrected-and-restarted", "app"): {F.WRONG_CREDENTIALS},
    ("13-rolling-update-to-bad-image-and-back", "app"): {F.TAG_NOT_FOUND},
    ("17-logs", "app"): {F.EXITED},
}
"""What was wrong for a while and rightly said so."""

WITHOUT_PODS = {"16-api-errors", "19-secret-json-and-access-reviews"}
"""Recorded answers to requests; no watch."""


def played(scenario: str) -> recorded.Playback:
    """Play a scenario; the logs are those that were read in it."""
    said = ("exec /bin/app: exec format error",) if scenario.startswith("14-") else ("bye",)
    playback = recorded.Playback(scenario, said=dict.fromkeys(("app", "live", "one", "two"), said))
    playback.play()
    return playback


def test_every_recorded_scenario_is_tried():
    assert {*SCENARIOS, *WITHOUT_PODS} == set(recorded.scenarios())


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_right_finding_is_there_at_the_end_and_no_wrong_one_before(scenario):
    playback = played(scenario)
    for name, (state, finding) in SCENARIOS[scenario].items():
        moments = playback.moments[name]
        assert last(moments) == (state, finding), name
        right = ON_THE_WAY.get((scenario, name), set()) | ({finding} if finding else set())
        assert {code for _, code in told(moments)} <= right, name


def last(moments):
    """Return how a Deployment stood the last time anything was known of its containers."""
    known = [moment for moment in moments if moment.verdicts or moment.finding]
    if not known[-1].verdicts:
        return None, known[-1].finding.code
    (verdict,) = {
        (each.state, each.finding.code if each.finding else None) for each in known[-1].verdicts.values()
    }
    return verdict


def told(moments):
    """Return every finding that was said, with the second."""
    return [
        (moment.second, finding.code)
        for moment in moments
        for finding in (moment.finding, *(each.finding for each in moment.verdicts.values()))
        if finding is not None
    ]


@pytest.mark.parametrize(
    ("scenario", "name", "within"),
    [
        ("02-wrong-password", "app", 1.5),
        ("03-secret-missing", "app", 2.5),
        ("04-tag-not-found", "app", 2.0),
        ("06-registry-refused", "app", 2.0),
        ("12-unschedulable", "app", 1.0),
        ("15b-unknown-certificate-authority", "app", 2.0),
        ("21-quota-exceeded", "app", 3.0),
    ],
)
def test_a_cause_is_known_long_before_the_deadline(scenario, name, within):
    assert told(played(scenario).moments[name])[0][0] <= within


def test_a_crash_loop_is_never_taken_for_running_once_it_was_seen_to_restart():
    moments = played("09-exit-code-1-crashloop").moments["app"]
    up = [each for moment in moments for each in moment.verdicts.values() if each.state is S.RUNNING]
    assert up, "the recording holds the trap"
    assert all(each.restart_count > 0 and each.started_at is not None for each in up)


def test_a_node_that_cannot_do_what_the_server_could_is_named():
    playback = played("06-registry-refused")
    (pod,) = playback.objects["pods"].values()
    verdict = recorded.verdicts.of_container(
        pod, "app", signs=playback.signs[pod.metadata.uid], words={}, now=recorded.START
    )
    assert verdict.finding.detail.startswith("node-1 cannot pull what this server could: ")
    assert "network" in verdict.finding.fix


def test_while_an_update_fails_only_its_own_pods_are_judged():
    moments = played("13-rolling-update-to-bad-image-and-back").moments["app"]
    during = [moment for moment in moments if 15 < moment.second < 84]
    assert {len(moment.verdicts) for moment in during} == {1}
    assert {each.state for moment in during for each in moment.verdicts.values()} == {S.FAILED}


@pytest.mark.parametrize(("seconds", "is_for_it"), [(0, True), (30, False)])
def test_an_end_right_after_a_failed_probe_is_the_probes_also_where_the_kubelet_does_not_say_so(
    seconds, is_for_it
):
    """What is not to be started again is ended with its whole pod, by "Stopping container main"."""
    at = datetime(2026, 11, 28, 10, tzinfo=UTC)
    told = (("Unhealthy", "Liveness probe failed: "), ("Killing", "Stopping container main"))
    signs = Signs()
    for number, (reason, message) in enumerate(told):
        signs = signs.noting(
            SeenEvent(
                Metadata(name=str(number)),
                Involved(field_path="spec.containers{main}"),
                reason,
                message,
                last_timestamp=at + timedelta(seconds=number * seconds),
            )
        )
    assert ("main" in signs.kills) is is_for_it


@pytest.mark.parametrize(
    ("said", "is_about"),
    [
        ("0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.", True),
        ('0/1 nodes are available: persistentvolumeclaim "disk-a" not found.', True),
        ("0/2 nodes are available: 2 node(s) had volume node affinity conflict.", True),
        ("0/3 nodes are available: 3 Insufficient memory.", False),
    ],
)
def test_a_pod_that_waits_for_its_volumes_is_told_from_one_without_room(said, is_about):
    assert texts.is_about_volumes(said) == is_about
