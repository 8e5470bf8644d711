"""Documents as they go out: what stands in them, and what never does."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from rapyuta_io_sdk_v2.models import Deployment as SdkDeployment
from rapyuta_io_sdk_v2.models import Secret as SdkSecret

from towline.domain.account import Organization, Project
from towline.domain.causes import FindingCode
from towline.domain.credential import Credential, Password
from towline.domain.deployment import (
    Deployment,
    DeploymentStatus,
    ExecutableState,
    ExecutableStatus,
    LayerProgress,
    Phase,
    Status,
    Wish,
)
from towline.domain.findings import Exchange, Finding
from towline.domain.minting import Grant, Mint, Minted, MintKind
from towline.domain.package import Executable, PackageSpec, Runtime
from towline.domain.proof import Answer, Standing, Verdict
from towline.domain.registry import RegistryAddress
from towline.domain.secret import DockerSecret, OpaqueSecret, SecretMetadata
from towline.wire import deployments
from towline.wire.metadata import rfc3339
from towline.wire.secrets import present, present_public

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ACME = Organization("org-a", "acme", "acmex", "user-j", created_at=NOON)
DEMO = Project("project-d", "demo", "org-a", "user-j", created_at=NOON, updated_at=NOON)
FINDING = Finding(
    FindingCode.WRONG_CREDENTIALS,
    "the registry answered 401",
    evidence=(
        Exchange(
            "GET", "https://registry.example.com", "/v2/", sent="basic", status=401, error="UNAUTHORIZED"
        ),
    ),
    image="registry.example.com/app:1",
    executable="app",
    checked_at=NOON,
)
METADATA = SecretMetadata(
    "secret-s", "pull", "project-d", "user-j", created_at=NOON, updated_at=NOON, labels={"team": "robots"}
)
SECRET = DockerSecret(
    METADATA, RegistryAddress.parse("registry.example.com:5000"), username="robot", email="robot@example.com"
)


def shown(document: bytes) -> Any:
    """Return a document, which holds no null anywhere."""
    assert b"null" not in document
    return json.loads(document)


def test_a_docker_secret_is_shown_without_password_and_with_its_standing() -> None:
    standing = Standing().after(Answer(Verdict.FAILING, FINDING), at=NOON)
    document = shown(present(SECRET.stands(standing), DEMO, ACME))
    SdkSecret(**document)
    assert document["spec"] == {
        "type": "Docker",
        "docker": {
            "registry": "registry.example.com:5000",
            "username": "robot",
            "email": "robot@example.com",
        },
        "secretKeys": ["username", "password", "email", "registry"],
    }
    status = document["status"]
    assert (status["verdict"], status["stale"]) == ("failing", False)
    assert status["since"] == status["checked_at"] == "2026-01-01T12:00:00Z"
    finding = status["finding"]
    assert (finding["code"], finding["error_code"]) == ("wrong-credentials", "DEP_E153")
    assert finding["evidence"] == [
        {
            "method": "GET",
            "origin": "https://registry.example.com",
            "path": "/v2/",
            "sent": "basic",
            "status": 401,
            "error": "UNAUTHORIZED",
            "milliseconds": 0,
        }
    ]


def test_a_minted_secret_says_how_its_login_is_made_and_until_when_it_is_good() -> None:
    grant = Grant(Credential("AWS", Password("minted")), NOON, NOON + timedelta(hours=12))
    minted = Minted(Mint(MintKind.ECR, {"region": "eu-west-1"})).renewed(grant, chance=0.5)
    minted = minted.failed(Finding(FindingCode.MINT_UNREACHABLE, "no answer"), now=NOON, chance=0.5)
    document = shown(present(replace(SECRET, mint=minted), DEMO, ACME))
    assert SdkSecret(**document).spec.docker.username == "robot"
    assert document["spec"]["docker"]["mint"] == {"kind": "ecr", "settings": {"region": "eu-west-1"}}
    told = document["status"]["mint"]
    assert told.pop("finding")["code"] == "mint-unreachable"
    assert told == {
        "minted_at": "2026-01-01T12:00:00Z",
        "valid_until": "2026-01-02T00:00:00Z",
        "renews_at": "2026-01-01T12:00:30Z",
        "failures": 1,
    }
    assert "mint" not in json.dumps(shown(present_public(replace(SECRET, mint=minted), DEMO, ACME)))


def test_a_standing_that_could_not_be_checked_again_is_stale() -> None:
    verified = Standing().after(Answer(Verdict.VERIFIED), at=NOON)
    unsure = verified.after(Answer(Verdict.UNKNOWN), at=NOON + timedelta(hours=1))
    status = shown(present(SECRET.stands(unsure), DEMO, ACME))["status"]
    assert (status["verdict"], status["stale"]) == ("verified", True)
    assert (status["since"], status["checked_at"]) == ("2026-01-01T12:00:00Z", "2026-01-01T13:00:00Z")


def test_metadata_names_project_organization_and_creator() -> None:
    assert shown(present(SECRET, DEMO, ACME))["metadata"] == {
        "name": "pull",
        "guid": "secret-s",
        "projectGUID": "project-d",
        "projectName": "demo",
        "organizationGUID": "org-a",
        "organizationName": "acme",
        "organizationCreatorGUID": "user-j",
        "creatorGUID": "user-j",
        "labels": {"team": "robots"},
        "createdAt": "2026-01-01T12:00:00Z",
        "updatedAt": "2026-01-01T12:00:00Z",
    }


def test_an_opaque_secret_shows_the_names_of_its_keys_and_has_no_standing() -> None:
    document = shown(present(OpaqueSecret(METADATA, keys=("A", "B")), DEMO, ACME))
    assert document["spec"] == {"type": "Opaque", "secretKeys": ["A", "B"]}
    assert set(document) == {"apiVersion", "kind", "metadata", "spec"}


@pytest.mark.parametrize("secret", [SECRET, OpaqueSecret(METADATA, keys=("A",))])
def test_a_viewer_sees_that_a_secret_exists_and_no_more(secret: DockerSecret | OpaqueSecret) -> None:
    document = shown(present_public(secret, DEMO, ACME))
    SdkSecret(**document)
    assert set(document) == {"apiVersion", "kind", "metadata", "spec"}
    assert set(document["spec"]) == {"type"}


def deployment(status: DeploymentStatus) -> Deployment:
    plan = PackageSpec(
        Runtime.CLOUD, (Executable("app", "registry.example.com/app:1"), Executable("b", "b:1"))
    )
    wish = Wish("pkg-p", "talker", "v1", plan, document=b'{"runtime":"cloud"}')
    return Deployment(
        "dep-d", "talker-1", "project-d", "user-j", NOON, NOON, wish=wish, generation=3, status=status
    )


def test_a_failed_pull_is_shown_with_code_finding_and_progress() -> None:
    layer = LayerProgress("sha256:" + "0" * 64, size=10, received=5)
    run = ExecutableStatus(
        "app",
        "registry.example.com/app:1",
        state=ExecutableState.ERROR,
        error_code="DEP_E153",
        reason="ErrImagePull",
        layers=(layer,),
    )
    failed = replace(DeploymentStatus(executables=(run,)).failed((FINDING,), at=NOON), attempts=1)
    document = shown(deployments.document(deployment(failed), deployments.View(DEMO, ACME, in_full=True)))
    read = SdkDeployment(**document)
    assert (read.status.phase, read.status.status) == ("Provisioning", "Error")
    assert read.status.error_codes == ["DEP_E153"]
    assert set(document) == {"apiVersion", "kind", "metadata", "spec", "status"}
    status = document["status"]
    assert status["executables_status"]["app"]["layers"] == [
        {"digest": layer.digest, "size": 10, "received": 5, "unpacked": False}
    ]
    assert status["executables_status"]["b"]["status"] == "pending"
    assert status["findings"][0]["fix"] == FINDING.fix
    assert status["dependencies"] == {"deployments": [], "networks": [], "disk": []}
    assert document["metadata"]["generation"] == 3
    assert document["metadata"]["depends"] == {"kind": "package", "nameOrGUID": "talker", "version": "v1"}


def test_a_viewer_sees_cause_and_fix_but_no_evidence() -> None:
    failed = DeploymentStatus().failed((FINDING,), at=NOON)
    document = shown(deployments.document(deployment(failed), deployments.View(DEMO, ACME, in_full=False)))
    [finding] = document["status"]["findings"]
    assert (finding["code"], finding["fix"]) == ("wrong-credentials", FINDING.fix)
    assert not {"evidence", "detail"} & set(finding)


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("state", list(ExecutableState))
def test_every_phase_status_and_state_is_one_that_the_sdk_knows(
    phase: Phase, status: Status, state: ExecutableState
) -> None:
    known = DeploymentStatus(phase, status, executables=(ExecutableStatus("app", "a:1", state=state),))
    document = deployments.document(deployment(known), deployments.View(DEMO, ACME, in_full=True))
    assert SdkDeployment(**json.loads(document)).status.phase == phase.value


def test_times_are_in_utc_whatever_their_zone() -> None:
    assert (
        rfc3339(datetime(2026, 1, 1, 12, 30, tzinfo=timezone(timedelta(hours=9)))) == "2026-01-01T03:30:00Z"
    )
