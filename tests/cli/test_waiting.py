from __future__ import annotations

import pytest

from towline.cli.output import clean
from towline.cli.waiting import explain, outcome, progress

FINDING = {
    "code": "wrong-credentials",
    "title": "The registry refuses this username and password",
    "detail": "robot was refused",
    "fix": "Correct the secret.",
    "evidence": [
        {
            "method": "GET",
            "origin": "https://registry.example.com",
            "path": "/v2/",
            "sent": "Basic",
            "status": 401,
        }
    ],
}


def state(
    phase: str, status: str, *, wished: int = 1, seen: int = 1, codes: tuple[str, ...] = ()
) -> dict[str, object]:
    return {
        "metadata": {"name": "app", "generation": wished},
        "status": {
            "phase": phase,
            "status": status,
            "generation": seen,
            "error_codes": list(codes),
            "findings": [FINDING],
        },
    }


@pytest.mark.parametrize(
    ("deployment", "code"),
    [
        (state("InProgress", "Pending"), None),
        (state("Succeeded", "Running"), 0),
        (state("Provisioning", "Error", codes=("DEP_E153",)), 6),
        (state("Provisioning", "Error", codes=("DEP_E154",)), 1),
        (state("Stopped", "Stopped"), 1),
    ],
)
def test_a_state_means_an_exit_code(deployment: dict[str, object], code: int | None) -> None:
    assert outcome(deployment) == code


@pytest.mark.parametrize(("phase", "status"), [("Succeeded", "Running"), ("Provisioning", "Error")])
def test_the_state_of_an_earlier_generation_decides_nothing(phase: str, status: str) -> None:
    assert outcome(state(phase, status, wished=2, seen=1)) is None


def test_a_failed_pull_is_explained_with_code_finding_evidence_and_fix() -> None:
    written: list[str] = []
    explain(state("Provisioning", "Error", codes=("DEP_E153",)), written.append)
    assert written == [
        (
            "DEP_E153 (Could not pull either the docker image or the built package artifact "
            "for the component on the cloud)"
        ),
        "wrong-credentials: The registry refuses this username and password",
        "  robot was refused",
        "  seen: GET https://registry.example.com/v2/ [Basic] -> 401",
        "  fix: Correct the secret.",
    ]


def test_progress_sums_the_layers() -> None:
    layers = [{"size": 3_000_000, "received": 1_000_000}, {"size": 1_000_000, "received": 1_000_000}]
    status = {"phase": "Provisioning", "executables_status": {"app": {"name": "app", "layers": layers}}}
    assert progress({"status": status}) == "Provisioning  app: pulled 2.0 of 4.0 MB (50 %)"


def test_foreign_text_cannot_steer_the_terminal() -> None:
    assert clean("a\x1b[31mb\u202ec\td") == "a\\x1b[31mb\\u202ec\td"
