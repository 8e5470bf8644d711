"""Before anything is made, the registry is asked; what only a person can mend ends the command there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

from parts.fakes import refused
from parts.sdk import package
from towline.domain.causes import FindingCode
from towline.domain.proof import Verdict

if TYPE_CHECKING:
    from parts.live import Live
    from parts.shell import Shell

REGISTRY = "registry.example.com:5000"
IMAGE = f"{REGISTRY}/team/app:1.0"
PASSWORD = "hunter2"


@pytest.fixture
def keeper(live: Live, jane: Shell) -> Shell:
    """Jane with a good secret named ``good``, and a registry that has her image."""
    live.world.prover.registry(REGISTRY, robot=PASSWORD).has("team/app:1.0")
    words = ("--registry", REGISTRY, "--username", "robot", "--password-stdin")
    if jane.towline("secret", "show", "good").returncode:
        assert jane.towline("secret", "create", "good", *words, stdin=PASSWORD).returncode == 0
    return jane


def names(shell: Shell, kind: str) -> list[str]:
    return shell.towline(kind, "list", "-o", "name").stdout.split()


def test_a_dry_run_tells_all_of_an_image_and_makes_nothing(keeper: Shell) -> None:
    done = keeper.towline("deploy", IMAGE, "--secret", "good", "--name", "dry", "--dry-run", "-o", "json")
    (item,) = json.loads(done.stdout)
    assert (done.returncode, item["pullable"], item["secret"]) == (0, True, "good")
    assert item["digest"].startswith("sha256:")
    assert {"platform", "size", "seconds"} <= item.keys()
    assert "dry" not in names(keeper, "package")


def test_an_image_that_cannot_be_pulled_is_not_deployed(keeper: Shell) -> None:
    words = ("deploy", f"{REGISTRY}/team/app:9", "--secret", "good", "--name", "absent")
    done = keeper.towline(*words)
    assert done.returncode == 6
    assert "tag-not-found" in done.stderr
    assert "likely 1:" in done.stderr
    assert "absent" not in names(keeper, "package")
    assert keeper.towline(*words, "--no-preflight", "--no-wait").returncode == 0
    assert "absent" in names(keeper, "package")


def test_a_deployment_goes_on_where_nobody_could_tell(live: Live, keeper: Shell) -> None:
    live.world.prover.says(refused(FindingCode.REGISTRY_TIMEOUT, Verdict.UNKNOWN))
    done = keeper.towline("deploy", IMAGE, "--secret", "good", "--name", "unsure", "--no-wait")
    assert done.returncode == 0
    assert "nobody could tell" in done.stderr


def test_what_follows_two_dashes_is_the_command(keeper: Shell) -> None:
    words = ("deploy", IMAGE, "--secret", "good", "--name", "worded", "--no-wait", "-o", "json")
    done = keeper.towline(*words, "--", "sh", "-c", "echo --hi; sleep 1")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["kind"] == "Deployment"
    shown = json.loads(keeper.towline("package", "show", "worded", "-o", "json").stdout)
    assert shown["spec"]["executables"][0]["command"] == ["sh", "-c", "echo --hi; sleep 1"]


def _manifest(image: str, secret: str, name: str) -> str:
    pulled = {"image": image, "pullSecret": {"depends": {"kind": "secret", "nameOrGUID": secret}}}
    described = package(name, docker=pulled)
    deployment = {
        "apiVersion": "api.rapyuta.io/v2",
        "kind": "Deployment",
        "metadata": {"name": name, "depends": {"kind": "package", "nameOrGUID": name, "version": "v1.0.0"}},
        "spec": {"runtime": "cloud"},
    }
    return yaml.safe_dump_all([described, deployment])


def test_a_manifest_is_asked_about_image_by_image(keeper: Shell) -> None:
    good = keeper.towline("preflight", "-f", "-", "-o", "json", stdin=_manifest(IMAGE, "good", "one"))
    assert (good.returncode, [item["pullable"] for item in json.loads(good.stdout)]) == (0, [True])
    bad = keeper.towline("preflight", "-f", "-", stdin=_manifest(IMAGE, "no-such", "two"))
    assert bad.returncode == 6
    assert "secret-missing" in bad.stderr
    assert "'good'" in bad.stderr  # the secret that would do


def test_applying_keeps_the_package_and_makes_no_deployment_that_cannot_pull(keeper: Shell) -> None:
    done = keeper.towline("apply", "-f", "-", stdin=_manifest(IMAGE, "no-such", "halted"))
    assert done.returncode == 6
    assert "secret-missing" in done.stderr
    assert "halted" in names(keeper, "package")
    assert "halted" not in names(keeper, "deployment")


def test_a_replaced_password_keeps_the_registry_and_the_username(keeper: Shell) -> None:
    words = ("secret", "create", "renewed", "--registry", REGISTRY, "--username", "robot", "--password-stdin")
    assert keeper.towline(*words, stdin="wrong").returncode == 0
    done = keeper.towline("secret", "update", "renewed", "--password-stdin", "-o", "json", stdin=PASSWORD)
    shown = json.loads(done.stdout)
    assert shown["spec"]["docker"] == {
        "registry": REGISTRY,
        "username": "robot",
        "email": shown["spec"]["docker"]["email"],
    }
    assert shown["status"]["verdict"] == "verified"


def test_a_suspicious_password_is_warned_about(keeper: Shell) -> None:
    words = ("secret", "create", "odd", "--registry", REGISTRY, "--username", "robot", "--password-stdin")
    done = keeper.towline(*words, stdin="Bearer hunter2")
    assert "warning: the password: it begins with 'Bearer '" in done.stderr


def test_sign_in_project_and_version_speak_json(live: Live, keeper: Shell) -> None:
    assert json.loads(keeper.towline("version", "-o", "json").stdout).keys() == {"version", "python"}
    chosen = keeper.towline("project", "select", live.world.access.project.guid, "-o", "json")
    assert json.loads(chosen.stdout)[0]["kind"] == "Project"
    parsed = keeper.towline("image", "parse", "nginx", "-o", "json")
    assert json.loads(parsed.stdout)[0]["registry"] == "docker.io"
