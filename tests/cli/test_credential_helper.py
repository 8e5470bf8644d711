"""`towline credential-helper`: docker's config.json is changed where it must be and nowhere else."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import subprocess

    from parts.shell import Shell

AUTH = "cm9ib3Q6aHVudGVyMg=="


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "docker" / "config.json"
    made.parent.mkdir()
    return made


def typed(shell: Shell, file: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return shell.towline("credential-helper", *words, DOCKER_CONFIG=str(file.parent))


def test_a_file_is_made_for_its_owner_alone(shell: Shell, file: Path) -> None:
    done = typed(shell, file, "install", "--registry", "https://r.example.com:5000/v2/")
    assert done.returncode == 0, done.stderr
    assert json.loads(file.read_text()) == {"credHelpers": {"r.example.com:5000": "towline"}}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "+ credHelpers: r.example.com:5000 = towline" in done.stdout


def test_docker_hub_is_written_under_both_of_its_keys(shell: Shell, file: Path) -> None:
    typed(shell, file, "install", "--registry", "docker.io")
    keys = json.loads(file.read_text())["credHelpers"]
    assert keys == {"https://index.docker.io/v1/": "towline", "docker.io": "towline"}


def test_everything_else_stays_and_no_login_is_shown(shell: Shell, file: Path) -> None:
    before = {
        "HttpHeaders": {"X-Meta": "kept"},
        "auths": {"r.example.com": {"auth": AUTH}, "s.example.com": {"auth": AUTH}},
        "credHelpers": {"t.example.com": "pass", "r.example.com": "pass"},
        "zeta": 1,
    }
    file.write_text(json.dumps(before))
    file.chmod(0o640)
    done = typed(shell, file, "install", "--registry", "r.example.com")
    after = json.loads(file.read_text())
    assert after == {**before, "credHelpers": {"t.example.com": "pass", "r.example.com": "towline"}}
    assert list(after) == list(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert AUTH not in done.stdout + done.stderr
    assert "- credHelpers: r.example.com = pass" in done.stdout
    assert "still holds a login for r.example.com" in done.stderr
    assert [each.name for each in file.parent.iterdir()] == ["config.json"]


def test_logins_go_when_that_is_said(shell: Shell, file: Path) -> None:
    file.write_text(json.dumps({"auths": {"r.example.com": {"auth": AUTH}, "s.example.com": {}}}))
    done = typed(shell, file, "install", "--registry", "r.example.com", "--remove-logins")
    assert json.loads(file.read_text())["auths"] == {"s.example.com": {}}
    assert "- auths: r.example.com (the login in it)" in done.stdout
    assert AUTH not in done.stdout + done.stderr


def test_a_dry_run_changes_nothing(shell: Shell, file: Path) -> None:
    done = typed(shell, file, "install", "--every-registry", "--dry-run")
    assert not file.exists()
    assert "would change" in done.stdout
    assert "+ credsStore = towline" in done.stdout


def test_twice_is_once_and_remove_takes_back_what_install_wrote(shell: Shell, file: Path) -> None:
    file.write_text(json.dumps({"credHelpers": {"t.example.com": "pass"}, "auths": {}}))
    words = ("install", "--registry", "r.example.com", "--every-registry")
    typed(shell, file, *words)
    assert "says so already" in typed(shell, file, *words).stdout
    typed(shell, file, "remove", "--registry", "r.example.com")
    assert json.loads(file.read_text())["credsStore"] == "towline"
    typed(shell, file, "remove")
    assert json.loads(file.read_text()) == {"credHelpers": {"t.example.com": "pass"}, "auths": {}}


def test_a_link_stays_a_link(shell: Shell, file: Path, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.json"
    real.write_text("{}")
    file.symlink_to(real)
    typed(shell, file, "install", "--registry", "r.example.com")
    assert file.is_symlink()
    assert json.loads(real.read_text())["credHelpers"] == {"r.example.com": "towline"}


@pytest.mark.parametrize("content", ["{", "[]", "nul\0", "[" * 100_000, '{"credHelpers": []}'])
def test_what_is_no_config_json_is_left_alone(shell: Shell, file: Path, content: str) -> None:
    file.write_text(content)
    done = typed(shell, file, "install", "--registry", "r.example.com")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert file.read_text() == content


@pytest.mark.parametrize(
    "words", [("install",), ("install", "--registry", "a b"), ("install", "--registry", "")]
)
def test_what_is_wrong_is_told(shell: Shell, file: Path, words: tuple[str, ...]) -> None:
    assert typed(shell, file, *words).returncode == 2
    assert not file.exists()
